"""Writes the events that wait in the store into the audit log.

Guarantee: each event is written once, in order, whatever is killed when. An event leaves the store when it is on the
disk; what was written but did not leave is known by its place in the stream and not written again.
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from itertools import dropwhile

from worker.contract.audit import Entry, Event
from worker.contract.errors import StoreUnavailable
from worker.contract.settings import Settings
from worker.service.ledger import Ledger, LedgerError, lines
from worker.store.audit import AuditStream

BEGUN = "begun"  # the event of a log that begins, or goes on for a store that was emptied
_TURN_SECONDS = 1.0
_STOP_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Scribe:
    """A thread that writes. Many on one folder take turns; one whose folder is not that of the log writes nothing."""

    def __init__(self, settings: Settings) -> None:
        self._stream = AuditStream(settings)
        self._ledger = Ledger(settings)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="scribe", daemon=True)
        self._said = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What happened until now is written, unless the store or the disk is away: then it waits in the store."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._stream.close()

    def write(self) -> None:
        """What waits is written, unless another scribe is at it. Raises StoreUnavailable, LedgerError, OSError."""
        if not self._stream.waiting(1):
            return
        with self._ledger.held() as ours:
            while ours and (events := self._stream.waiting()):
                self._move(events)

    def _move(self, events: list[Event]) -> None:
        head, last = self._stream.head(), self._ledger.last()
        if not head:
            # A store that was never written down, or has lost that it was: the log says so, and goes on.
            facts = {"host": socket.gethostname(), "store": secrets.token_hex(8)}
            begun = Event(id="0-0", at=events[0].at, event=BEGUN, job="", facts=facts)
            head, last = self._append(head, last, [begun], [])
        known = (0, 0)
        if last is None or last.head != head:
            known = self._crashed(head)
        self._append(head, last, [event for event in events if _place(event.id) > known], events)

    def _append(self, head: str, last: Entry | None, new: list[Event], done: list[Event]) -> tuple[str, Entry | None]:
        """The log's head and last entry, after `new` was written and the store was told that `done` are."""
        entries: list[Entry] = []
        for event in new:
            entries.append(Entry.after(entries[-1] if entries else last, event))
        self._ledger.append(entries)
        last = entries[-1] if entries else last
        now = last.head if last else ""
        if not self._stream.written(head, now, done):
            raise LedgerError(f"The log of this store has become that of another folder than {self._ledger.folder}.")
        return now, last

    def _crashed(self, head: str) -> tuple[int, int]:
        """The place of the last event that a scribe wrote and did not tell the store of: the log goes on behind `head`.

        Raises LedgerError if it does not: then this is an empty folder, a log cut short, or one that another store has
        gone on with.
        """
        since = [line.entry for line in dropwhile(lambda line: line.entry.head != head, lines(self._ledger.files))]
        if not since or any(entry.event == BEGUN for entry in since[1:]):
            raise LedgerError(
                f"{self._ledger.folder} lacks entry {head.partition(' ')[0]}, the last of this store's log. "
                "Give all workers of a store one SURETY_AUDIT_DIR, or let one host write; docs/records.md says what to "
                "do if the log is lost. Until then its events wait in the store."
            )
        return _place(since[-1].stream)

    def _work(self) -> None:
        while not self._stopping.wait(_TURN_SECONDS):
            self._turn()
        self._turn()

    def _turn(self) -> None:
        said = ""
        try:
            self.write()
        except StoreUnavailable:
            said = self._said
        except (LedgerError, OSError) as error:
            said = str(error)
            if said != self._said:
                _log.error("the audit log is not written: %s", said)
        except Exception:  # noqa: BLE001 - nothing is written without this loop
            _log.exception("a turn of the scribe failed")
        self._said = said


def _place(stream_id: str) -> tuple[int, int]:
    milliseconds, _, count = stream_id.partition("-")
    return int(milliseconds), int(count)
