"""Request ids, log lines, metrics, rate limits: what surrounds every request."""

from __future__ import annotations

import json
import logging
import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.client import Client
from tests.api.conftest import MakeClient, Post
from tests.api.problem import problem
from tests.api.test_batches import PNG, send
from tests.api.test_jobs import finished, queued
from worker.contract import logs
from worker.store.jobs import JobStore

HEX = re.compile(r"[0-9a-f]{32}")


def test_a_request_has_one_id_from_the_client_to_the_job(client: Client, post: Post, store: JobStore) -> None:
    response = post(**{"X-Request-ID": "scan-7.a_B"})
    assert response.headers["x-request-id"] == "scan-7.a_B"
    assert store.get(response.json()["id"]).correlation_id == "scan-7.a_B"
    for bad in ("", "a b", "x" * 65, "é".encode().decode("latin-1"), "a\tb", "{}", "a\x7f"):
        made = client.get("/health/live", headers=[(b"X-Request-ID", bad.encode("latin-1"))]).headers["x-request-id"]
        assert HEX.fullmatch(made), "made new, never echoed"
    assert client.get("/health/live").headers["x-request-id"] != client.get("/health/live").headers["x-request-id"]
    assert client.get("/nowhere", headers={"X-Request-ID": "r1"}).headers["x-request-id"] == "r1"


def test_also_a_fault_of_ours_names_its_request(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(client.app.state.surety.store, "get", broken)
    response = client.get(f"/v1/jobs/{'0' * 32}", headers={"X-Request-ID": "r1"})
    problem(response, 500, "internal_error")
    assert response.headers["x-request-id"] == "r1"
    assert metrics(client)['surety_requests_total{method="GET",route="/v1/jobs/{job_id}",status="500"}'] == 1


def test_every_request_is_one_line_without_what_the_client_made_up(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="app.telemetry"):
        client.get("/v1/jobs/secret-path?cursor=secret-query", headers={"X-Request-ID": "r1", "X": "secret-header"})
        client.get("/secret-place")
    lines = [record.getMessage() for record in caplog.records if record.name == "app.telemetry"]
    assert len(lines) == 2 and lines[0].startswith("GET /v1/jobs/{job_id} 404 ")
    assert lines[1].startswith("GET (no route) 404 ") and "secret" not in caplog.text


def test_json_lines_name_their_request() -> None:
    token = logs.REQUEST.set("r7")
    try:
        line = logging.LogRecord("a", logging.WARNING, "f", 1, "job %s:\n%s", ("x", '"'), None)
        told = json.loads(logs.Json().format(line))
    finally:
        logs.REQUEST.reset(token)
    assert (told["level"], told["logger"], told["request"], told["message"]) == ("WARNING", "a", "r7", 'job x:\n"')
    assert "\n" not in logs.Json().format(line) and "exception" not in told


def metrics(client: Client) -> dict[str, float]:
    """Every sample, by its name and labels as Prometheus writes them."""
    response = client.get("/metrics")
    assert response.status_code == 200 and response.headers["content-type"].startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def test_metrics_are_the_store_s_counts(make_client: MakeClient, store: JobStore) -> None:
    client = make_client(max_queue=7)
    post = Post(client)
    queued(post)
    for state in ("succeeded", "failed", "cancelled"):
        finished(post, store, state)
    running = queued(post)
    store.claim(running, "w")
    store.beat(running, 1, 32, 1024)
    scored = queued(post)
    store.claim(scored, "w")
    store.finish(scored, 1, b"{}", {}, {"outcome_certified": 1, "outcome_vacuous": 3, "samples": 100})
    store.announce("w", "[]")
    time.sleep(0.2)  # more than the age of the queue is rounded to
    found = metrics(client)
    assert found["surety_store_up"] == found["surety_workers"] == 1
    assert (found["surety_jobs_queued"], found["surety_jobs_running"], found["surety_queue_limit"]) == (1, 1, 7)
    assert 0.1 <= found["surety_oldest_queued_seconds"] < 60
    events = {"created": 6, "succeeded": 2, "failed": 1, "cancelled": 1, "reused": 0, "fenced": 0, "leases_expired": 0}
    for event, many in events.items():
        assert found[f'surety_jobs_total{{event="{event}"}}'] == many, event
    assert found["surety_samples_total"] == 132
    outcomes = [found[f'surety_outcomes_total{{outcome="{name}"}}'] for name in ("certified", "vacuous", "unproven")]
    assert outcomes == [1, 3, 0]


def test_metrics_of_requests_have_few_labels(client: Client, post: Post) -> None:
    post()
    post(spec={"typo": 1})
    for number in range(30):
        client.get(f"/v1/jobs/{number:032x}")
        client.get(f"/made/up/{number}")
        client.request(f"METHOD{number}", "/v1/jobs")
    found = metrics(client)
    requests = {name: value for name, value in found.items() if name.startswith("surety_requests_total")}
    assert requests['surety_requests_total{method="POST",route="/v1/explanations",status="202"}'] == 1
    assert requests['surety_requests_total{method="POST",route="/v1/explanations",status="422"}'] == 1
    assert requests['surety_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"}'] == 30
    assert requests['surety_requests_total{method="GET",route="",status="404"}'] == 30
    assert len(requests) <= 6, requests
    assert found['surety_request_seconds_count{method="POST",route="/v1/explanations"}'] == 2


def test_metrics_without_a_store(make_client: MakeClient, tmp_path: object) -> None:
    found = metrics(make_client(redis_url=f"unix://{tmp_path}/nobody.sock"))
    assert found["surety_store_up"] == 0 and "surety_jobs_queued" not in found


def test_not_ready_says_why(make_client: MakeClient, store: JobStore) -> None:
    client = make_client(max_queue=1)
    store.announce("w", "[]")
    assert client.get("/health/ready").status_code == 200
    queued(Post(client))
    full = client.get("/health/ready")
    assert full.status_code == 503 and full.json()["reasons"] == ["the queue is full"]
    assert full.json()["queue"]["queued"] == 1 and full.json()["store"] and full.json()["workers"] == 1
    store.retire("w")
    assert len(client.get("/health/ready").json()["reasons"]) == 2


def test_rate_limit(make_client: MakeClient, store: JobStore) -> None:
    client = make_client(rate_limit=3)
    post = Post(client)
    left = []
    for _ in range(2):
        response = post()
        assert response.status_code == 202 and response.headers["ratelimit-policy"] == '"images";q=3;w=60'
        name, rest, wait = response.headers["ratelimit"].split(";")
        left.append(rest)
        assert name == '"images"' and 0 < int(wait.removeprefix("t=")) <= 61
    assert left == ["r=2", "r=1"]
    for response in (send(client, [PNG] * 2), post(), post()):
        if response.status_code == 429:
            problem(response, 429, "rate_limited", None, "3 images in 60 seconds")
            assert 0 < int(response.headers["retry-after"]) <= 61 and "ratelimit" in response.headers
    assert store.unfinished() == 3, "a batch counts each image, and what was refused counts nothing"
    assert client.get("/v1/jobs").status_code == 200
    assert "ratelimit" not in Post(make_client())().headers
