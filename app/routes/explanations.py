"""POST /v1/explanations: an image and a spec become a job."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from app import intake
from app.routes.jobs import links
from app.state import Shared, State
from worker.contract.image import inspect
from worker.contract.job import Job

router = APIRouter(prefix="/v1", tags=["explanations"])

IMAGE = {"type": "string", "format": "binary", "description": "PNG, JPEG, TIFF or WebP"}
SPEC = {"$ref": "#/components/schemas/ExplanationSpec"}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["image"], "properties": {"image": IMAGE, "spec": SPEC}}
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {
                            "type": "object",
                            "required": ["base64"],
                            "properties": {"base64": {"type": "string"}},
                        },
                        "spec": SPEC,
                    },
                }
            },
        },
    }
}
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=256)]


@router.post("/explanations", status_code=202, openapi_extra=BODY)
async def create_explanation(request: Request, response: Response, shared: Shared, idempotency_key: Key = None) -> Job:
    """Explain an image. Answers at once with the job; the result is at its `result` link when it has succeeded."""
    posted = await intake.read(request)
    job = await run_in_threadpool(_enqueue, shared, posted, idempotency_key)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["Retry-After"] = "1"
    return job


def _enqueue(shared: State, posted: intake.Posted, key: str | None) -> Job:
    inspect(posted.image, shared.settings.max_pixels)
    shared.catalogue.check(posted.spec, shared.catalogue.models(shared.store.models()), shared.settings.max_samples)
    payload = posted.spec.model_dump_json(by_alias=True)
    digest = sha256(sha256(posted.image).digest() + payload.encode()).hexdigest()
    made = shared.store.create(
        "explanation", payload, posted.image, digest=digest, idempotency_key=key, total=posted.spec.at_most
    )
    if made.fresh:
        shared.courier.send(made.id)
    record = shared.store.get(made.id)
    return record.job(links(record))
