"""What clients send: images of digits with a spec, and requests that must be refused."""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

import httpx

from benchmarks.chaos.processes import Broken
from benchmarks.load.settings import MAX_BODY_BYTES
from models.cards import shipped

IMAGES = sorted((shipped() / "digits" / "samples").glob("*.png"))[:4]
FRESH = {"Cache-Control": "no-cache"}
_NOBODY = "0" * 32


class Bad(NamedTuple):
    """A request that must be refused with this status and code."""

    status: int
    code: str
    method: str
    path: str
    options: dict[str, Any]


def form(spec: object, *images: bytes) -> list[tuple[str, Any]]:
    """The multipart form of a request."""
    return [*(("image", ("digit.png", image)) for image in images), ("spec", (None, json.dumps(spec)))]


def explained(http: httpx.Client, spec: object, image: bytes) -> tuple[str, httpx.Response]:
    """The address of a job and its result, computed for this request. A new worker may take its time."""
    headers = {**FRESH, "Prefer": "wait=30"}
    answer = http.post("/v1/explanations", files=form(spec, image), headers=headers).raise_for_status()
    job, ends_at = answer.headers["location"], time.monotonic() + 120.0
    while answer.status_code != httpx.codes.OK:
        if time.monotonic() > ends_at:
            raise Broken(f"{job} has no result: {answer.text[:200]}")
        time.sleep(0.25)
        answer = http.get(f"{job}/result")
    return job, answer


def _post(status: int, code: str, **options: Any) -> Bad:
    return Bad(status, code, "POST", "/v1/explanations", options)


_IMAGE = IMAGES[0].read_bytes()
_JSON, _TEXT = {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}
BAD = {
    "no image": _post(422, "image_missing", files=form({})),
    "bad image": _post(415, "image_format", files=form({}, b"BM is not an image that is taken")),
    "cut image": _post(422, "image_unreadable", files=form({}, _IMAGE[:20])),
    "bad spec": _post(422, "invalid_spec", files=form({"samples": -1}, _IMAGE)),
    "unknown model": _post(422, "unknown_model", files=form({"model": "nobody"}, _IMAGE)),
    "oversized body": _post(413, "body_too_large", content=bytes(MAX_BODY_BYTES + 1), headers=_JSON),
    "wrong media type": _post(415, "unsupported_media_type", content=b"hello", headers=_TEXT),
    "unknown job": Bad(404, "job_not_found", "GET", f"/v1/jobs/{_NOBODY}", {}),
    "bad cursor": Bad(422, "invalid_parameter", "GET", "/v1/jobs?cursor=here", {}),
    "unknown method": Bad(405, "method_not_allowed", "PUT", "/v1/jobs", {}),
}
