"""The chain: whatever is done to a line is found, where it was done, by the command that an auditor has."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker.cli.audit_log import app
from worker.contract.audit import Entry, Event
from worker.contract.settings import Settings
from worker.service.ledger import Ledger, LedgerError, checked

OCTOBER = datetime(2026, 10, 31, 23, 57, tzinfo=UTC)
LINES = 8
OTHER = {
    "number": 99,
    "at": "2026-11-01T00:30:00Z",
    "event": "deleted",
    "job": "",
    "facts": {"owner": "eve"},
    "stream": "7-7",
    "previous": "1" * 64,
    "sha256": "2" * 64,
}
Change = Callable[[list[bytes]], None]


def events(count: int) -> list[Event]:
    """An event a minute, over the end of a month."""
    return [
        Event(
            id=f"{n}-0", at=OCTOBER + timedelta(minutes=n), event="submitted", job=f"{n:032x}", facts={"owner": "ada"}
        )
        for n in range(count)
    ]


def grown(ledger: Ledger, new: list[Event]) -> list[Entry]:
    entries: list[Entry] = []
    for event in new:
        entries.append(Entry.after(entries[-1] if entries else ledger.last(), event))
    with ledger.held() as ours:
        assert ours
        ledger.append(entries)
    return entries


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(Settings(audit_dir=tmp_path / "audit"))
    grown(made, events(LINES))
    return made


def told(ledger: Ledger, *arguments: str, status: int = 0) -> str:
    answer = CliRunner().invoke(app, [*arguments, "--dir", str(ledger.folder)])
    assert answer.exit_code == status, answer.output
    return answer.output


def test_a_log_of_two_months_is_whole(ledger: Ledger) -> None:
    assert [file.name for file in ledger.files] == ["audit-2026-10.jsonl", "audit-2026-11.jsonl"]
    assert [line.entry.number for line in checked(ledger.files)] == list(range(1, LINES + 1))
    last = ledger.last()
    assert last is not None and f"Entries 1 to {LINES} are whole. Head: {last.head}" in told(ledger, "verify")
    assert told(ledger, "head").strip() == last.head
    for file in (*ledger.files, ledger.folder / ".lock"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(ledger.folder.stat().st_mode) == 0o700


def test_a_month_on_its_own_is_checked_from_its_first_entry_on(ledger: Ledger) -> None:
    november = ledger.files[1]
    assert "Entries 4 to 8 are whole" in told(ledger, "verify", str(november))
    november.unlink()
    assert "Entries 1 to 3 are whole" in told(ledger, "verify"), "what is missing at the end shows with --head only"
    ledger.files[0].unlink()
    assert "no audit log" in told(ledger, "verify", status=1)


def test_every_field_of_every_line_is_sealed(ledger: Ledger) -> None:
    for file in ledger.files:
        lines = file.read_bytes().splitlines(keepends=True)
        for place, line in enumerate(lines):
            known = json.loads(line)
            assert set(known) == set(OTHER)
            for field, value in OTHER.items():
                changed = json.dumps({**known, field: value}, sort_keys=True, separators=(",", ":")).encode() + b"\n"
                file.write_bytes(b"".join([*lines[:place], changed, *lines[place + 1 :]]))
                with pytest.raises(LedgerError, match=rf"{file.name} line {place + 1}: it was changed"):
                    list(checked(ledger.files))
        file.write_bytes(b"".join(lines))
    assert len(list(checked(ledger.files))) == LINES


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda lines: lines.pop(0), "line 1 (entry 5): entry 4 should stand here"),
        (lambda lines: lines.pop(2), "line 3 (entry 7): entry 6 should stand here"),
        (lambda lines: lines.insert(2, lines[1]), "line 3 (entry 5): entry 6 should stand here"),
        (lambda lines: lines.insert(1, lines.pop(2)), "line 2 (entry 6): entry 5 should stand here"),
        (lambda lines: lines.insert(2, b"\n"), "line 3: it is no entry"),
        (lambda lines: lines.insert(2, b"[" * 100_000), "line 3: it is no entry"),
        (lambda lines: lines.append(lines.pop()[:-1]), "line 5: it was changed"),
        (lambda lines: lines.append(lines.pop()[:-9]), "line 5: it is no entry"),
        (lambda lines: lines.append(lines.pop().replace(b",", b", ")), "line 5: it was changed"),
        (lambda lines: lines.append(b"\xff\x00"), "line 6: it is no entry"),
    ],
    ids=["first", "removed", "doubled", "moved", "empty", "long", "newline", "cut", "spaces", "bytes"],
)
def test_any_change_of_lines_is_found(ledger: Ledger, change: Change, found: str) -> None:
    file = ledger.files[1]
    lines = file.read_bytes().splitlines(keepends=True)
    change(lines)
    file.write_bytes(b"".join(lines))
    assert f"{file.name} {found}" in " ".join(told(ledger, "verify", status=1).split())


def test_a_line_with_a_seal_of_its_own_does_not_fit_into_the_chain(ledger: Ledger) -> None:
    file = ledger.files[1]
    lines = file.read_bytes().splitlines(keepends=True)
    entry = Entry.model_validate_json(lines[1])
    forged = entry.model_copy(update={"facts": {"owner": "eve"}})
    lines[1] = forged.model_copy(update={"sha256": forged.seal}).line()
    file.write_bytes(b"".join(lines))
    assert "line 3 (entry 6): it does not follow the entry before" in told(ledger, "verify", status=1)


def test_the_beginning_and_the_end_cannot_go_unseen(ledger: Ledger) -> None:
    head = told(ledger, "head").strip()
    assert "whole" in told(ledger, "verify", "--head", head)
    grown(ledger, [event.model_copy(update={"id": "9-9"}) for event in events(1)])
    assert "whole" in told(ledger, "verify", "--head", head), "the log may have grown since"
    november = ledger.files[1]
    lines = november.read_bytes().splitlines(keepends=True)
    november.write_bytes(b"".join(lines[:-2]))
    told(ledger, "verify")
    assert "No entry has the hash" in told(ledger, "verify", "--head", head.split()[1], status=1)
    october = ledger.files[0]
    october.write_bytes(b"".join(october.read_bytes().splitlines(keepends=True)[1:]))
    assert "line 1 (entry 2): the log must begin with entry 1" in told(ledger, "verify", status=1)


def test_show_prints_lines_as_they_stand(ledger: Ledger) -> None:
    everything = b"".join(file.read_bytes() for file in ledger.files).decode()
    assert told(ledger, "show") == everything
    assert told(ledger, "show", "--job", f"{2:032x}") == everything.splitlines(keepends=True)[2]
    assert told(ledger, "show", "--since", "2026-11-01T00:01:00") == "".join(everything.splitlines(keepends=True)[4:])


def test_a_line_that_a_crash_cut_off_is_taken_away(ledger: Ledger) -> None:
    file, last = ledger.files[1], ledger.last()
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:100])
    assert ledger.last() == last and file.read_bytes() == whole
    file.write_bytes(whole[:100])
    assert ledger.last() == list(checked(ledger.files[:1]))[-1].entry and file.read_bytes() == b""
    file.write_bytes(b"x" * 200_000)
    with pytest.raises(LedgerError, match="does not end in lines"):
        ledger.last()


def test_the_lock_is_held_once(ledger: Ledger) -> None:
    with ledger.held() as first, Ledger(Settings(audit_dir=ledger.folder)).held() as second:
        assert first and not second
    with ledger.held() as again:
        assert again
