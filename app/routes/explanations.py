"""POST /v1/explanations: an image and a spec become a job."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from app import intake, submit
from app.caller import AdmitOne, Known
from app.described import LIMITED, headers
from app.prefer import CacheControl, Key, Prefer, wait_seconds, wants_fresh
from app.routes.results import result
from app.state import Shared
from worker.contract.archive import NAME
from worker.contract.job import Job
from worker.contract.result import Explanation

router = APIRouter(prefix="/v1", tags=["explanations"])

IMAGE = {"type": "string", "format": "binary", "description": "PNG, JPEG, TIFF, WebP or DICOM"}
BASE64 = {"type": "object", "required": ["base64"], "properties": {"base64": {"type": "string"}}}
_UID = {"type": "string", "pattern": "^[0-9.]{1,64}$"}
REFERENCE = {
    "type": "object",
    "required": ["archive", "study"],
    "properties": {"archive": {"type": "string", "pattern": NAME}, "study": _UID, "series": _UID, "instance": _UID},
    "description": "an image in an archive that the operator has named; `instance` needs `series`",
}
# What a request may say beside its images.
BESIDE = {
    "spec": {"$ref": "#/components/schemas/ExplanationSpec"},
    "webhook": {
        "type": "object",
        "required": ["url"],
        "properties": {"url": {"type": "string", "format": "uri"}},
        "description": "told when a job ends (Standard Webhooks), if this service's settings allow its host",
    },
    "store": {
        "type": "object",
        "required": ["archive"],
        "properties": {"archive": {"type": "string", "pattern": NAME}},
        "description": "the archive in which the DICOM objects shall be stored, where the image is DICOM",
    },
}


def body(field: str, in_form: dict[str, Any], in_json: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI description of a body with `field` and what may be beside it."""
    schemas = {"multipart/form-data": in_form, "application/json": in_json}
    content = {
        kind: {"schema": {"type": "object", "required": [field], "properties": {field: schema, **BESIDE}}}
        for kind, schema in schemas.items()
    }
    return {"requestBody": {"required": True, "content": content}}


# A DICOM file may be the whole body; then what is beside it is in the address, as JSON.
BODY = body("image", IMAGE, {"oneOf": [BASE64, REFERENCE]})
BODY["requestBody"]["content"]["application/dicom"] = {"schema": {"type": "string", "format": "binary"}}
BODY["parameters"] = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": "beside a body of application/dicom only; as JSON",
        "content": {"application/json": {"schema": schema}},
    }
    for name, schema in BESIDE.items()
]

DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Explanation,
        "description": "The result, with `Prefer: wait=N` and if it was there in time.",
        "headers": headers("Location", "Content-Location", "Preference-Applied", "ETag", *LIMITED),
    },
    202: {"description": "The job.", "headers": headers("Location", "Retry-After", *LIMITED)},
}


@router.post(
    "/explanations",
    status_code=202,
    response_model=Job,
    responses=DESCRIBED,
    openapi_extra=BODY,
    dependencies=[AdmitOne],
)
async def create_explanation(
    request: Request,
    response: Response,
    shared: Shared,
    caller: Known,
    idempotency_key: Key = None,
    prefer: Prefer = None,
    cache_control: CacheControl = None,
) -> Any:
    """Explain an image. Answers at once with the job; the result is at its `result` link when it has succeeded.

    A DICOM file is shown as its own attributes say (rescaling, window, inversion, padding), and every step is written
    in `provenance.preprocessing`; of several frames `spec.frame` names one.

    What was computed before for the same client, image, spec, model and code is not computed again: the job is finished
    at once, and says so in `reused`.
    """
    posted = await intake.read(request)
    wishes = submit.Wishes(idempotency_key, wants_fresh(cache_control))
    record = await run_in_threadpool(submit.one, shared, posted, caller, wishes)
    address = {"Location": f"/v1/jobs/{record.id}"}
    if seconds := wait_seconds(prefer):
        async for now in shared.watch.changes(record, seconds):
            record = now
        if record.finished:
            kept = {"Preference-Applied": f"wait={seconds}", "Content-Location": f"/v1/jobs/{record.id}/result"}
            return await run_in_threadpool(lambda: result(request, shared, record, **address, **kept))
    response.headers.update(address if record.finished else {**address, "Retry-After": "1"})
    return record.job()
