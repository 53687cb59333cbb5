"""The OpenAPI document's headers: what answers carry, said once."""

from __future__ import annotations

from typing import Any

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "integer"}
_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Content-Location": ("where the result is", _TEXT),
    "ETag": ("changes with the bytes; for If-None-Match", _TEXT),
    "Location": ("where the job or the batch is", _TEXT),
    "Preference-Applied": ("`wait=N`, when the result was waited for", _TEXT),
    "RateLimit": ("what is left of the limit, and when it is renewed (IETF draft); only if there is a limit", _TEXT),
    "RateLimit-Policy": ("the limit (IETF draft); only if there is one", _TEXT),
    "Retry-After": ("seconds until it is worth asking again", _NUMBER),
    "X-Request-ID": ("the request's id: the client's own, or one made for it; in the logs and in the job", _TEXT),
}
LIMITED = ("RateLimit", "RateLimit-Policy")


def headers(*names: str) -> dict[str, Any]:
    """The `headers` of a response in the document."""
    return {name: {"description": _HEADERS[name][0], "schema": _HEADERS[name][1]} for name in names}


def add_request_id(document: dict[str, Any]) -> None:
    """Every answer has it."""
    for calls in document["paths"].values():
        for call in calls.values():
            for response in call["responses"].values():
                response["headers"] = {**response.get("headers", {}), **headers("X-Request-ID")}
