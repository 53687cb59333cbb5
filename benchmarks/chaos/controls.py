"""N1 to N3: a part of the protection is taken away, and the same judge must see it."""

from __future__ import annotations

import os
from functools import partial
from signal import SIGKILL

import redis

from benchmarks.chaos.row import Row
from benchmarks.chaos.session import Session
from benchmarks.chaos.workers import freeze


def no_reconciler(session: Session, row: Row) -> None:
    """N1, with workers that do not reconcile: a killed process takes its job with it."""
    sent = session.begun(session.submit())
    row.faults += 1
    os.kill(session.service.holder(sent.job_id), SIGKILL)


def no_aof(session: Session, row: Row) -> None:
    """N2: Redis writes nothing down, and is killed."""
    service = session.service
    with redis.Redis.from_url(service.server.url) as client:
        client.config_set("appendonly", "no")
    for _ in range(4):
        session.submit()
    row.faults += 1
    service.kill_redis()
    service.revive_redis()


no_fence = partial(freeze, do="unfenced")  # N3: F7 with workers that commit without showing their attempt
