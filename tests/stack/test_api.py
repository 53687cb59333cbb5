"""What a client does with the running service beside posting and polling: wait, listen, ask again, send many."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.routes.batches import Batch
from tests.service.polling import wait_for
from worker.cli.stack import Stack
from worker.contract.job import Job
from worker.contract.result import Explanation

REQUEST_ID = "scan-4711"


@pytest.fixture(scope="module")
def http(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60, trust_env=False) as client:
        yield client


def send(
    http: httpx.Client, images: list[bytes], spec: dict[str, Any], path: str = "explanations", **headers: str
) -> Any:
    files = [("image", ("a.png", image)) for image in images]
    return http.post(f"/v1/{path}", files=files, data={"spec": json.dumps(spec)}, headers=headers)


def test_listening(stack: Stack, http: httpx.Client, digit: Path) -> None:
    job = send(http, [digit.read_bytes()], {"samples": 20_000}, **{"X-Request-ID": REQUEST_ID}).json()
    events: list[tuple[str, Job]] = []
    with http.stream("GET", job["links"]["events"]) as stream:
        name = ""
        for line in stream.iter_lines():
            field, _, value = line.partition(": ")
            name = value if field == "event" else name
            if field == "data":
                events.append((name, Job.model_validate_json(value)))
    names, jobs = zip(*events, strict=True)
    assert names[-1] == "finished" and set(names[:-1]) == {"progress"} and jobs[-1].state == "succeeded"
    done = [job.progress.done for job in jobs]
    assert done == sorted(done) and len(set(done)) > 2, "it was seen on the way"
    log = stack.log.read_text()
    mine = [line for line in log.splitlines() if f"[{REQUEST_ID}]" in line]
    assert any("app.telemetry" in line for line in mine), "from the request"
    assert any("worker.service.runner" in line and job["id"] in line for line in mine), "to the worker's line"


def test_waiting_and_asking_again(http: httpx.Client, digit: Path) -> None:
    image, spec = digit.read_bytes(), {"samples": 256, "seed": 77}
    first = send(http, [image], spec, Prefer="wait=30")
    computed = http.get(first.headers["content-location"])
    assert first.status_code == 200 and first.content == computed.content
    again = send(http, [image], spec, Prefer="wait=30")
    assert again.status_code == 200 and again.headers["preference-applied"] == "wait=30"
    assert again.content == computed.content, "its provenance says when it was computed"
    reused = Job.model_validate(http.get(again.headers["location"]).json())
    assert reused.reused and reused.attempt == 0 and reused.links["source"] == first.headers["location"]
    fresh = send(http, [image], spec, Prefer="wait=30", **{"Cache-Control": "no-cache"})
    old, new = Explanation.model_validate(computed.json()), Explanation.model_validate(fresh.json())
    assert new.provenance.started_at > old.provenance.finished_at
    assert new.provenance.counts_sha256 == old.provenance.counts_sha256
    assert not http.get(fresh.headers["location"]).json()["reused"]


def test_a_batch_and_the_metrics(http: httpx.Client, digit: Path) -> None:
    before = http.get("/metrics").text
    image = digit.read_bytes()
    batch = send(http, [image, image + b" "], {"samples": 64, "seed": 78}, "batches").json()
    address = batch["links"]["self"]
    wait_for(lambda: http.get(address).json()["finished"])
    end = Batch.model_validate(http.get(address).json())
    assert end.counts["succeeded"] == 2
    results = [Explanation.model_validate(http.get(job.links["result"]).json()) for job in end.jobs]
    assert results[0].provenance.image_sha256 != results[1].provenance.image_sha256

    def value(text: str, name: str) -> float:
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    after = http.get("/metrics").text
    assert value(after, "surety_samples_total") - value(before, "surety_samples_total") == 128
    assert value(after, "surety_outcomes_total") - value(before, "surety_outcomes_total") == 6, "three radii each"
    assert value(after, "surety_workers") == 1
