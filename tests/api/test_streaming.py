"""The limit on bodies holds while they stream in: what is over it is never read, whatever the headers say."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message

from tests.api.client import Client
from tests.api.conftest import LIMIT, PNG, MakeClient
from worker.contract.settings import Settings

CHUNK = 4096
HEAD = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'


def call(
    client: Client, chunks: int, kind: str, *headers: tuple[bytes, bytes], breaks_off: bool = False
) -> tuple[int, dict[str, Any], int]:
    """A raw ASGI call whose body is `chunks` long: the status, the problem, and how many bytes were taken."""
    taken = 0
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal taken
        number = taken // CHUNK
        if number >= chunks:
            return {"type": "http.disconnect"}
        body = (HEAD + bytes(CHUNK - len(HEAD))) if number == 0 and "multipart" in kind else b" " * CHUNK
        taken += len(body)
        return {"type": "http.request", "body": body, "more_body": breaks_off or number + 1 < chunks}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/explanations",
        "raw_path": b"/v1/explanations",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"surety"), (b"content-type", kind.encode()), *headers],
        "server": ("surety", 80),
    }
    asyncio.run(client.app(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:])), taken


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json"])
@pytest.mark.parametrize("claimed", [None, b"0", b"10", b"-1", b"x", b"", "²".encode("latin-1")])
def test_an_endless_body_is_not_read_on(client: Client, kind: str, claimed: bytes | None) -> None:
    headers = [] if claimed is None else [(b"content-length", claimed)]
    status, body, taken = call(client, 1_000_000, kind, *headers)
    assert (status, body["code"]) == (413, "body_too_large") and f"{LIMIT:,} bytes" in body["detail"]
    assert taken <= LIMIT + CHUNK


@pytest.mark.parametrize("claimed", [LIMIT + 1, 10**12, 10**40, None])
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json"])
def test_a_body_that_claims_too_much_is_not_read_at_all(client: Client, kind: str, claimed: int | None) -> None:
    length = b"9" * 5001 if claimed is None else str(claimed).encode()
    status, body, taken = call(client, 4, kind, (b"content-length", length))
    assert (status, body["code"], taken) == (413, "body_too_large", 0)


def test_a_body_that_is_not_looked_at_is_not_read(client: Client) -> None:
    status, body, taken = call(client, 1_000_000, "text/plain")
    assert (status, body["code"], taken) == (415, "unsupported_media_type", 0)


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json"])
def test_a_client_that_goes_away_is_no_fault_of_ours(client: Client, kind: str) -> None:
    status, body, _ = call(client, 3, kind, (b"content-length", b"60000"), breaks_off=True)
    assert (status, body["code"]) == (400, "malformed_request")
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_the_default_limit_is_32_mib() -> None:
    assert Settings(redis_url=None).max_body_bytes == 32 * 1024 * 1024


def test_the_limit_itself_is_allowed(make_client: MakeClient) -> None:
    body = HEAD + PNG + bytes(2048) + b"\r\n--x--\r\n"
    for limit, status in ((len(body), 202), (len(body) - 1, 413)):
        client = make_client(max_body_bytes=limit)
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert client.post("/v1/explanations", content=body, headers=headers).status_code == status
