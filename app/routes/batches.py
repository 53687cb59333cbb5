"""Batches: many images with one spec, a job for each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from app import intake, submit
from app.caller import Known, admit
from app.described import LIMITED, headers
from app.prefer import CacheControl, Key, wants_fresh
from app.routes.explanations import BASE64, IMAGE, REFERENCE, body
from app.state import Shared
from worker.contract.job import Job
from worker.store.desk import BatchRecord

router = APIRouter(prefix="/v1/batches", tags=["batches"])

MOST_IMAGES = 256
SEVERAL: dict[str, Any] = {"type": "array", "minItems": 1, "maxItems": MOST_IMAGES}
BODY = body("image", {**SEVERAL, "items": IMAGE}, {**SEVERAL, "items": {"oneOf": [BASE64, REFERENCE]}})
DESCRIBED: dict[int | str, dict[str, Any]] = {
    202: {"description": "The batch.", "headers": headers("Location", "Retry-After", *LIMITED)}
}
STATES = ("queued", "running", "succeeded", "failed", "cancelled")


class Batch(BaseModel):
    """The jobs of one request, in the order of its images. `counts` is by state; `gone`: deleted or expired."""

    id: str
    created_at: datetime
    finished: bool
    counts: dict[str, int]
    jobs: list[Job]
    links: dict[str, str]


def _shown(record: BatchRecord) -> Batch:
    jobs = [job.job() for job in record.jobs.values() if job]
    counts = {state: sum(job.state == state for job in jobs) for state in STATES}
    finished = all(job.finished for job in jobs)
    base = f"/v1/batches/{record.id}"
    return Batch(
        id=record.id,
        created_at=record.created_at,
        finished=finished,
        counts={**counts, "gone": len(record.jobs) - len(jobs)},
        jobs=jobs,
        links={"self": base} if finished else {"self": base, "cancel": f"{base}/cancel"},
    )


@router.post("", status_code=202, openapi_extra=BODY, responses=DESCRIBED)
async def create_batch(
    request: Request,
    response: Response,
    shared: Shared,
    caller: Known,
    idempotency_key: Key = None,
    cache_control: CacheControl = None,
) -> Batch:
    """Explain up to 256 images with one spec: the field `image` once for each. All of them are queued, or none is."""
    posted = await intake.read(request, most_images=MOST_IMAGES)
    await admit(request, shared, caller, len(posted.images))
    wishes = submit.Wishes(idempotency_key, wants_fresh(cache_control))
    batch = _shown(await run_in_threadpool(submit.many, shared, posted, caller, wishes))
    response.headers["Location"] = batch.links["self"]
    if not batch.finished:
        response.headers["Retry-After"] = "1"
    return batch


@router.get("/{batch_id}")
def get_batch(batch_id: str, response: Response, shared: Shared, caller: Known) -> Batch:
    """The batch: how many of its jobs are in which state, and the jobs."""
    batch = _shown(shared.store.batch(batch_id, caller.sees))
    if not batch.finished:
        response.headers["Retry-After"] = "1"
    return batch


@router.post("/{batch_id}/cancel")
def cancel_batch(batch_id: str, shared: Shared, caller: Known) -> Batch:
    """Stop all its jobs that have not finished. Cancelling again changes nothing."""
    shared.store.cancel_batch(shared.store.batch(batch_id, caller.sees), caller.asker)
    return _shown(shared.store.batch(batch_id, caller.sees))


@router.delete("/{batch_id}", status_code=204)
def delete_batch(batch_id: str, shared: Shared, caller: Known) -> None:
    """Remove its jobs with their images and results, and the batch. 404 if there is none, also the second time."""
    shared.store.delete_batch(shared.store.batch(batch_id, caller.sees), caller.asker)
