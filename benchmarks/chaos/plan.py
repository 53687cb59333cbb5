"""Which faults are run, how often and in which order; the short form is for the test suite."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.chaos import clients, controls, poison, store, storm, workers
from benchmarks.chaos.row import Row
from benchmarks.chaos.service import Service
from benchmarks.chaos.session import Session

Run = Callable[[Session, Row], None]
CONTROL_PATIENCE = 10.0  # what is lost would otherwise have been taken over within the lease, 1.5 s


class Fault(NamedTuple):
    """`settings` are those of the workers from here on, if they must be others; `reconciler`: whether they have one."""

    id: str
    text: str
    run: Run
    runs: int = 1
    settings: dict[str, float] | None = None
    reconciler: bool = True

    @property
    def control(self) -> bool:
        return self.id.startswith("N")


def short(seed: int) -> list[Fault]:
    """A storm of some seconds, and the one fault that a storm does not catch."""
    return [
        Fault("F7", "a worker frozen past its lease, thawed later", workers.freeze),
        Fault("F15", "random faults", partial(storm.storm, seed=seed, seconds=6.0, jobs=8)),
        Fault("N3", "F7 without the fence", controls.no_fence),
    ]


def full(seed: int, runs: int) -> list[Fault]:
    """All of them, `runs` times each where one run is quick."""
    few = {"deadline_seconds": poison.DEADLINE, "max_attempts": poison.ATTEMPTS}
    many = {"deadline_seconds": 120.0, "max_attempts": 10}
    return [
        Fault("F1", "kill -9 of a worker amid a job", workers.kill_worker, runs),
        Fault("F2", "kill -9 of a pool process amid a job", workers.kill_child, runs),
        Fault("F3", "kill -9 of Redis amid jobs, back after 2 s", store.two_seconds, runs),
        Fault("F4", "kill -9 of Redis amid jobs, back after 30 s", store.thirty_seconds),
        Fault("F5", "kill -9 of the API between record and message", clients.unsent, runs),
        Fault("F6", "the same, and the client sends again with its key", clients.sent_again, runs),
        Fault("F7", "a worker frozen past its lease, thawed later", workers.freeze, runs),
        Fault("F8", "idle workers frozen, sent jobs, killed", workers.freeze_idle, runs),
        Fault("F11", "cancelled when queued, running, split, finished", clients.cancel, runs),
        Fault("F12", "kill -9 of a process that computes a shard", workers.kill_amid_shards, runs),
        Fault("F13", "SIGTERM to a worker amid a job", workers.terminate, runs),
        Fault("F14", "Redis at maxmemory", store.full, runs),
        Fault("F15", "random faults", partial(storm.storm, seed=seed, seconds=70.0, jobs=120)),
        Fault("F9", "a job that always kills its process", poison.crash, settings=few),
        Fault("F10", "a job past its deadline in native code", poison.stuck),
        Fault("N1", "F2 without a reconciler", controls.no_reconciler, settings=many, reconciler=False),
        Fault("N3", "F7 without the fence", controls.no_fence, settings=many),
        Fault("N2", "kill -9 of Redis without AOF", controls.no_aof),
    ]


def carry_out(faults: Sequence[Fault], binary: str) -> list[Row]:
    """A row for each fault, on one service over this Redis server."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="surety-chaos-") as folder, Service(Path(folder), binary) as service:
        session = Session(service)
        for fault in faults:
            row = Row(fault.id, fault.text)
            print(f"{fault.id}  {fault.text}", flush=True)
            if fault.settings is not None:
                service.start_workers(reconciler=fault.reconciler, **fault.settings)
            for _ in range(fault.runs):
                with session.judged(row, CONTROL_PATIENCE if fault.control else 60.0):
                    fault.run(session, row)
            print("    " + "  ".join(row.cells(control=fault.control)[2:]), *row.broken, sep="\n    ", flush=True)
            rows.append(row)
    return rows
