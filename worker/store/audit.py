"""Events on their way to the audit log: added by the scripts that change the jobs, kept until a scribe wrote them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from worker.contract.audit import Event
from worker.contract.settings import Settings
from worker.store.scripts import Scripts, connect, store_errors

_STREAM = "surety:audit"
_HEAD = "surety:audit:head"
_Row = tuple[bytes, dict[bytes, bytes]]


class AuditStream:
    """The events that wait, and the head of the log they go to. Every method raises StoreUnavailable when Redis does
    not answer. Nothing is ever dropped: without a scribe the stream grows."""

    def __init__(self, settings: Settings) -> None:
        if settings.redis_url is None:
            raise ValueError("the audit log needs settings.redis_url; RedisServer gives one")
        self._redis = connect(settings.redis_url)
        self._scripts = Scripts(self._redis, settings)

    def close(self) -> None:
        self._redis.close()

    def waiting(self, most: int = 200) -> list[Event]:
        """The oldest events that wait, in the order in which they happened."""
        with store_errors():
            return [_event(row) for row in cast(list[_Row], self._redis.xrange(_STREAM, count=most))]

    def head(self) -> str:
        """The last entry that a scribe has told the store of, as Entry.head; "" before the first."""
        with store_errors():
            return (cast(bytes | None, self._redis.get(_HEAD)) or b"").decode()

    def written(self, before: str, now: str, events: Sequence[Event]) -> bool:
        """True: these events wait no more, and the log's head is `now`. False: it was not `before`; nothing changed."""
        ids = [event.id for event in events]
        return bool(self._scripts.run("written", before, now, *ids) == b"ok")


def _event(row: _Row) -> Event:
    number, fields = row[0].decode(), row[1]
    return Event(
        id=number,
        at=datetime.fromtimestamp(int(number.partition("-")[0]) / 1000, UTC),
        event=fields[b"event"].decode(),
        job=fields[b"job"].decode(),
        facts=json.loads(fields[b"facts"]),
    )
