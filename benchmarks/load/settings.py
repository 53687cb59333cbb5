"""The sizes of a measurement, and the service that is measured."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.service import Service
from worker.contract.settings import Settings
from worker.service.server import find_binary

MAX_QUEUE = 100
MAX_BODY_BYTES = 1024 * 1024
TTL_SECONDS = 20  # of results in the soak, so that jobs also expire while it runs, as they do after a day
# What the harness for faults sets otherwise.
_AS_SHIPPED = ("kernel", "lease_seconds", "resend_seconds", "deadline_seconds", "max_attempts")


@dataclass(frozen=True)
class Sizes:
    """`requests` by `clients` at once; `soak` jobs, `soak_clients` at once, of `samples` samples. For scaling: a job of
    `large` samples, `small` jobs at once; of jobs that compute nothing `empty`, one after the other, and `batch` at
    once; `kept` jobs whose bytes are counted.

    A client that is told to come again waits as long as it is told, up to `patience` seconds. `steady`: so long that
    growth can be told from warming up.
    """

    requests: int
    clients: int
    soak: int
    soak_clients: int
    samples: int
    patience: float
    large: int
    small: int
    empty: int
    batch: int
    kept: int
    steady: bool = False


FULL = Sizes(
    requests=1000, clients=32, soak=2000, soak_clients=4, samples=32, patience=5.0,
    large=65_536, small=100, empty=300, batch=250, kept=12, steady=True,
)  # fmt: skip
QUICK = Sizes(
    requests=120, clients=8, soak=48, soak_clients=4, samples=32, patience=1.0,
    large=4096, small=8, empty=40, batch=40, kept=2,
)  # fmt: skip


def chosen() -> tuple[Sizes, Path]:
    """The sizes that QUICK asks for, and the folder for what is written."""
    repository = Path(__file__).parents[2]
    if os.environ.get("QUICK") == "1":
        return QUICK, repository / "out" / "load"
    return FULL, repository / "docs" / "evidence"


def service(folder: Path, workers: int = 1, **fields: object) -> Service:
    """The service as it is shipped, with torch's threads one to a worker process, over a Redis server with AOF."""
    shipped = {name: Settings.model_fields[name].default for name in _AS_SHIPPED}
    return Service(folder, find_binary(), workers=workers, api="app.main:create_app", **{**shipped, **fields})
