"""`make load`, first half: mixed requests from many clients at once, and what became of every one."""

from __future__ import annotations

import queue
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.chaos.processes import Broken, wait_for
from benchmarks.chaos.service import Service
from benchmarks.chaos.session import fingerprint
from benchmarks.load.clients import Client, orders
from benchmarks.load.ledger import Accepted, Ledger
from benchmarks.load.settings import MAX_BODY_BYTES, MAX_QUEUE, Sizes, service
from benchmarks.load.usage import last_half, parts
from worker.contract.result import Explanation

# Gained over the last half. A worker's pictures leave cycles that Python collects every fifty jobs or so: a saw.
TOLERATED_MIB = {"API": 8.0, "worker": 32.0}
_LOOK_SECONDS = 0.25


def mixed(sizes: Sizes, seed: int) -> dict[str, Any]:
    """The figures; `broken` names everything that is not as it must be."""
    with (
        tempfile.TemporaryDirectory(prefix="surety-load-") as folder,
        service(Path(folder), max_queue=MAX_QUEUE, max_body_bytes=MAX_BODY_BYTES) as running,
    ):
        ledger = Ledger()
        began = time.monotonic()
        looks = _send(running, ledger, sizes, seed)
        try:
            wait_for(lambda: running.store.unfinished() == 0, "the end of all jobs", 300.0)
        except Broken as error:
            ledger.complain(str(error))
        seconds = time.monotonic() - began
        states, equal = _judge(running.url, ledger)
    memory = {name: last_half(looks["at"], looks[name]) for name in TOLERATED_MIB}
    for name, line in memory.items():
        if sizes.steady and line.gain > TOLERATED_MIB[name]:
            ledger.complain(f"{name}: {line.gain:.1f} MiB more at the end than in the middle")
    return {
        "requests": sum(ledger.answers.values()),
        "seconds": seconds,
        "answers": {f"{kind} {status}": count for (kind, status), count in sorted(ledger.answers.items())},
        "told_to_come_again": ledger.refused,
        "jobs": len(ledger.jobs),
        "states": states,
        "contents": equal,
        "memory_mib": {
            name: {"middle": line.begins, "end": line.ends, "tolerated": TOLERATED_MIB[name]}
            for name, line in memory.items()
        },
        "post_ms": percentiles(ledger.posts),
        "get_job_ms": percentiles(ledger.gets),
        "broken": ledger.broken,
    }


def percentiles(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    if not seconds:
        return {}
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    return {"p50": float(p50), "p99": float(p99), "count": len(seconds)}


def _send(running: Service, ledger: Ledger, sizes: Sizes, seed: int) -> dict[str, list[float]]:
    """All requests are answered on return: when they were, what API and workers held, MiB."""
    waiting: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    for order in orders(sizes.requests, seed):
        waiting.put(order)
    clients = [Client(running.url, waiting, ledger, sizes) for _ in range(sizes.clients)]
    looks: dict[str, list[float]] = {"at": [], **{name: [] for name in TOLERATED_MIB}}
    began = said = time.monotonic()
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients) or len(looks["at"]) < 4:
        time.sleep(_LOOK_SECONDS)
        now = time.monotonic()
        looks["at"].append(now - began)
        held = parts(running)
        for name in TOLERATED_MIB:
            looks[name].append(held[name].mib)
        if now - said > 10:
            said = now
            print(
                f"  {now - began:5.0f} s  {sum(ledger.answers.values())} answers, {len(ledger.jobs)} jobs", flush=True
            )
    return looks


def _judge(url: str, ledger: Ledger) -> tuple[dict[str, int], int]:
    """How many jobs ended in which state, and how many different requests they were of."""
    states: dict[str, int] = {}
    digests: dict[str, set[str]] = {}
    with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as http:
        for job in ledger.jobs:
            state = http.get(f"/v1/jobs/{job.id}").json().get("state", "unknown")
            states[state] = states.get(state, 0) + 1
            if state != ("cancelled" if job.cancelled else "succeeded"):
                ledger.complain(f"job {job.id} is {state}")
            elif not job.cancelled:
                digests.setdefault(job.content, set()).add(_digest(http, job))
    for content, found in digests.items():
        if len(found) > 1:
            ledger.complain(f"{len(found)} different results of {content}")
    return states, len(digests)


def _digest(http: httpx.Client, job: Accepted) -> str:
    answer = http.get(f"/v1/jobs/{job.id}/result").raise_for_status()
    return fingerprint(Explanation.model_validate_json(answer.content))
