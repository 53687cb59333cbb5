"""Jobs: how far they are, their results and artifacts, cancelling and deleting them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from app.problems import respond
from app.state import Shared
from worker.contract.errors import ArtifactNotFound, InvalidSpec, JobCancelled
from worker.contract.job import Job, JobState
from worker.contract.result import Explanation
from worker.store.record import JobRecord

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MEDIA_TYPES = {"png": "image/png", "json": "application/json", "npz": "application/octet-stream"}
HIDDEN = {"image", "result", "checkpoint"}


class JobList(BaseModel):
    """One page of jobs, newest first. `next` is the address of the next page."""

    jobs: list[Job]
    next: str | None


def links(record: JobRecord) -> dict[str, str]:
    """Where the parts of a job are: artifacts appear when the job has succeeded."""
    base = f"/v1/jobs/{record.id}"
    known = {"self": base, "result": f"{base}/result"}
    if not record.finished:
        known["cancel"] = f"{base}/cancel"
    return known | {name: f"{base}/artifacts/{name}" for name in record.names if name not in HIDDEN}


@router.get("")
def list_jobs(
    shared: Shared,
    state: JobState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> JobList:
    """Jobs, newest first."""
    try:
        records, place = shared.store.jobs(state=state, limit=limit, cursor=cursor)
    except ValueError:
        raise InvalidSpec(
            "This cursor did not come from this list; start without one.", pointer="/query/cursor"
        ) from None
    following = f"/v1/jobs?limit={limit}&cursor={place}" + (f"&state={state}" if state else "") if place else None
    return JobList(jobs=[record.job(links(record)) for record in records], next=following)


@router.get("/{job_id}")
def get_job(job_id: str, response: Response, shared: Shared) -> Job:
    """The job: its state, its progress, and where its result is."""
    record = shared.store.get(job_id)
    if not record.finished:
        response.headers["Retry-After"] = "1"
    return record.job(links(record))


@router.get("/{job_id}/result", response_model=Explanation)
def get_result(job_id: str, request: Request, shared: Shared) -> Response:
    """The explanation. 409 while the job runs; a failed job answers with its own problem."""
    record = shared.store.get(job_id)
    if record.error is not None:
        return respond(record.error, request)
    if record.state == "cancelled":
        raise JobCancelled("The job was cancelled and has no result; send the request again.")
    return Response(shared.store.blob(job_id, "result"), media_type="application/json")


@router.get("/{job_id}/artifacts/{name}", response_class=Response)
def get_artifact(job_id: str, name: str, shared: Shared) -> Response:
    """One file of the result; the job's links name what there is."""
    if name in HIDDEN:
        raise ArtifactNotFound("The job's links name its artifacts; the result has an address of its own.")
    data = shared.store.blob(job_id, name)
    kind = MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return Response(data, media_type=kind, headers={"Content-Disposition": f'inline; filename="{name}"'})


@router.post("/{job_id}/cancel")
def cancel_job(job_id: str, shared: Shared) -> Job:
    """Stop the job, whether it is queued or running. Cancelling again changes nothing."""
    shared.store.cancel(job_id)
    record = shared.store.get(job_id)
    return record.job(links(record))


@router.delete("/{job_id}", status_code=204)
def delete_job(job_id: str, shared: Shared) -> None:
    """Remove the image, the result and the record, also of a job that still runs."""
    shared.store.delete(job_id)
