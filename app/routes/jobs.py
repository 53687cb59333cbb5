"""Jobs: how far they are, cancelling and deleting them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from app.caller import Known, Seen
from app.state import Shared
from worker.contract.errors import InvalidParameter, JobExpired, JobNotFound
from worker.contract.job import Job, JobState

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


class JobList(BaseModel):
    """One page of jobs, newest first. `next` is the address of the next page."""

    jobs: list[Job]
    next: str | None


@router.get("")
def list_jobs(
    shared: Shared,
    caller: Known,
    state: JobState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> JobList:
    """The caller's jobs, newest first; for an admin those of all owners."""
    try:
        records, place = shared.store.jobs(state=state, owner=caller.sees, limit=limit, cursor=cursor)
    except ValueError:
        raise InvalidParameter(
            "This cursor did not come from this list; start without one.", pointer="/query/cursor"
        ) from None
    following = f"/v1/jobs?limit={limit}&cursor={place}" + (f"&state={state}" if state else "") if place else None
    return JobList(jobs=[record.job() for record in records], next=following)


@router.get("/{job_id}")
def get_job(record: Seen, response: Response) -> Job:
    """The job: its state, its progress, and where its result is."""
    if not record.finished:
        response.headers["Retry-After"] = "1"
    return record.job()


@router.post("/{job_id}/cancel")
def cancel_job(record: Seen, shared: Shared, caller: Known) -> Job:
    """Stop the job, whether it is queued or running. Cancelling again changes nothing."""
    shared.store.cancel(record.id, caller.asker)
    return shared.store.get(record.id).job()


@router.delete("/{job_id}", status_code=204)
def delete_job(job_id: str, shared: Shared, caller: Known) -> None:
    """Remove the image, the result and the record, also of a job that still runs. Of an unknown job nothing is left."""
    try:
        shared.store.get(job_id, caller.sees)
    except JobNotFound:  # or somebody else's: the answer is the same
        return
    except JobExpired:
        pass  # what is left of it says that it has expired
    shared.store.delete(job_id, caller.asker)
