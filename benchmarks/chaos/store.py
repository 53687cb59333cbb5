"""F3, F4, F14: Redis is killed and comes back, or is full."""

from __future__ import annotations

import time
from functools import partial

import redis

from benchmarks.chaos.processes import demand, wait_for
from benchmarks.chaos.row import Row
from benchmarks.chaos.session import Session, spec


def away(session: Session, row: Row, seconds: float) -> None:
    """F3, F4: kill -9 amid jobs, running and queued; recovery counts from its return to the next commit."""
    service = session.service
    jobs = [session.submit() for _ in range(4)]
    session.begun(jobs[0])
    done = service.count("succeeded")
    row.faults += 1
    service.kill_redis()
    time.sleep(seconds)
    service.revive_redis()
    row.recoveries.append(wait_for(lambda: service.count("succeeded") > done, "a commit"))


def full(session: Session, row: Row) -> None:
    """F14: at maxmemory a request is refused as a whole, and what was accepted before comes to its end and is seen."""
    service = session.service
    sent = session.begun(session.submit())
    with redis.Redis.from_url(service.server.url) as client:
        row.faults += 1
        client.config_set("maxmemory", 1)
        try:
            before = _jobs(client)
            name = session.name()
            answer = session.post(name, spec(0))
            told = (answer.status_code, answer.json().get("code"), "retry-after" in answer.headers)
            demand(told == (503, "store_unavailable", True), f"answered {told}")
            demand(_jobs(client) == before, "a part of the refused job is there")
            wait_for(lambda: service.record(sent.job_id).state == "succeeded", "the job's end")
        finally:
            client.config_set("maxmemory", 0)
            began = time.monotonic()
        session.submit(name=name)
        row.recoveries.append(time.monotonic() - began)


def _jobs(client: redis.Redis) -> set[object]:
    """Everything that belongs to a job or a request, but for what the running one writes."""
    found = {
        key for pattern in ("surety:job:*", "surety:idem:*", "surety:blob:*:image") for key in client.keys(pattern)
    }
    return {*found, client.zcard("surety:jobs")}


two_seconds = partial(away, seconds=2.0)
thirty_seconds = partial(away, seconds=30.0)
