"""What every error must look like."""

from __future__ import annotations

from typing import Any

from app.problems import STATUS


def problem(response: Any, status: int, code: str, pointer: str | None = None, says: str = "") -> dict[str, Any]:
    """The problem of a response, with its whole shape checked."""
    assert response.status_code == status, response.text
    body = checked(response)
    assert body["code"] == code, body
    assert body.get("pointer") == pointer, body
    assert says in body["detail"], body
    return body


def checked(response: Any) -> dict[str, Any]:
    """The shape alone."""
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    body: dict[str, Any] = response.json()
    assert (
        {"type", "title", "status", "detail", "instance", "code"}
        <= set(body)
        <= {*("type", "title", "status", "detail", "instance", "code", "pointer")}
    )
    assert body["status"] == response.status_code == STATUS[body["code"]]
    assert body["type"] == f"urn:surety:problem:{body['code']}"
    assert body["title"] and body["detail"] and body["instance"].startswith("/")
    assert body.get("pointer", "/").startswith("/")
    assert len(response.content) < 4000, "an error does not echo what was sent"
    return body
