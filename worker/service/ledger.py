"""The audit log's files: `audit-YYYY-MM.jsonl`, an entry a line, one chain through all of them.

Guarantee: what was appended is on the disk, whole and in order; any byte changed and any line missing, added or moved
before a head that is known is found by `checked`. One writer at a time, by a lock that dies with its holder.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from worker.contract.audit import NOTHING, Entry
from worker.contract.settings import Settings

_LONGEST_LINE = 64 * 1024

_log = logging.getLogger(__name__)


class LedgerError(Exception):
    """The audit log is not what it should be; the message says where and why."""


class Line(NamedTuple):
    """An entry and where it stands; lines count from 1."""

    file: Path
    number: int
    entry: Entry

    def __str__(self) -> str:
        return f"{self.file.name} line {self.number} (entry {self.entry.number})"


class Ledger:
    """The audit log of one store."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.audit_dir or settings.state_dir / "audit"

    @property
    def files(self) -> list[Path]:
        """In the order of the chain."""
        return sorted(self.folder.glob("audit-[0-9][0-9][0-9][0-9]-[01][0-9].jsonl"))

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Inside, if True, nobody else writes; False if somebody else does."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def last(self) -> Entry | None:
        """The newest entry, None if there is none. For the holder: a line that a crash cut off is taken away."""
        for file in reversed(self.files):
            size = file.stat().st_size
            with file.open("rb") as lines:
                lines.seek(max(0, size - 2 * _LONGEST_LINE))
                tail = lines.read()
            whole = tail[: tail.rfind(b"\n") + 1]
            if not whole and size > len(tail):
                raise LedgerError(f"{file.name}: it does not end in lines of an audit log.")
            if whole != tail:
                _log.warning("%s: its last line was cut off and is taken away; the event is written again", file.name)
                os.truncate(file, size - len(tail) + len(whole))
            if whole:
                return _entry(whole.splitlines(keepends=True)[-1], f"{file.name}, last line")
        return None

    def append(self, entries: Sequence[Entry]) -> None:
        """The entries are on the disk. For the holder. Raises OSError: perhaps some of them, perhaps none are."""
        newest = max((file.name for file in self.files), default="")
        for name, group in groupby(entries, lambda entry: max(newest, f"audit-{entry.at:%Y-%m}.jsonl")):
            data = b"".join(entry.line() for entry in group)
            file = os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if os.write(file, data) < len(data):
                    raise OSError(f"{name}: the disk is full")
                os.fsync(file)
            finally:
                os.close(file)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # a new file's name
        finally:
            os.close(folder)


def lines(files: Sequence[Path]) -> Iterator[Line]:
    """The entries of these files. Raises LedgerError at the first that is not as it was sealed, byte by byte."""
    for file in files:
        with file.open("rb") as opened:
            for number, line in enumerate(iter(lambda: opened.readline(_LONGEST_LINE), b""), 1):
                yield Line(file, number, _entry(line, f"{file.name} line {number}"))


def checked(files: Sequence[Path], whole: bool = True) -> Iterator[Line]:
    """The same, each following the one before. `whole`: the first must be entry 1. Raises LedgerError."""
    last: Entry | None = None
    for line in lines(files):
        entry = line.entry
        if last is None and (whole or entry.number == 1) and (entry.number, entry.previous) != (1, NOTHING):
            raise LedgerError(f"{line}: the log must begin with entry 1; what was before is missing.")
        if last is not None and entry.number != last.number + 1:
            raise LedgerError(f"{line}: entry {last.number + 1} should stand here; lines were removed, added or moved.")
        if last is not None and entry.previous != last.sha256:
            raise LedgerError(f"{line}: it does not follow the entry before; one of the two was replaced.")
        last = entry
        yield line


def _entry(line: bytes, where: str) -> Entry:
    try:
        entry = Entry.model_validate_json(line)
    except ValidationError:
        raise LedgerError(f"{where}: it is no entry of an audit log, or was cut off.") from None
    if entry.line() != line or entry.seal != entry.sha256:
        raise LedgerError(f"{where}: it was changed; its seal does not fit.")
    return entry
