"""F1, F2, F7, F8, F12, F13: workers and their processes that are killed, frozen or told to stop."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGCONT, SIGKILL, SIGSTOP

from benchmarks.chaos.processes import command, demand, send, wait_for
from benchmarks.chaos.row import Row
from benchmarks.chaos.service import LEASE
from benchmarks.chaos.session import BATCH, SHARDED, Sent, Session

START = 15.0  # for a process to start that may have to take the job over, and to import torch, on a busy machine
TAKE_OVER = LEASE + 2.0 + START


def kill_worker(session: Session, row: Row) -> None:
    """F1: kill -9 on the worker's first process; all below it dies with it."""
    service = session.service
    sent = session.begun(session.submit())
    holder = service.holder(sent.job_id)
    worker = service.worker_of(holder)
    family = service.family(worker)
    with _costs_only_what_was_not_kept(session, row, sent, holder):
        os.kill(worker.pid, SIGKILL)
        _taken_over(session, row, sent)
        wait_for(lambda: not any(map(command, family)), "the end of what the worker had started")
        service.replace_worker(worker)


def kill_child(session: Session, row: Row) -> None:
    """F2: kill -9 on the process that computes."""
    sent = session.begun(session.submit())
    victim = session.service.holder(sent.job_id)
    with _costs_only_what_was_not_kept(session, row, sent, victim):
        os.kill(victim, SIGKILL)
        _taken_over(session, row, sent)


def freeze(session: Session, row: Row, do: str = "hold") -> None:
    """F7: all of a worker is frozen past its lease with its answer in hand; it thaws when another has committed."""
    service = session.service
    sent = session.submit(do)
    wait_for((service.folder / f"held-{sent.name}-1").exists, "the answer of the first attempt")
    family = service.family(service.worker_of(service.holder(sent.job_id)))
    commits = service.count("fenced") + service.count("succeeded")
    row.faults += 1
    send(SIGSTOP, family)
    try:
        row.recoveries.append(wait_for((service.folder / f"held-{sent.name}-2").exists, "a second attempt"))
        (service.folder / f"open-{sent.name}").touch()
        wait_for(lambda: service.record(sent.job_id).finished, "the commit of the second attempt")
    finally:
        send(SIGCONT, family)
    wait_for(lambda: service.count("fenced") + service.count("succeeded") >= commits + 2, "the first attempt's commit")
    demand(service.record(sent.job_id).attempt == 2, "the second attempt is not the last")


def freeze_idle(session: Session, row: Row) -> None:
    """F8: both workers are frozen where they wait for messages, get some, and are killed."""
    service = session.service
    waiting = [pid for worker in service.workers for pid in service.consumer(worker)]
    send(SIGSTOP, waiting)
    jobs = [session.submit() for _ in range(2)]
    time.sleep(0.5)  # the messages are in the sockets of the dead by now
    row.faults += 1
    began = time.monotonic()
    send(SIGKILL, waiting)
    wait_for(lambda: all(service.record(sent.job_id).started_at for sent in jobs), "a start of both jobs")
    row.recoveries.append(time.monotonic() - began)


def kill_amid_shards(session: Session, row: Row) -> None:
    """F12: kill -9 on a process that computes a shard."""
    service = session.service
    sent = session.begun(session.submit(blocks=SHARDED))
    demand(service.record(sent.job_id).shards, "the job was not split")
    victim = service.holder(sent.job_id)
    expired = service.count("leases_expired")
    row.faults += 1
    with _costs_only_what_was_not_kept(session, row, sent, victim):
        os.kill(victim, SIGKILL)
        row.recoveries.append(wait_for(lambda: service.count("leases_expired") > expired, "the lapse of the lease"))


def terminate(session: Session, row: Row) -> None:
    """F13: SIGTERM to a worker amid a job."""
    service = session.service
    sent = session.begun(session.submit())
    worker = service.worker_of(service.holder(sent.job_id))
    row.faults += 1
    began = time.monotonic()
    worker.terminate()
    wait_for(lambda: service.record(sent.job_id).returned or service.record(sent.job_id).finished, "a hand-back", 3.0)
    wait_for(lambda: service.record(sent.job_id).attempt == 2 or service.record(sent.job_id).finished, "a take-over")
    row.recoveries.append(time.monotonic() - began)
    service.replace_worker(worker)


def _taken_over(session: Session, row: Row, sent: Sent) -> None:
    row.faults += 1
    took = wait_for(lambda: session.service.record(sent.job_id).attempt == 2, "a second attempt")
    row.recoveries.append(took)
    demand(took < TAKE_OVER, f"taken over after {took:.1f} s only")


@contextmanager
def _costs_only_what_was_not_kept(session: Session, row: Row, sent: Sent, victim: int) -> Iterator[None]:
    """Inside, the victim, which stands still, is killed. Then no more blocks are computed again than were begun and
    not yet written to Redis."""
    service = session.service
    os.kill(victim, SIGSTOP)
    kept = service.record(sent.job_id).progress.done // BATCH
    unkept = len(service.blocks(sent.name)) - kept
    yield
    wait_for(lambda: service.record(sent.job_id).finished, f"the end of {sent.name}")
    again = [block for block, times in Counter(service.blocks(sent.name)).items() if times > 1]
    row.again = max(row.again or 0, len(again))
    demand(len(again) <= unkept, f"{kept} blocks were kept, {unkept} more begun; blocks {again} were computed again")
