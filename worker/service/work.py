"""What a kernel knows of its job and what it may answer; the lease is kept and the progress written beside it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, TypeVar

from worker.contract.errors import DeadlineExceeded, StoreUnavailable, SuretyError
from worker.contract.settings import Settings
from worker.store.jobs import JobStore
from worker.store.orders import Claim, ShardOrder

# Four writes a second look live to a person and notice a cancellation at once; with fsync one costs 0.2 ms and the
# checkpoint's size. It is also the most work that a crash can undo.
PROGRESS_SECONDS = 0.25
_HANDBACK_PATIENCE = 2.0  # after that the lease runs out by itself
_LONGEST_PAUSE = 1.0

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Stopped(Exception):
    """The job is not this attempt's any more: the kernel shall end, and nothing is written."""


class Lost(Stopped):
    """Another attempt holds the job, or it was deleted."""


class Cancelled(Stopped):
    """The client cancelled the job."""


class HandedBack(Stopped):
    """This worker is shutting down and gave the job back."""


class Outcome(NamedTuple):
    """What a kernel computed. The artifacts' names become parts of URLs."""

    result_json: bytes
    artifacts: dict[str, bytes]
    tally: Mapping[str, int] = MappingProxyType({})  # what the service's statistics shall count
    facts: Mapping[str, str] = MappingProxyType({})  # what the audit log shall say


class Division(NamedTuple):
    """The job is too large for one worker: it goes on from `checkpoint` when these shards have delivered."""

    checkpoint: bytes
    shards: Sequence[ShardOrder]


class Delivery(NamedTuple):
    """What a shard computed."""

    counts: bytes


Answer = Outcome | Division | Delivery


class Kernel(Protocol):
    """Computes a job. Raises a SuretyError for what a client should know."""

    def __call__(self, payload: str, image: bytes, work: Work) -> Answer: ...


class Work:
    """What a kernel knows of its job: where to go on, and whom to tell."""

    def __init__(self, store: JobStore, claim: Claim, settings: Settings) -> None:
        self.job_id = claim.id
        self.attempt = claim.attempt
        self.kind = claim.kind
        self.checkpoint = claim.checkpoint
        self.parts = claim.parts
        self.correlation_id = claim.correlation_id
        # By our own clock, and so only to stop in time; whether the job is late is for the store to say.
        self.ends_at = time.monotonic() + settings.deadline_seconds
        self._store = store
        self._pause = settings.lease_seconds / 3
        self._lock = threading.Lock()
        self._done, self._total = 0, 0
        self._moved = False
        self._news: Callable[[], bytes] | None = None
        self._stopped: Literal["lost", "cancelled", "deadline", "handed_back"] | None = None
        self._over = threading.Event()

    @property
    def stopped(self) -> bool:
        return self._stopped is not None

    def progress(self, done: int, total: int, checkpoint: Callable[[], bytes] | None = None) -> None:
        """Notes how far the job is, and returns at once: a thread of its own writes the latest state to the store, and
        only what it writes is made into bytes.

        Raises what `check` does.
        """
        with self._lock:
            self._done, self._total, self._moved = done, total, True
            self._news = checkpoint if checkpoint is not None else self._news
        self.check()

    def check(self) -> None:
        """Raises Lost, Cancelled, HandedBack, DeadlineExceeded: then the kernel must end."""
        match self._stopped:
            case "lost":
                raise Lost
            case "cancelled":
                raise Cancelled
            case "handed_back":
                raise HandedBack
            case "deadline":
                raise DeadlineExceeded("The job took longer than this service allows.")

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Inside, the lease is kept."""
        log_as = copy_context()
        thread = threading.Thread(target=log_as.run, args=(self._keep,), name=f"beat-{self.job_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()

    def hand_back(self) -> None:
        """The job is queued again, with the latest checkpoint, unless it ended already or the store is away."""
        with self._lock:
            news = self._news
        ends_at = time.monotonic() + _HANDBACK_PATIENCE
        try:
            last = news() if news else None
            patiently(lambda: self._store.handback(self.job_id, self.attempt, last), lambda: time.monotonic() < ends_at)
        except StoreUnavailable:
            _log.warning("job %s: could not be handed back; its lease will run out", self.job_id)
        self._stopped = "handed_back"

    def _keep(self) -> None:
        last = time.monotonic()
        while not self._over.wait(min(PROGRESS_SECONDS, self._pause)) and not self._stopped:
            now = time.monotonic()
            try:
                if (self._moved or now - last >= self._pause) and self._beat():
                    last = now
            except Exception:  # noqa: BLE001 - a thread that died would take the lease with it
                _log.exception("job %s: a beat failed", self.job_id)
            if now >= self.ends_at and not self._stopped:
                self._stopped = "deadline"

    def _beat(self) -> bool:
        """True if the store answered. If not, the next turn tries again: while it is away nobody else gets the job."""
        with self._lock:
            done, total, news = self._done, self._total, self._news
            self._moved, self._news = False, None
        try:
            verdict = self._store.beat(self.job_id, self.attempt, done, total, news() if news else None)
        except StoreUnavailable:
            with self._lock:
                self._moved, self._news = True, self._news if self._news is not None else news
            return False
        if verdict != "ok" and not self._stopped:
            self._stopped = verdict
        return True


def patiently(call: Callable[[], _T], go_on: Callable[[], bool], away: type[SuretyError] = StoreUnavailable) -> _T:
    """The call's answer; while the store (or who else `away` is of) is away it is tried again, as long as `go_on`
    says so."""
    pause = 0.05
    while True:
        try:
            return call()
        except away:
            if not go_on():
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
