"""What a finished job made: the result and its artifacts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from app.cached import answer
from app.caller import Seen
from app.described import headers
from app.problems import respond
from app.state import Shared, State
from worker.contract.errors import ArtifactNotFound, JobCancelled
from worker.contract.result import Explanation
from worker.contract.verification import Verification
from worker.store.record import HIDDEN, JobRecord

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MEDIA_TYPES = {
    "png": "image/png",
    "json": "application/json",
    "npz": "application/octet-stream",
    "dcm": "application/dicom",
}
KEPT: dict[int | str, dict[str, Any]] = {
    200: {"headers": headers("ETag")},
    304: {"description": "The client has these bytes: `If-None-Match` names their ETag.", "headers": headers("ETag")},
}


@router.get("/{job_id}/result", response_model=Explanation | Verification, responses=KEPT)
def get_result(record: Seen, request: Request, shared: Shared) -> Response:
    """The explanation, or the verification. 409 while the job runs; a failed job answers with its own problem."""
    return result(request, shared, record)


def result(request: Request, shared: State, record: JobRecord, **headers: str) -> Response:
    """The result of a job, or why it has none."""
    if record.error is not None:
        return respond(record.error, request, headers)
    if record.state == "cancelled":
        raise JobCancelled("The job was cancelled and has no result; send the request again.")
    return answer(request, shared.store.blob(record.id, "result"), "application/json", **headers)


@router.get("/{job_id}/artifacts/{name}", response_class=Response, responses=KEPT)
def get_artifact(record: Seen, name: str, request: Request, shared: Shared) -> Response:
    """One file of the result; the job's links name what there is."""
    if name in HIDDEN:
        raise ArtifactNotFound("The job's links name its artifacts; the result has an address of its own.")
    data = shared.store.blob(record.id, name)
    kind = MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return answer(request, data, kind, **{"Content-Disposition": f'inline; filename="{name}"'})
