"""From a request to image bytes, a spec and what is beside it: a form, JSON or a DICOM file, nothing trusted."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable, Sequence, Set
from typing import Any, NamedTuple

from fastapi import Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, QueryParams, UploadFile

from worker.contract.archive import Reference
from worker.contract.errors import ImageMissing, InvalidSpec, MalformedRequest, UnsupportedMediaType
from worker.contract.spec import ExplanationSpec

BESIDE = ("spec", "webhook", "store")
FIELDS = {"image", *BESIDE}
# A spec has some fifty values, four deep. A body of the size of an image could hold millions, which fill the memory.
MAX_VALUES, MAX_DEPTH = 10_000, 16


_Sent = tuple[tuple[bytes | Reference, ...], dict[str, Any]]


class Posted(NamedTuple):
    """What a client sent. Nobody has checked the URL `webhook`, nor whether there are the archives that are named."""

    images: tuple[bytes | Reference, ...]
    spec: ExplanationSpec
    webhook: str | None
    store: str | None
    several: bool

    def pointer(self, number: int) -> str:
        """Where this image is in the request."""
        return f"/image/{number}" if self.several else "/image"


async def read(request: Request, most_images: int | None = None) -> Posted:
    """The image and the spec of a request, or up to `most_images` images.

    Raises a RequestError, ImageMissing or a SpecError with a pointer.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        images, beside = await _multipart(request, most_images)
    elif kind == "application/json":
        images, beside = await run_in_threadpool(_json, await request.body(), most_images)
    elif kind == "application/dicom" and most_images is None:
        images, beside = (await request.body(),), _parameters(request.query_params)
    else:
        raise UnsupportedMediaType(
            "Send multipart/form-data with a file `image`, application/json, or one file as application/dicom."
        )
    webhook, store = _named(beside, "webhook", "url"), _named(beside, "store", "archive")
    return Posted(images, parse_spec(beside.get("spec", {})), webhook, store, most_images is not None)


async def _multipart(request: Request, most_images: int | None) -> _Sent:
    try:
        # What is beside the image may come as a file, too.
        async with request.form(max_files=(most_images or 1) + len(BESIDE), max_fields=len(FIELDS)) as form:
            return await _fields(form, most_images)
    except UnicodeError:
        raise MalformedRequest("The form cannot be read in the charset that its content type names.") from None


async def _fields(form: FormData, most_images: int | None) -> _Sent:
    _only_known(form.keys())
    for name in FIELDS if most_images is None else FIELDS - {"image"}:
        if len(form.getlist(name)) > 1:
            raise MalformedRequest(f"The form has `{name}` more than once.", pointer=f"/{name}")
    images = form.getlist("image")
    if not images:
        raise ImageMissing(
            "The form has no file `image`, or ends before it does; with curl: -F image=@picture.png", pointer="/image"
        )
    _not_more(images, most_images)
    read = []
    for image in images:
        if not isinstance(image, UploadFile):
            raise ImageMissing("`image` came as text; with curl, mind the @: -F image=@picture.png", pointer="/image")
        read.append(await image.read())
    beside = {}
    for name in BESIDE:
        if (text := form.get(name)) is not None:
            beside[name] = parse_json(await text.read() if isinstance(text, UploadFile) else str(text), f"/{name}")
    return tuple(read), beside


def _parameters(query: QueryParams) -> dict[str, Any]:
    """What is beside an image that is the body itself."""
    for name in BESIDE:
        if len(query.getlist(name)) > 1:
            raise MalformedRequest(f"The address has `{name}` more than once.", pointer=f"/{name}")
    return {name: parse_json(query[name], f"/{name}") for name in BESIDE if name in query}


def _json(body: bytes, most_images: int | None) -> _Sent:
    document = parse_json(body, "")
    if not isinstance(document, dict):
        raise MalformedRequest('The body must be an object: {"image": {"base64": ...}, "spec": {...}}.')
    _only_known(document)
    image = document.get("image")
    images: tuple[bytes | Reference, ...]
    if most_images is None:
        images = (_decoded(image, "/image"),)
    elif isinstance(image, list) and image:
        _not_more(image, most_images)
        images = tuple(_decoded(one, f"/image/{number}") for number, one in enumerate(image))
    else:
        raise ImageMissing('Send the images as {"image": [{"base64": "..."}, ...]}.', pointer="/image")
    return images, document


