"""Waiting for jobs: one read of the store serves all who wait for the same job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from worker.contract.errors import StoreUnavailable
from worker.store.jobs import JobStore
from worker.store.record import JobRecord

# As often as workers write their progress.
PAUSE_SECONDS = 0.25


class Watch:
    """The records of the jobs that clients wait for, each read four times a second at most."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._reads: dict[str, tuple[float, asyncio.Task[JobRecord]]] = {}

    async def record(self, job_id: str) -> JobRecord:
        """The record, at most PAUSE_SECONDS old. Raises what JobStore.get raises."""
        began, task = self._reads.get(job_id, (0.0, None))
        if task is None or (task.done() and time.monotonic() - began >= PAUSE_SECONDS):
            task = asyncio.create_task(run_in_threadpool(self._store.get, job_id))
            self._reads[job_id] = (time.monotonic(), task)
            task.add_done_callback(lambda done: self._forget_later(job_id, done))
        # Shielded, because the read is also for the others: who leaves must not end it.
        return await asyncio.shield(task)

    async def changes(self, record: JobRecord, seconds: float = float("inf")) -> AsyncIterator[JobRecord]:
        """The record now and again until the job has finished or `seconds` are over, also while the store is away."""
        ends_at = time.monotonic() + seconds
        yield record
        while not record.finished and (left := ends_at - time.monotonic()) > 0:
            await asyncio.sleep(min(PAUSE_SECONDS, left))
            try:
                record = await self.record(record.id)
            except StoreUnavailable:
                await asyncio.sleep(PAUSE_SECONDS)
            yield record

    def _forget_later(self, job_id: str, task: asyncio.Task[JobRecord]) -> None:
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain where nobody waits any more

        def forget() -> None:
            if self._reads.get(job_id, (0.0, None))[1] is task:
                del self._reads[job_id]

        asyncio.get_running_loop().call_later(PAUSE_SECONDS, forget)
