"""Is the process alive, and can it do its work?"""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.state import Shared
from worker.contract.errors import StoreUnavailable

router = APIRouter(prefix="/health", tags=["health"])


class Queue(BaseModel):
    """What is unfinished, of at most `limit` jobs."""

    queued: int
    running: int
    limit: int
    oldest_seconds: float


class Readiness(BaseModel):
    """Ready means: the store answers, a worker was seen in the last seconds, and the queue takes another job.

    `reasons` says what is missing.
    """

    ready: bool
    reasons: list[str]
    version: str
    store: bool
    workers: int
    queue: Queue | None


@router.get("/live")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/ready", responses={503: {"model": Readiness, "description": "Not ready; `reasons` says why."}})
def ready(response: Response, shared: Shared) -> Readiness:
    """200 if a request sent now would be worked on, else 503."""
    queue, workers, limit = None, 0, shared.settings.max_queue
    try:
        workers = len(shared.store.workers())
        backlog = shared.store.backlog()
        queue = Queue(**backlog._asdict(), limit=limit)
        reasons = [] if workers else ["no worker was seen in the last seconds"]
        if backlog.queued + backlog.running >= limit:
            reasons.append("the queue is full")
    except StoreUnavailable:
        reasons = ["the job store does not answer"]
    response.status_code = 503 if reasons else 200
    return Readiness(
        ready=not reasons,
        reasons=reasons,
        version=version("surety"),
        store=queue is not None,
        workers=workers,
        queue=queue,
    )