def _decoded(image: Any, pointer: str) -> bytes | Reference:
    if isinstance(image, dict) and "archive" in image:
        return _reference(image, pointer)
    if not isinstance(image, dict) or not isinstance(image.get("base64"), str):
        raise ImageMissing(
            'Send the image as {"base64": "..."}, or name it: {"archive": "...", "study": "...", ...}.',
            pointer=pointer,
        )
    _only_known(image, {"base64"}, pointer)
    try:
        return base64.b64decode(image["base64"], validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest("The image is not valid base64.", pointer=f"{pointer}/base64") from None


def _not_more(images: Sequence[Any], most: int | None) -> None:
    if len(images) > (most or 1):
        raise MalformedRequest(f"These are {len(images)} images; send at most {most}.", pointer="/image")


def _reference(image: dict[str, Any], pointer: str) -> Reference:
    _only_known(image, set(Reference.model_fields), pointer)
    try:
        return Reference.model_validate(image)
    except ValidationError as error:
        at = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
        raise MalformedRequest(
            "Name an image by `archive`, `study`, `series` and `instance`: the operator's name for the archive, and "
            "three UIDs. `instance` may be left out, and `series` with it, where there is only one image.",
            pointer=pointer + "".join(map(_token, at)),
        ) from None


def _named(beside: dict[str, Any], field: str, name: str) -> str | None:
    """The text `name` of the object in this field, None where there is no such field."""
    said = beside.get(field)
    if said is None:
        return None
    if not isinstance(said, dict) or not isinstance(said.get(name), str):
        raise MalformedRequest(f'Send `{field}` as {{"{name}": "..."}}.', pointer=f"/{field}")
    _only_known(said, {name}, f"/{field}")
    return str(said[name])


def _only_known(names: Iterable[str], known: Set[str] = FIELDS, pointer: str = "") -> None:
    for name in sorted(set(names) - known):
        expected = " and ".join(f"`{field}`" for field in sorted(known))
        raise InvalidSpec(f"There is no field {name[:64]!r} here, only {expected}.", pointer=pointer + _token(name))


def parse_json(text: str | bytes, pointer: str) -> Any:
    """JSON as RFC 8259 has it, without its loopholes: UTF-8, few values, not deep, no name twice in an object.

    Nor NaN or infinity, be it by name or made of digits. Raises MalformedRequest.
    """

    def refuse(reason: str, at: str = pointer) -> MalformedRequest:
        return MalformedRequest(f"This is not usable JSON: {reason}.", pointer=at or None)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = dict(pairs)
        if len(names) < len(pairs):
            raise refuse("an object has the same name twice")
        return names

    try:
        text = text if isinstance(text, str) else text.decode("utf-8-sig")
        # Base64 has none of these, so they count the values of the spec before one of them is built.
        if sum(map(text.count, ",[{")) > MAX_VALUES:
            raise refuse(f"it has more than {MAX_VALUES:,} values")
        document = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise refuse("it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]) from None
    layer = [(pointer, document)]
    for _ in range(MAX_DEPTH):
        for at, node in layer:
            if isinstance(node, float) and not math.isfinite(node):
                raise refuse("NaN and infinity are not numbers, and no field takes them", at)
        layer = [(at + _token(name), child) for at, node in layer for name, child in _children(node)]
    if layer:
        raise refuse(f"it is nested too deeply; the limit is {MAX_DEPTH} levels")
    return document


def _children(node: Any) -> Iterable[tuple[str | int, Any]]:
    return node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()


def parse_spec(document: Any) -> ExplanationSpec:
    """The spec with its defaults. Raises InvalidSpec, pointing at the first field at fault."""
    try:
        return ExplanationSpec.model_validate(document)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
        # A union reports every member; the one that came furthest is the one that was meant.
        first = max((one for one in errors if one["loc"][:1] == errors[0]["loc"][:1]), key=lambda one: len(one["loc"]))
        detail = f"{first['msg'].removeprefix('Value error, ')}."
        if first["type"] == "extra_forbidden":
            detail = "There is no such field; see /docs for the spec."
        raise InvalidSpec(detail, pointer=_pointer(first["loc"], document)) from None


def _pointer(location: tuple[int | str, ...], document: Any) -> str:
    """The JSON pointer of a pydantic location, without the names of union members that pydantic puts in between."""
    pointer, node = "/spec", document
    for part in location:
        known = isinstance(node, dict) and part in node
        if known or (isinstance(node, list) and isinstance(part, int) and part < len(node)):
            pointer += _token(part)
            node = node[part]
    return pointer


def _token(part: str | int) -> str:
    """One step of a JSON pointer (RFC 6901), of bounded length."""
    return "/" + str(part)[:64].replace("~", "~0").replace("/", "~1")
