"""POST /v1/verifications: a certificate, and perhaps its image, become a job that checks them."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from app.caller import AdmitOne, Caller, Known
from app.prefer import Key
from app.state import Shared, State
from worker.contract.errors import CertificateMissing, InvalidParameter, MalformedRequest, UnsupportedMediaType
from worker.contract.image import inspect
from worker.contract.job import VERIFICATION, Job
from worker.contract.verification import VerificationOrder, VerificationSpec

router = APIRouter(prefix="/v1", tags=["verification"])

FILES = ("certificate", "image")
FIELDS = (*FILES, *VerificationSpec.model_fields)
FORM = {
    "type": "object",
    "required": ["certificate"],
    "properties": {
        "certificate": {"type": "string", "format": "binary", "description": "certificate.json, byte for byte"},
        "image": {"type": "string", "format": "binary", "description": "the image: a share of the run is repeated"},
        "blocks": {"type": "number", "exclusiveMinimum": 0, "maximum": 100, "default": 5, "description": "percent"},
        "seed": {"type": "integer", "minimum": 0, "description": "chooses the share again that an earlier job chose"},
    },
}
BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}}


class Sent(NamedTuple):
    """What a client sent. The image is empty where there was none."""

    certificate: bytes
    image: bytes
    spec: VerificationSpec


@router.post("/verifications", status_code=202, openapi_extra=BODY, dependencies=[AdmitOne])
async def create_verification(
    request: Request, response: Response, shared: Shared, caller: Known, idempotency_key: Key = None
) -> Job:
    """Check a certificate: its signature by a key of this service, and whether every number and sentence follows from
    the counts in it. With the image a random share of the run is computed again and the integers are compared.

    The job's result is a list of checks, whatever the certificate is; that it is no certificate at all is one of them.
    """
    sent = await _read(request)
    record = await run_in_threadpool(_enqueue, shared, sent, caller, idempotency_key)
    response.headers["Location"] = f"/v1/jobs/{record.id}"
    response.headers["Retry-After"] = "1"
    return record


async def _read(request: Request) -> Sent:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise UnsupportedMediaType("Send multipart/form-data with a file `certificate`, and an `image` if you like.")
    try:
        async with request.form(max_files=len(FILES), max_fields=len(FIELDS)) as form:
            return await _fields(form)
    except UnicodeError:
        raise MalformedRequest("The form cannot be read in the charset that its content type names.") from None


async def _fields(form: FormData) -> Sent:
    for name in form:
        if name not in FIELDS or len(form.getlist(name)) > 1:
            raise MalformedRequest(f"The form takes {', '.join(FIELDS)}, each once; not {name[:64]!r} or twice.")
    files = [form.get(name) for name in FILES]
    read = [await file.read() if isinstance(file, UploadFile) else (file or "").encode() for file in files]
    if not read[0]:
        raise CertificateMissing("With curl: -F certificate=@certificate.json", pointer="/certificate")
    values = {name: value for name, value in form.items() if name not in FILES}
    try:
        return Sent(read[0], read[1], VerificationSpec.model_validate(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidParameter(f"{first['msg']}.", pointer=f"/{first['loc'][0]}") from None


def _enqueue(shared: State, sent: Sent, caller: Caller, key: str | None) -> Job:
    if sent.image:
        inspect(sent.image, shared.settings.max_pixels)
    keys = tuple(shared.store.public_keys())
    order = VerificationOrder(**dict(sent.spec), certificate_bytes=len(sent.certificate), keys=keys)
    payload, asked = order.model_dump_json(), order.model_dump_json(exclude={"keys"})
    data = sent.certificate + sent.image
    made = shared.store.create(
        VERIFICATION,
        payload,
        data,
        digest=sha256(sha256(data).digest() + asked.encode()).hexdigest(),
        # Keys of different owners must not meet, nor those of different calls.
        idempotency_key=None if key is None else f"{caller.owner}\nverification\n{key}",
        correlation_id=caller.request_id,
        owner=caller.owner,
        key=caller.key,
    )
    if made.fresh:
        shared.courier.send(made.id)
    return shared.store.get(made.id).job()
