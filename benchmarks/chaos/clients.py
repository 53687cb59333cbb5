"""F5, F6, F11: the API dies under a request, the client sends it again, the client cancels."""

from __future__ import annotations

import time
from contextlib import suppress

import httpx
import redis

from benchmarks.chaos.processes import demand, wait_for
from benchmarks.chaos.row import Row
from benchmarks.chaos.session import SEEDS, SHARDED, Sent, Session, spec

LONG = 16  # blocks: as many as a job has that is not split


def unsent(session: Session, row: Row) -> None:
    """F5: kill -9 on the API between the record of a job and its message; nobody asks again."""
    name, body, job_id = _killed_under(session, row)
    session.note(Sent(name, body, job_id, "succeeded"))
    service = session.service
    row.recoveries.append(wait_for(lambda: service.record(job_id).started_at, "a start of the job"))


def sent_again(session: Session, row: Row) -> None:
    """F6: the same, and the client sends the request again with its key."""
    name, body, job_id = _killed_under(session, row)
    session.service.heal()
    began = time.monotonic()
    answer = session.post(name, body)
    row.recoveries.append(time.monotonic() - began)
    session.note(Sent(name, body, job_id, "succeeded"))
    demand(answer.json().get("id") == job_id, f"the second request was answered by {answer.text[:200]}")
    demand(_known(session, name) == [job_id], "there is more than one job")


def _killed_under(session: Session, row: Row) -> tuple[str, str, str]:
    service = session.service
    name, body = session.name(), spec(session.number % SEEDS)
    (service.folder / "die").touch()
    row.faults += 1
    with suppress(httpx.TransportError):
        session.post(name, body)
    wait_for(lambda: service.api and service.api.poll() is not None, "the end of the API")
    (job_id,) = _known(session, name)
    return name, body, job_id


def _known(session: Session, name: str) -> list[str]:
    records, _ = session.service.store.jobs(limit=20)
    return [record.id for record in records if record.correlation_id == name]


def cancel(session: Session, row: Row) -> None:
    """F11: jobs are cancelled when queued, running, split, finished; then deleted, and nothing is left of them."""
    service = session.service
    row.faults += 4
    with httpx.Client(base_url=service.url, timeout=15.0, trust_env=False) as http:

        def ask(sent: Sent, field: str) -> object:
            return http.post(f"/v1/jobs/{sent.job_id}/cancel").json().get(field)

        split = session.begun(session.submit(expected="cancelled", blocks=SHARDED), 1)
        demand(service.record(split.job_id).shards, "the job was not split")
        demand(ask(split, "state") == "cancelled", "a split job was not cancelled")
        running = session.begun(session.submit(expected="cancelled", blocks=LONG), 1)
        other, queued = session.submit(blocks=LONG), session.submit(expected="cancelled")
        demand(service.record(queued.job_id).state == "queued", "there is room for a third job")
        for sent in (queued, running):
            demand(ask(sent, "state") == "cancelled", f"{sent.name} was not cancelled")
        wait_for(lambda: service.record(other.job_id).finished, "the end of the other job")
        demand(ask(other, "code") == "job_finished", "a finished job was cancelled")
        gone = (split, running, queued)
        for sent in gone:
            demand(service.record(sent.job_id).state == "cancelled", "a cancelled job went on")
            http.delete(f"/v1/jobs/{sent.job_id}").raise_for_status()
            session.drop(sent)
            row.jobs += 1
    with redis.Redis.from_url(service.server.url) as client:
        for sent in gone:
            demand(not client.keys(f"*{sent.job_id}*"), f"keys of {sent.name} are left")
            demand(client.zscore("surety:active", sent.job_id) is None, f"{sent.name} is still listed")
        demand(client.zcard("surety:shards") == 0, "shards are left")
