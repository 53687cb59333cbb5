"""How an answer is given: waited for, kept by the client, taken from the store."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.prefer import wait_seconds, wants_fresh
from tests.api.client import Client
from tests.api.conftest import Post
from tests.api.problem import problem
from tests.api.test_jobs import ARTIFACTS, finished, queued
from tests.images.files import encode, smooth
from worker.contract.errors import DegenerateMap
from worker.contract.job import Job
from worker.contract.model import ModelCard
from worker.store.jobs import JobStore
from worker.store.orders import Claim

CODE = "0.1.0 abc"


def made(sha256: str, code: str = "abc", number: int = 0) -> bytes:
    """A result as far as the API reads it."""
    provenance = {"service_version": "0.1.0", "code_digest": code, "model_sha256": sha256}
    return json.dumps({"number": number, "provenance": provenance}).encode()


@pytest.fixture
def card(client: Client, store: JobStore) -> ModelCard:
    """The default model, announced by a worker of this code."""
    found = ModelCard.model_validate(client.get("/v1/models/digits").json())
    announce(store, found)
    return found


def announce(store: JobStore, card: ModelCard, code: str = CODE, worker: str = "w") -> None:
    store.announce(worker, json.dumps([card.model_dump(mode="json")]), code)


def compute(store: JobStore, job_id: str, result: bytes) -> None:
    claim = store.claim(job_id, "w")
    assert isinstance(claim, Claim)
    assert store.finish(job_id, claim.attempt, result, ARTIFACTS)


# Prefer: wait


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0), ("", 0), ("wait=5", 5), ("WAIT = 7", 7), ('wait="3"', 3), ("respond-async, wait=10", 10),
        ("wait=4; x=1", 4), ("wait=31", 30), ("wait=999999999", 30), ("wait=-1", 0), ("wait=x", 0), ("wait", 0),
        ("wait=1.5", 0), ("nowait=5", 0), ("wait=0", 0), ("wait=²", 0), ("wait=5, wait=9", 5),
    ],
)  # fmt: skip
def test_prefer_is_read_as_the_rfc_says(header: str | None, seconds: int) -> None:
    assert wait_seconds(header) == seconds


def test_cache_control_is_read() -> None:
    assert wants_fresh("no-cache") and wants_fresh("max-age=0, No-Store")
    assert not wants_fresh(None) and not wants_fresh("max-age=0") and not wants_fresh("no-cached")


@pytest.fixture
def worker(store: JobStore) -> Iterator[list[str]]:
    """Finishes the job that turns up, as the list says: with a result, a problem, or by cancelling it."""
    orders: list[str] = []
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            for record in store.jobs(state="queued")[0] if orders else ():
                if orders[0] == "cancel":
                    store.cancel(record.id)
                    continue
                assert isinstance(store.claim(record.id, "w"), Claim)
                if orders[0] == "fail":
                    store.fail(record.id, 1, DegenerateMap("flat", pointer="/image").problem())
                else:
                    store.finish(record.id, 1, b'{"is": "it"}', {})

    thread = threading.Thread(target=work)
    thread.start()
    yield orders
    over.set()
    thread.join()


def test_a_result_in_time_is_the_answer(client: Client, post: Post, worker: list[str]) -> None:
    worker.append("finish")
    response = post(Prefer="wait=20")
    assert response.status_code == 200 and response.json() == {"is": "it"}
    assert response.headers["preference-applied"] == "wait=20"
    assert response.headers["content-location"] == f"{response.headers['location']}/result"
    again = post(Prefer="wait=20", **{"If-None-Match": "*"})
    assert again.status_code == 200 and again.content == response.content, "a POST has no 304"
    kept = client.get(response.headers["content-location"])
    assert kept.content == response.content and kept.headers["etag"] == response.headers["etag"]


def test_a_failure_in_time_is_the_job_s_own_problem(client: Client, post: Post, worker: list[str]) -> None:
    for order, code, pointer in (("fail", "degenerate_map", "/image"), ("cancel", "job_cancelled", None)):
        worker[:] = [order]
        response = post(Prefer="wait=20")
        problem(response, 409, code, pointer)
        if order == "fail":
            problem(client.get(f"{response.headers['location']}/result"), 409, code, pointer)


def test_not_in_time_is_the_job(post: Post) -> None:
    began = time.monotonic()
    response = post(Prefer="wait=1")
    assert 0.9 < time.monotonic() - began < 5
    assert response.status_code == 202 and "preference-applied" not in response.headers
    assert Job.model_validate(response.json()).state == "queued" and response.headers["retry-after"] == "1"


# ETag


def test_what_a_client_has_is_not_sent_again(client: Client, post: Post, store: JobStore) -> None:
    job_id = finished(post, store, "succeeded")
    tags = set()
    for name in ("result", *(f"artifacts/{name}" for name in ARTIFACTS)):
        address = f"/v1/jobs/{job_id}/{name}"
        whole = client.get(address)
        tag = whole.headers["etag"]
        tags.add(tag)
        assert whole.headers["cache-control"] == "private, no-cache"
        assert tag == client.get(address).headers["etag"] and tag.startswith('"')
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            short = client.get(address, headers={"If-None-Match": known})
            assert short.status_code == 304 and short.content == b"" and short.headers["etag"] == tag
        for other in ('"x"', tag[:-2] + '"', tag.strip('"'), ""):
            assert client.get(address, headers={"If-None-Match": other}).content == whole.content
    assert len(tags) == 1 + len(ARTIFACTS)
    client.delete(f"/v1/jobs/{job_id}")
    problem(client.get(f"/v1/jobs/{job_id}/result", headers={"If-None-Match": "*"}), 404, "job_not_found")


# Reuse


def test_the_same_request_is_answered_from_the_store(
    client: Client, post: Post, store: JobStore, card: ModelCard
) -> None:
    first = queued(post)
    assert post().json()["state"] == "queued", "nothing to take over yet"
    compute(store, first, made(card.sha256))
    response = post()
    again = Job.model_validate(response.json())
    assert response.status_code == 202 and again.reused and again.state == "succeeded" and again.id != first
    assert "retry-after" not in response.headers and again.links["source"] == f"/v1/jobs/{first}"
    assert (again.progress.done, again.progress.percent, again.attempt) == (1024, 100.0, 0)
    assert again.expires_at is not None
    same = [client.get(f"/v1/jobs/{job_id}/result").content for job_id in (first, again.id)]
    assert same[0] == same[1] == made(card.sha256)
    assert not client.get(f"/v1/jobs/{first}").json()["reused"]
    client.delete(f"/v1/jobs/{first}")
    for name, data in ARTIFACTS.items():
        assert client.get(again.links[name]).content == data, "it has a life of its own"
    third = post()
    assert third.json()["state"] == "queued", "the index does not point at a deleted job"
    assert store.stats()["reused"] == 1


def test_what_decides_the_answer_decides_the_reuse(
    client: Client, post: Post, store: JobStore, card: ModelCard
) -> None:
    compute(store, queued(post), made(card.sha256))

    def state(**request: Any) -> str:
        return str(post(**request).json()["state"])

    assert state() == "succeeded"
    assert state(**{"Cache-Control": "no-cache"}) == "queued"
    assert state(spec={"seed": 1}) == "queued"
    assert state(image=encode(smooth(9, 9), "PNG")) == "queued"
    announce(store, card, "0.1.0 newer")
    assert state() == "queued", "other code"
    announce(store, card.model_copy(update={"sha256": "0" * 64}))
    assert state() == "queued", "other weights"
    announce(store, card)
    assert state() == "succeeded"
    announce(store, card, "0.1.0 newer", worker="w2")
    assert state() == "queued", "two codes: which would compute is not known"
    for worker in ("w", "w2"):
        store.retire(worker)
    assert state() == "queued", "no worker: what would compute is not known"


def test_a_fresh_result_takes_the_place_of_the_old(
    client: Client, post: Post, store: JobStore, card: ModelCard
) -> None:
    compute(store, queued(post), made(card.sha256, number=1))
    fresh = post(**{"Cache-Control": "no-cache"}).json()["id"]
    compute(store, fresh, made(card.sha256, number=2))
    assert client.get(f"/v1/jobs/{post().json()['id']}/result").json()["number"] == 2


def test_nobody_gets_the_result_of_another_owner(post: Post, store: JobStore, card: ModelCard) -> None:
    job_id = queued(post)
    compute(store, job_id, made(card.sha256))
    digest = store.get(job_id).digest
    theirs = store.create("explanation", "{}", b"x", digest=digest, owner="other", source=job_id)
    assert store.get(theirs.id).state == "queued", "also the store refuses"
    desk = post.client.app.state.surety.store
    assert desk.computed("", digest) == job_id and desk.computed("other", digest) is None
