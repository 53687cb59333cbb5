"""The webhook of a request: taken where the settings allow it, else refused before anything is queued."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from tests.api.client import Client
from tests.api.conftest import PNG, MakeClient
from tests.api.problem import problem
from worker.store.jobs import JobStore

URL = "https://hooks.example.org/x"


@pytest.fixture
def hooked(make_client: MakeClient) -> Client:
    return make_client(webhook_hosts="hooks.example.org", webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def send(client: Client, webhook: Any, path: str = "/v1/explanations") -> Any:
    return client.post(path, files={"image": ("a.png", PNG)}, data={"webhook": json.dumps(webhook)})


def test_it_is_kept_with_the_job(hooked: Client, store: JobStore) -> None:
    job = send(hooked, {"url": URL}).json()
    assert store.get(job["id"]).webhook == URL and URL not in json.dumps(job)
    body = {"image": {"base64": b64encode(PNG).decode()}, "webhook": {"url": URL}}
    posted = hooked.post("/v1/explanations", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert store.get(posted.json()["id"]).webhook == URL
    (one,) = send(hooked, {"url": URL}, "/v1/batches").json()["jobs"]
    assert store.get(one["id"]).webhook == URL
    assert store.get(send(hooked, None).json()["id"]).webhook == ""


def test_it_is_refused_by_name(hooked: Client, client: Client, store: JobStore) -> None:
    for path in ("/v1/explanations", "/v1/batches"):
        problem(send(client, {"url": URL}, path), 422, "webhook_refused", "/webhook/url", "off here")
        problem(send(hooked, {"url": "https://evil.org/"}, path), 422, "webhook_refused", "/webhook/url", "host")
    problem(send(hooked, {"url": "http://hooks.example.org/"}), 422, "webhook_refused", "/webhook/url", "https")
    for bad in (URL, [URL], {}, {"url": 3}, {"url": None}, True):
        problem(send(hooked, bad), 400, "malformed_request", "/webhook")
    problem(send(hooked, {"url": URL, "secret": "x"}), 422, "invalid_spec", "/webhook/secret")
    assert store.unfinished() == 0
