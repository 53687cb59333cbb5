"""One job in a worker process: claim, compute, finish; the lease is kept while the process lives, up to its deadline.

Guarantee: whatever the kernel does, a commit or a failure is written only by the attempt that holds the job.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from worker.contract import logs
from worker.contract.errors import InternalError, StoreUnavailable, SuretyError
from worker.contract.settings import Settings
from worker.service.work import Answer, Delivery, Division, Kernel, Outcome, Work, patiently
from worker.store.jobs import JobStore
from worker.store.orders import Claim

_CLAIM_PATIENCE = 5.0  # after that the message is given up: the job is still queued and will be sent again

_log = logging.getLogger(__name__)


class Runner:
    """Runs jobs one after the other. `stop`, called by another thread, hands the current one back at once."""

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        send: Callable[[str], bool],
        worker: str,
        kernel: Callable[[], Kernel],
    ) -> None:
        self._settings = settings
        self._store = store
        self._send = send
        self._worker = worker
        self._kernel = kernel
        self._work: Work | None = None
        self._stopping = threading.Event()
        self._turn = threading.Lock()

    def run(self, job_id: str) -> None:
        """Does the job if it can be had. Raises nothing: what happened is in the store."""
        ends_at = time.monotonic() + _CLAIM_PATIENCE
        try:
            claim = patiently(lambda: self._store.claim(job_id, self._worker), lambda: time.monotonic() < ends_at)
        except StoreUnavailable:
            _log.warning("job %s: not claimed, the store is away; it will be sent again", job_id)
            return
        if isinstance(claim, str):
            _log.info("job %s: nothing to do (%s)", job_id, claim)
            return
        logs.REQUEST.set(claim.correlation_id or "-")
        _log.info("job %s: attempt %d begins", job_id, claim.attempt)
        work = Work(self._store, claim, self._settings)
        with self._turn:
            self._work = work
        if self._stopping.is_set():
            work.hand_back()
            return
        with work.beating():
            self._compute(claim, work)
        with self._turn:
            self._work = None

    def stop(self) -> None:
        """From now on every job is handed back at once, the current one first."""
        self._stopping.set()
        with self._turn:
            work = self._work
        if work:
            work.hand_back()

    def _compute(self, claim: Claim, work: Work) -> None:
        try:
            answer = self._kernel()(claim.payload, claim.image, work)
            self._commit(work, lambda: self._write(claim, answer))
        except Exception as error:  # noqa: BLE001 - whatever a kernel raises, its job must end
            if work.stopped:
                _log.info("job %s: attempt %d stopped (%s)", claim.id, claim.attempt, type(error).__name__)
                return
            if not isinstance(error, SuretyError) or isinstance(error, InternalError | StoreUnavailable):
                _log.exception("job %s: attempt %d failed", claim.id, claim.attempt)
                error = InternalError(f"The service failed to compute job {claim.id}. Report it with this id.")
            problem = error.problem()
            self._commit(work, lambda: [] if self._store.fail(claim.id, claim.attempt, problem) else None)

    def _write(self, claim: Claim, answer: Answer) -> list[str] | None:
        """The ids to be sent now; None if the attempt does not hold the job any more."""
        match answer:
            case Division(checkpoint, shards):
                return self._store.split(claim.id, claim.attempt, checkpoint, shards)
            case Delivery(counts):
                return self._store.deliver(claim.id, claim.attempt, counts)
            case Outcome():
                return [] if self._store.finish(claim.id, claim.attempt, *answer) else None

    def _commit(self, work: Work, write: Callable[[], list[str] | None]) -> None:
        """Writes the end of the attempt, waiting for the store if it is away: the work is done and would be lost."""
        try:
            ready = patiently(write, lambda: time.monotonic() < work.ends_at and not self._stopping.is_set())
        except StoreUnavailable:
            _log.warning("job %s: attempt %d was not written, the store is away", work.job_id, work.attempt)
            return
        said = "was refused: it does not hold the job" if ready is None else "ended"
        _log.info("job %s: attempt %d %s", work.job_id, work.attempt, said)
        # Without the broker one try is enough: the reconciler sends what waits.
        all(self._send(job_id) for job_id in ready or ())
