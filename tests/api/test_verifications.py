"""POST /v1/verifications and GET /v1/keys: what is queued, and what is refused before that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.client import Client
from tests.api.conftest import PNG, Post
from tests.api.problem import problem
from worker.contract.signature import PublicKey, key_id
from worker.contract.verification import VerificationOrder
from worker.store.jobs import JobStore
from worker.store.orders import Claim

RAW = bytes(range(32))
KEY = PublicKey(key_id=key_id(RAW), public_key="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", pem="PEM")
CERTIFICATE = b'{"any": "bytes"}'


def send(client: Client, certificate: bytes = CERTIFICATE, image: bytes | None = None, **data: str) -> Any:
    files = {"certificate": ("certificate.json", certificate)} | ({"image": ("a.png", image)} if image else {})
    return client.post("/v1/verifications", files=files, data=data)


def claimed(store: JobStore, job_id: str) -> tuple[VerificationOrder, bytes]:
    """What the worker gets."""
    claim = store.claim(job_id, "worker")
    assert isinstance(claim, Claim) and claim.kind == "verification"
    return VerificationOrder.model_validate_json(claim.payload), claim.image


def test_a_certificate_becomes_a_job_with_the_keys_known_now(client: Client, store: JobStore) -> None:
    store.publish(KEY)
    answer = send(client, blocks="12.5", seed="7")
    job = answer.json()
    assert answer.status_code == 202 and answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"]) == ("verification", "queued")
    order, data = claimed(store, job["id"])
    assert (order.blocks, order.seed, order.certificate_bytes) == (12.5, 7, len(CERTIFICATE))
    assert data == CERTIFICATE and [key.key_id for key in order.keys] == [KEY.key_id]


def test_the_image_goes_with_it(client: Client, store: JobStore) -> None:
    order, data = claimed(store, send(client, image=PNG).json()["id"])
    assert data[order.certificate_bytes :] == PNG and data[: order.certificate_bytes] == CERTIFICATE
    assert order.blocks == 5.0 and order.seed is None and order.keys == ()


def test_a_verification_is_done_anew_unless_the_key_says_that_it_is_the_same(client: Client, post: Post) -> None:
    """Its blocks are chosen at random; and a key that named an explanation names no verification."""
    assert send(client).json()["id"] != send(client).json()["id"]
    files = {"certificate": ("c", CERTIFICATE)}
    headers = {"Idempotency-Key": "one"}
    assert post(**headers).status_code == 202
    first, second = (client.post("/v1/verifications", files=files, headers=headers).json() for _ in range(2))
    assert first["id"] == second["id"]
    other = client.post("/v1/verifications", files=files, data={"blocks": "50"}, headers=headers)
    problem(other, 422, "idempotency_conflict")


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"blocks": "0"}, "/blocks"),
        ({"blocks": "101"}, "/blocks"),
        ({"blocks": "nan"}, "/blocks"),
        ({"blocks": "some"}, "/blocks"),
        ({"seed": "-1"}, "/seed"),
        ({"seed": "9" * 40}, "/seed"),
    ],
)
def test_wrong_parameters_are_pointed_at(client: Client, data: dict[str, str], pointer: str) -> None:
    problem(send(client, **data), 422, "invalid_parameter", pointer)


def test_what_is_no_request_for_a_verification_is_refused(client: Client) -> None:
    problem(send(client, certificate=b""), 422, "certificate_missing", "/certificate")
    problem(client.post("/v1/verifications", data={"blocks": "5"}), 415, "unsupported_media_type")
    problem(client.post("/v1/verifications", files={"image": ("a", PNG)}), 422, "certificate_missing", "/certificate")
    problem(client.post("/v1/verifications", json={"certificate": {}}), 415, "unsupported_media_type")
    problem(send(client, more="1"), 400, "malformed_request")
    problem(send(client, image=b"no image"), 415, "image_format", "/image")
    twice = [("certificate", ("a", CERTIFICATE)), ("certificate", ("b", CERTIFICATE))]
    problem(client.post("/v1/verifications", files=twice), 400, "malformed_request")


def test_the_public_keys_are_listed_and_the_first_sighting_stays(client: Client, store: JobStore) -> None:
    assert client.get("/v1/keys").json() == []
    store.publish(KEY)
    first = client.get("/v1/keys").json()
    store.publish(KEY)
    assert client.get("/v1/keys").json() == first and len(first) == 1
    assert {name: first[0][name] for name in ("key_id", "algorithm", "public_key", "pem")} == KEY.model_dump()
    assert first[0]["first_seen"].startswith("20") and client.get(f"/v1/keys/{KEY.key_id}").json() == first[0]
    problem(client.get("/v1/keys/0000000000000000"), 404, "not_found")


def test_a_file_of_another_kind_is_not_a_field(client: Client) -> None:
    """`blocks` as a file: the form's text fields are text."""
    problem(
        client.post("/v1/verifications", files={"certificate": ("c", b"{}"), "blocks": ("b", b"5")}),
        422,
        "invalid_parameter",
        "/blocks",
    )
