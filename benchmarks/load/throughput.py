"""How fast: one against more worker processes on real jobs, and the queue alone on jobs that compute nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.chaos.processes import Broken, demand, wait_for
from benchmarks.chaos.service import Service
from benchmarks.load.mixed import percentiles
from benchmarks.load.requests import FRESH, IMAGES, form
from benchmarks.load.settings import Sizes, service

SHARD_BLOCKS = 32  # so that the large job has shards in the quick form, too


def workers(sizes: Sizes, count: int) -> dict[str, Any]:
    """Samples a second of one large job, jobs a second of many small ones."""
    with _running(count, shard_blocks=SHARD_BLOCKS) as (running, http):
        _seconds(running, http, 4 * count, sizes.samples)  # the first job of a process loads the model
        large = _seconds(running, http, 1, sizes.large)
        small = _seconds(running, http, sizes.small, sizes.samples)
    return {"workers": count, "samples_per_second": sizes.large / large, "jobs_per_second": sizes.small / small}


def queueing(sizes: Sizes, count: int) -> dict[str, Any]:
    """Of empty jobs: milliseconds from before the POST to the commit, by the machine's one clock, and jobs a second."""
    with _running(count, kernel="benchmarks.load.kernels:empty") as (running, http):
        _alone(running, http)  # the first job waits for what is made at its first use
        alone = [_alone(running, http) for _ in range(sizes.empty)]
        flood = _seconds(running, http, sizes.batch, sizes.samples)
    return {"workers": count, "alone_ms": percentiles(alone), "jobs_per_second": sizes.batch / flood}


@contextmanager
def _running(workers: int, **fields: object) -> Iterator[tuple[Service, httpx.Client]]:
    with (
        tempfile.TemporaryDirectory(prefix="surety-scaling-") as folder,
        service(Path(folder), workers, **fields) as running,
        httpx.Client(base_url=running.url, timeout=60.0, trust_env=False) as http,
    ):
        yield running, http


def _seconds(running: Service, http: httpx.Client, jobs: int, samples: int) -> float:
    """From the first start to the last commit of a batch of so many jobs, by Redis's clock."""
    images = [IMAGES[number % len(IMAGES)].read_bytes() for number in range(jobs)]
    sent = http.post("/v1/batches", files=form({"samples": samples}, *images), headers=FRESH).raise_for_status()
    wait_for(lambda: running.store.unfinished() == 0, "the end of the jobs", 300.0)
    records = [record for record in running.store.batch(sent.json()["id"]).jobs.values() if record]
    starts = [record.started_at for record in records if record.started_at]
    ends = [record.finished_at for record in records if record.finished_at and record.state == "succeeded"]
    demand(len(ends) == jobs, f"{jobs - len(ends)} of {jobs} jobs failed")
    return (max(ends) - min(starts)).total_seconds()


def _alone(running: Service, http: httpx.Client) -> float:
    began = time.time()
    sent = http.post("/v1/explanations", files=form({}, IMAGES[0].read_bytes()), headers=FRESH).raise_for_status()
    job_id = sent.json()["id"]
    wait_for(lambda: running.record(job_id).finished, "the end of an empty job")
    finished = running.record(job_id).finished_at
    if not finished:
        raise Broken("a finished job does not say when it ended")
    return finished.timestamp() - began
