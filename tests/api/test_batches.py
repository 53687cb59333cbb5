"""Batches: many images with one spec, all of them or none."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from app.routes.batches import Batch
from tests.api.client import Client
from tests.api.conftest import PNG, MakeClient
from tests.api.problem import problem
from tests.api.test_answers import ARTIFACTS, announce, made
from tests.images.files import encode, smooth
from worker.contract.job import Job
from worker.contract.model import ModelCard
from worker.store.jobs import JobStore
from worker.store.orders import Claim

IMAGES = [encode(smooth(8 + number, 8), "PNG") for number in range(3)]


def send(client: Client, images: list[bytes], spec: object = None, **headers: str) -> Any:
    files = [("image", (f"{number}.png", image)) for number, image in enumerate(images)]
    data = {} if spec is None else {"spec": json.dumps(spec)}
    return client.post("/v1/batches", files=files, data=data, headers=headers)


def send_json(client: Client, document: object) -> Any:
    return client.post("/v1/batches", content=json.dumps(document), headers={"Content-Type": "application/json"})


def in_base64(images: list[bytes]) -> list[dict[str, str]]:
    return [{"base64": b64encode(image).decode()} for image in images]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_batch_from_its_post_to_its_end(client: Client, store: JobStore, as_json: bool) -> None:
    spec = {"samples": 64}
    document = {"image": in_base64(IMAGES), "spec": spec}
    response = send_json(client, document) if as_json else send(client, IMAGES, spec)
    assert response.status_code == 202, response.text
    batch = Batch.model_validate(response.json())
    address = f"/v1/batches/{batch.id}"
    assert response.headers["location"] == address and response.headers["retry-after"] == "1"
    assert batch.counts == {"queued": 3, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0, "gone": 0}
    assert not batch.finished and batch.links == {"self": address, "cancel": f"{address}/cancel"}
    for job, image in zip(batch.jobs, IMAGES, strict=True):
        assert job.links["batch"] == address
        assert Job.model_validate(client.get(job.links["self"]).json()) == job
        claim = store.claim(job.id, "w")
        assert isinstance(claim, Claim) and claim.image == image and json.loads(claim.payload)["samples"] == 64
    store.finish(batch.jobs[0].id, 1, b"{}", {})
    client.delete(batch.jobs[1].links["self"])
    now = Batch.model_validate(client.get(address).json())
    assert now.counts == {"queued": 0, "running": 1, "succeeded": 1, "failed": 0, "cancelled": 0, "gone": 1}
    for _ in range(2):
        end = client.post(f"{address}/cancel")
        assert end.status_code == 200 and end.json()["counts"]["cancelled"] == 1 and end.json()["finished"]
    assert client.get(address).json()["links"] == {"self": address} and "retry-after" not in client.get(address).headers
    assert client.delete(address).status_code == 204
    for response in (client.get(address), client.delete(address), client.post(f"{address}/cancel")):
        problem(response, 404, "batch_not_found")
    problem(client.get(batch.jobs[0].links["self"]), 404, "job_not_found")


def test_one_bad_image_refuses_all_and_is_named(client: Client, store: JobStore) -> None:
    problem(send(client, [PNG, b"GIF89a", PNG]), 415, "image_format", "/image/1")
    problem(send_json(client, {"image": in_base64([PNG, b""])}), 422, "image_empty", "/image/1")
    broken = [*in_base64([PNG]), {"base64": "?"}]
    problem(send_json(client, {"image": broken}), 400, "malformed_request", "/image/1/base64")
    problem(send_json(client, {"image": [*in_base64([PNG]), 3]}), 422, "image_missing", "/image/1")
    problem(send(client, [PNG, PNG], {"samples": 0}), 422, "invalid_spec", "/spec/samples")
    for image in ([], {"base64": "x"}, None, "x"):
        problem(send_json(client, {"image": image}), 422, "image_missing", "/image")
    assert store.unfinished() == 0


def test_how_many(make_client: MakeClient, store: JobStore) -> None:
    client = make_client(max_queue=256, max_body_bytes=200_000)
    problem(send(client, [PNG] * 257), 400, "malformed_request", "/image", "256")
    problem(send_json(client, {"image": in_base64([PNG] * 257)}), 400, "malformed_request", "/image", "256")
    problem(send(client, [PNG, bytes(200_000)]), 413, "body_too_large")
    first = send(client, [PNG] * 256, **{"Idempotency-Key": "k"})
    assert first.status_code == 202 and len(first.json()["jobs"]) == 256
    full = send(client, [PNG])
    problem(full, 429, "queue_full")
    assert int(full.headers["retry-after"]) > 0 and store.unfinished() == 256
    assert send(client, [PNG] * 256, **{"Idempotency-Key": "k"}).json()["id"] == first.json()["id"]
    problem(send(client, [PNG] * 255, **{"Idempotency-Key": "k"}), 422, "idempotency_conflict")


def test_what_was_computed_before_is_not_computed_again(client: Client, store: JobStore) -> None:
    card = ModelCard.model_validate(client.get("/v1/models/digits").json())
    announce(store, card)
    job_id = send(client, IMAGES[:1]).json()["jobs"][0]["id"]
    assert isinstance(store.claim(job_id, "w"), Claim)
    assert store.finish(job_id, 1, made(card.sha256), ARTIFACTS)
    batch = Batch.model_validate(send(client, IMAGES).json())
    assert [job.reused for job in batch.jobs] == [True, False, False]
    assert batch.counts["succeeded"] == 1 and batch.counts["queued"] == 2
    fresh = Batch.model_validate(send(client, IMAGES, **{"Cache-Control": "no-cache"}).json())
    assert not any(job.reused for job in fresh.jobs)
    alone = Batch.model_validate(send(client, IMAGES[:1]).json())
    assert alone.finished and alone.counts["succeeded"] == 1
