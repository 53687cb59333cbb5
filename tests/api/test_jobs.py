"""A job as its client meets it, from the POST to the DELETE. The worker's part is played by the store's calls."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import redis

from app.routes.jobs import JobList
from tests.api.client import Client
from tests.api.conftest import PNG, MakeClient, Post
from tests.api.problem import checked, problem
from tests.images.files import encode, smooth
from worker.contract.errors import DegenerateMap
from worker.contract.job import Job
from worker.contract.model import ModelCard
from worker.contract.spec import ExplanationSpec
from worker.store.jobs import JobStore
from worker.store.orders import Claim

FULL = {
    "model": "digits",
    "target": {"class": 3},
    "attribution": {"name": "gradient"},
    "map": {"name": "sparsified", "tau": 0.25},
    "granularity": "element",
    "noise": {"name": "gaussian", "sigma": 0.5},
    "samples": 64,
    "seed": 2**63 - 1,
    "confidence": 0.99,
    "precision": "float32",
    "compare": "population",
    "plan": None,
    "frame": None,
    "interval": {"name": "clopper_pearson", "allowed_failures": 2},
    "certificates": [{"name": "topk_overlap", "k": 0.1, "radii": [0.5]}, {"name": "pixel_status"}],
    "render": {"palette": "magma"},
}
ARTIFACTS = {"overlay.png": b"\x89PNG", "map.npz": b"PK", "certificate.json": b"{}"}


def queued(post: Post) -> str:
    job_id: str = post().json()["id"]
    return job_id


def finished(post: Post, store: JobStore, state: str) -> str:
    job_id = queued(post)
    if state == "cancelled":
        store.cancel(job_id)
        return job_id
    claim = store.claim(job_id, "w")
    assert isinstance(claim, Claim)
    if state == "succeeded":
        assert store.finish(job_id, claim.attempt, b'{"stands": "for the result"}', ARTIFACTS)
    if state == "failed":
        assert store.fail(job_id, claim.attempt, DegenerateMap("flat", pointer="/image").problem())
    return job_id


@pytest.mark.parametrize("as_json", [False, True])
def test_post_answers_with_the_job_and_where_it_is(post: Post, store: JobStore, as_json: bool) -> None:
    if as_json:
        body = {"image": {"base64": b64encode(PNG).decode()}, "spec": FULL}
        response = post.raw(json.dumps(body).encode(), "application/json; charset=utf-8")
    else:
        response = post(spec=FULL)
    assert response.status_code == 202, response.text
    job = Job.model_validate(response.json())
    assert set(response.json()) == set(Job.model_fields)
    assert response.headers["location"] == f"/v1/jobs/{job.id}" and response.headers["retry-after"] == "1"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert (job.state, job.progress.done, job.progress.total, job.attempt) == ("queued", 0, 64, 0)
    assert response.json()["created_at"].endswith("Z")
    claim = store.claim(job.id, "w")
    assert isinstance(claim, Claim) and claim.image == PNG
    kept = json.loads(claim.payload)
    assert {**kept, "certificates": FULL["certificates"]} == FULL
    spec = ExplanationSpec.model_validate_json(claim.payload)
    assert ExplanationSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec


def test_a_post_without_a_spec_means_the_documented_defaults(post: Post, store: JobStore) -> None:
    claim = store.claim(queued(post), "w")
    assert isinstance(claim, Claim)
    assert set(json.loads(claim.payload)) == set(FULL)
    assert ExplanationSpec.model_validate_json(claim.payload) == ExplanationSpec()


@pytest.mark.parametrize("state", ["queued", "running", "succeeded", "failed", "cancelled"])
def test_every_link_is_what_it_says(client: Client, post: Post, store: JobStore, state: str) -> None:
    job_id = queued(post) if state == "queued" else finished(post, store, state)
    response = client.get(f"/v1/jobs/{job_id}")
    job = Job.model_validate(response.json())
    assert job.state == state and job.links["self"] == f"/v1/jobs/{job_id}"
    assert (response.headers.get("retry-after") == "1") == (not job.finished)
    assert (job.expires_at is not None) == job.finished
    wanted = {"self", "result"} | ({"cancel", "events"} if not job.finished else set())
    assert set(job.links) == wanted | (set(ARTIFACTS) if state == "succeeded" else set())
    assert client.get(job.links["self"]).json()["id"] == job_id
    result = client.get(job.links["result"])
    if state == "succeeded":
        assert result.json() == {"stands": "for the result"} and result.headers["content-type"] == "application/json"
        kinds = {"overlay.png": "image/png", "map.npz": "application/octet-stream"}
        for name, data in ARTIFACTS.items():
            artifact = client.get(job.links[name])
            assert artifact.content == data and artifact.headers["x-content-type-options"] == "nosniff"
            assert artifact.headers["content-type"] == kinds.get(name, "application/json")
    elif state == "failed":
        problem(result, 409, "degenerate_map", "/image", "flat")
        assert job.error is not None and job.error.code == "degenerate_map"
    elif state == "cancelled":
        problem(result, 409, "job_cancelled")
    else:
        problem(result, 409, "job_not_finished")
        assert result.headers["retry-after"] == "1"
        problem(client.get(f"/v1/jobs/{job_id}/artifacts/overlay.png"), 409, "job_not_finished")
        assert client.post(job.links["cancel"]).json()["state"] == "cancelled"


@pytest.mark.parametrize(
    "name",
    ["image", "checkpoint", "result", "nothing.png", "..%2fimage", "%2e%2e%2fresult", "..%2f..%2fx", "a%00b", "*",
     "image%0a", "IMAGE", "a" * 3000, "%ff", "overlay.png%0d%0aX: y", "overlay.png/", "overlay.png%20"],
)  # fmt: skip
def test_artifact_names_give_nothing_that_is_not_linked(client: Client, post: Post, store: JobStore, name: str) -> None:
    job_id = finished(post, store, "succeeded")
    response = client.get(f"/v1/jobs/{job_id}/artifacts/{name}")
    if response.status_code == 307:
        return
    assert response.status_code == 404, response.content
    assert checked(response)["code"] in ("artifact_not_found", "not_found", "job_not_found")
    assert "x" not in response.headers


def test_cancel_twice_and_too_late(client: Client, post: Post, store: JobStore) -> None:
    job_id = queued(post)
    for _ in range(2):
        response = client.post(f"/v1/jobs/{job_id}/cancel")
        assert response.status_code == 200 and Job.model_validate(response.json()).state == "cancelled"
    for state in ("succeeded", "failed"):
        late = finished(post, store, state)
        problem(client.post(f"/v1/jobs/{late}/cancel"), 409, "job_finished")


@pytest.mark.parametrize("state", ["queued", "running", "succeeded", "failed", "cancelled"])
def test_delete_leaves_nothing_and_may_be_repeated(
    client: Client, post: Post, store: JobStore, raw: redis.Redis, state: str
) -> None:
    job_id = queued(post) if state == "queued" else finished(post, store, state)
    for _ in range(2):
        response = client.delete(f"/v1/jobs/{job_id}")
        assert response.status_code == 204 and response.content == b""
        assert response.headers["x-content-type-options"] == "nosniff"
    problem(client.get(f"/v1/jobs/{job_id}"), 404, "job_not_found")
    problem(client.get(f"/v1/jobs/{job_id}/result"), 404, "job_not_found")
    assert [key for key in raw.scan_iter() if job_id in key] == []


def test_an_expired_job_is_gone(client: Client, post: Post, store: JobStore, raw: redis.Redis) -> None:
    job_id = finished(post, store, "succeeded")
    raw.delete(f"surety:job:{job_id}", *raw.keys(f"surety:blob:{job_id}:*"))
    for address in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/result"):
        problem(client.get(address), 410, "job_expired")


def test_list_pages_and_filters(client: Client, post: Post) -> None:
    made = [queued(post) for _ in range(5)]
    client.post(f"/v1/jobs/{made[2]}/cancel")
    seen, address = [], "/v1/jobs?limit=2"
    while address:
        page = JobList.model_validate(client.get(address).json())
        assert len(page.jobs) <= 2
        seen += [job.id for job in page.jobs]
        address = page.next or ""
    assert sorted(seen) == sorted(made)
    only = client.get("/v1/jobs?state=cancelled&limit=1").json()
    assert [job["id"] for job in only["jobs"]] == [made[2]]
    assert client.get("/v1/jobs?state=failed").json() == {"jobs": [], "next": None}


def test_idempotency_key(post: Post, store: JobStore) -> None:
    def send(**more: Any) -> Any:
        return post(**{"spec": {"samples": 9}, "Idempotency-Key": "k", **more})

    first, again = send(), send()
    assert again.status_code == 202 and again.json()["id"] == first.json()["id"]
    assert again.headers["location"] == first.headers["location"]
    assert send(spec='{ "samples" : 9 }').json()["id"] == first.json()["id"], "the same request, written otherwise"
    problem(send(spec={"samples": 10}), 422, "idempotency_conflict")
    problem(send(image=encode(smooth(9, 9), "PNG")), 422, "idempotency_conflict")
    assert send(**{"Idempotency-Key": "other"}).json()["id"] != first.json()["id"]
    assert store.unfinished() == 2
    for key in ("", "k" * 257):
        problem(send(**{"Idempotency-Key": key}), 422, "invalid_parameter", "/header/Idempotency-Key")
    assert send(**{"Idempotency-Key": "k" * 256}).status_code == 202


def test_full_queue(make_client: MakeClient, store: JobStore) -> None:
    post = Post(make_client(max_queue=2))
    first = post(**{"Idempotency-Key": "k"})
    queued(post)
    for _ in range(2):
        response = post()
        problem(response, 429, "queue_full", None, "waiting")
        assert int(response.headers["retry-after"]) > 0
    assert post(**{"Idempotency-Key": "k"}).json()["id"] == first.json()["id"], "what was accepted is still known"
    assert store.unfinished() == 2
    store.cancel(first.json()["id"])
    assert post().status_code == 202


def test_store_away(make_client: MakeClient, tmp_path: Path, store: JobStore) -> None:
    client = make_client(redis_url=f"unix://{tmp_path}/nobody.sock")
    job = f"/v1/jobs/{'0' * 32}"
    for response in (
        Post(client)(),
        *(client.get(path) for path in ("/v1/jobs", job, f"{job}/result", f"{job}/artifacts/map.npz", "/v1/models")),
        client.post(f"{job}/cancel"),
        client.delete(job),
    ):
        problem(response, 503, "store_unavailable", None, "Try again")
        assert int(response.headers["retry-after"]) > 0
    ready = client.get("/health/ready")
    assert ready.status_code == 503 and ready.json()["reasons"] == ["the job store does not answer"]
    assert not ready.json()["store"] and ready.json()["queue"] is None
    assert client.get("/health/live").json() == {"status": "alive"}
    assert client.get("/v1/catalogue").status_code == 200
    assert store.unfinished() == 0


def test_broker_away_keeps_the_job(make_client: MakeClient, store: JobStore, tmp_path: Path) -> None:
    """Accepted is accepted: the reconciler sends the message when the broker is back."""
    began = time.monotonic()
    response = Post(make_client(broker_url=f"redis+socket://{tmp_path}/nobody.sock"))()
    assert time.monotonic() - began < 3, "the client does not wait for the broker"
    assert response.status_code == 202 and store.get(response.json()["id"]).state == "queued"


def test_ready_needs_a_worker_and_its_models_are_offered(client: Client, post: Post, store: JobStore) -> None:
    assert client.get("/health/ready").status_code == 503
    cards = [ModelCard.model_validate(card) for card in client.get("/v1/models").json()]
    names = [card.name for card in cards]
    assert names == sorted(names) and "digits" in names
    own = cards[0].model_copy(update={"name": "own", "classes": ("a", "b")})
    store.announce("w", json.dumps([own.model_dump(mode="json")]))
    ready = client.get("/health/ready")
    assert ready.status_code == 200 and ready.json() == {
        "ready": True,
        "reasons": [],
        "version": version("surety"),
        "store": True,
        "workers": 1,
        "queue": {"queued": 0, "running": 0, "limit": 100_000, "oldest_seconds": 0.0},
    }
    assert ModelCard.model_validate(client.get("/v1/models/own").json()) == own
    problem(
        post(spec={"model": "own", "target": {"class": 2}}), 422, "class_out_of_range", "/spec/target/class", "0 to 1"
    )
    assert post(spec={"model": "own", "target": {"class": 1}}).status_code == 202
