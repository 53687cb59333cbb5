"""Is the process alive, and can it do its work?"""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.state import Shared
from worker.contract.errors import StoreUnavailable

router = APIRouter(prefix="/health", tags=["health"])


class Readiness(BaseModel):
    """Ready means: the store answers and a worker was seen in the last seconds."""

    ready: bool
    store: bool
    workers: int


@router.get("/live")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/ready", responses={503: {"model": Readiness}})
def ready(response: Response, shared: Shared) -> Readiness:
    """200 if a request sent now would be worked on, else 503."""
    try:
        shared.store.ping()
        workers = len(shared.store.workers())
        state = Readiness(ready=workers > 0, store=True, workers=workers)
    except StoreUnavailable:
        state = Readiness(ready=False, store=False, workers=0)
    response.status_code = 200 if state.ready else 503
    return state
