"""The store as the API's desk needs it: batches, what was computed before, how busy it is, who asks too often."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple, cast

from worker.contract.audit import Asker
from worker.contract.errors import BatchNotFound, JobFinished, JobNotFound
from worker.store.jobs import JobStore
from worker.store.orders import Created, Item, Order
from worker.store.record import JobRecord
from worker.store.scripts import store_errors

_ID = re.compile(r"[0-9a-f]{32}")


class Backlog(NamedTuple):
    """What is unfinished. `oldest_seconds` is the age of the oldest queued job, 0 when none is queued."""

    queued: int
    running: int
    oldest_seconds: float


class Admission(NamedTuple):
    """Whether a client may go on, how much it has left and when that is renewed."""

    admitted: bool
    left: int
    seconds: float


class BatchRecord(NamedTuple):
    """The jobs of one request; those deleted or expired are None."""

    id: str
    created_at: datetime
    jobs: dict[str, JobRecord | None]


class Desk(JobStore):
    """A job store that also knows what only the API asks."""

    def create_batch(self, order: Order, items: Sequence[Item]) -> Created:
        """One job for every item, and the batch that names them; all of them or none.

        Raises IdempotencyConflict, QueueFull.
        """
        whole = hashlib.sha256("".join(item.digest for item in items).encode()).hexdigest()
        return self._create(order, whole, secrets.token_hex(16), items)

    def batch(self, batch_id: str, owner: str | None = None) -> BatchRecord:
        """Raises BatchNotFound, also for a batch of somebody else."""
        fields: dict[bytes, bytes] = {}
        if _ID.fullmatch(batch_id):
            with store_errors():
                fields = cast(dict[bytes, bytes], self._redis.hgetall(f"surety:batch:{batch_id}"))
        if not fields or owner not in (None, fields[b"owner"].decode()):
            raise BatchNotFound("There is no batch of this id: it was deleted, or the time of its last job is over.")
        ids = fields[b"jobs"].decode().split()
        created = datetime.fromtimestamp(int(fields[b"created_at"]) / 1000, UTC)
        return BatchRecord(batch_id, created, dict(zip(ids, self._records(ids), strict=True)))

    def cancel_batch(self, batch: BatchRecord, asker: Asker | None = None) -> None:
        """No job of it is queued or running any more."""
        for job_id in batch.jobs:
            try:
                self.cancel(job_id, asker)
            except (JobFinished, JobNotFound):
                continue

    def delete_batch(self, batch: BatchRecord, asker: Asker | None = None) -> None:
        """Nothing is left of it and of its jobs."""
        for job_id in batch.jobs:
            self.delete(job_id, asker)
        with store_errors():
            key = f"surety:batch:{batch.id}"
            idem = cast(bytes | None, self._redis.hget(key, "idem"))
            self._redis.delete(key, *([b"surety:idem:" + idem] if idem else []))

    def computed(self, owner: str, digest: str) -> str | None:
        """The last job of this owner that succeeded with this digest. It may have been deleted since."""
        with store_errors():
            job_id = cast(bytes | None, self._redis.get(f"surety:result:{owner}:{digest}"))
        return job_id.decode() if job_id else None

    def admit(self, who: str, cost: int, limit: int, seconds: float) -> Admission:
        """Counts `cost` against what `who` may do in this window of so many seconds, if it is not too much."""
        name = hashlib.sha256(who.encode()).hexdigest()
        admitted, left, wait = self._scripts.run("admit", name, cost, limit, round(seconds * 1000))
        return Admission(admitted == 1, left, wait / 1000)

    def backlog(self) -> Backlog:
        """What is queued and running now, by Redis's clock."""
        with store_errors():
            ids = [job_id.decode() for job_id in cast(list[bytes], self._redis.zrange("surety:active", 0, -1))]
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.time()
                for job_id in ids:
                    pipe.hmget(f"surety:job:{job_id}", "state", "created_at")
                (seconds, micros), *rows = pipe.execute()
        queued = [int(created) for state, created in rows if state == b"queued"]
        oldest = max(0.0, seconds + micros / 1e6 - min(queued) / 1000) if queued else 0.0
        return Backlog(len(queued), sum(state == b"running" for state, _ in rows), round(oldest, 1))
