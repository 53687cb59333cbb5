"""From a request's body to image bytes and a spec: multipart or JSON, nothing trusted."""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any, NamedTuple

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from worker.contract.errors import ImageMissing, InvalidSpec, MalformedRequest, UnsupportedMediaType
from worker.contract.spec import ExplanationSpec

FIELDS = {"image", "spec"}


class Posted(NamedTuple):
    """What a client sent."""

    image: bytes
    spec: ExplanationSpec


async def read(request: Request) -> Posted:
    """The image and the spec of a request. Raises a RequestError, ImageMissing or a SpecError with a pointer."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        image, spec = await _multipart(request)
    elif kind == "application/json":
        image, spec = _json(await request.body())
    else:
        raise UnsupportedMediaType("Send multipart/form-data with a file `image`, or application/json.")
    return Posted(image, parse_spec(spec))


async def _multipart(request: Request) -> tuple[bytes, Any]:
    async with request.form(max_files=2, max_fields=2) as form:
        _only_known(form.keys())
        image, text = form.get("image"), form.get("spec", "{}")
        if image is None:
            raise ImageMissing("The form has no file `image`; with curl: -F image=@picture.png", pointer="/image")
        if not isinstance(image, UploadFile):
            raise ImageMissing("`image` came as text; with curl, mind the @: -F image=@picture.png", pointer="/image")
        spec = await text.read() if isinstance(text, UploadFile) else text
        return await image.read(), parse_json(spec, "/spec")


def _json(body: bytes) -> tuple[bytes, Any]:
    document = parse_json(body, "")
    if not isinstance(document, dict):
        raise MalformedRequest('The body must be an object: {"image": {"base64": ...}, "spec": {...}}.')
    _only_known(document)
    image = document.get("image")
    if not isinstance(image, dict) or not isinstance(image.get("base64"), str) or set(image) != {"base64"}:
        raise ImageMissing('Send the image as {"image": {"base64": "..."}}.', pointer="/image")
    try:
        data = base64.b64decode(image["base64"], validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest("The image is not valid base64.", pointer="/image/base64") from None
    return data, document.get("spec", {})


def _only_known(names: Any) -> None:
    unknown = sorted(str(name) for name in names if name not in FIELDS)
    if unknown:
        raise InvalidSpec(
            f"Unknown field; a request has `image` and `spec`, not {unknown[0][:64]!r}.", pointer=f"/{unknown[0][:64]}"
        )


def parse_json(text: str | bytes, pointer: str) -> Any:
    """JSON as RFC 8259 has it: no NaN, no infinity, also none made of digits. Raises MalformedRequest."""

    def refuse(constant: str) -> float:
        raise MalformedRequest(f"{constant} is not a number in JSON, and no field takes it.", pointer=pointer or None)

    def finite(digits: str) -> float:
        value = float(digits)
        return value if math.isfinite(value) else refuse(digits[:32])

    try:
        return json.loads(text, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise MalformedRequest(f"This is not JSON: {reason}.", pointer=pointer or None) from None


def parse_spec(document: Any) -> ExplanationSpec:
    """The spec with its defaults. Raises InvalidSpec, pointing at the first field at fault."""
    try:
        return ExplanationSpec.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        detail = f"{first['msg']}."
        if first["type"] == "extra_forbidden":
            detail = "There is no such field; see /docs for the spec."
        raise InvalidSpec(detail, pointer=_pointer(first["loc"], document)) from None


def _pointer(location: tuple[int | str, ...], document: Any) -> str:
    """The JSON pointer of a pydantic location, without the names of union members that pydantic puts in between."""
    pointer, node = "/spec", document
    for part in location:
        known = isinstance(node, dict) and part in node
        if known or (isinstance(node, list) and isinstance(part, int) and part < len(node)):
            pointer += f"/{str(part).replace('~', '~0').replace('/', '~1')[:64]}"
            node = node[part]
    return pointer
