"""What processes hold, read from /proc, and whether it grows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.chaos.processes import children
from benchmarks.chaos.service import Service

MEBI = 2**20


class Usage(NamedTuple):
    """Resident memory in MiB, open file descriptors and threads, summed over processes."""

    mib: float
    files: int
    threads: int


class Line(NamedTuple):
    """The straight line through the last half of a series: its ends there, and what it gains over that half."""

    begins: float
    ends: float

    @property
    def gain(self) -> float:
        return self.ends - self.begins


def usage(pids: Iterable[int]) -> Usage:
    """Of those of the processes that are still there."""
    kib = files = threads = 0
    for pid in pids:
        with suppress(OSError):
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            kib += int(status.get("VmRSS", "0 kB").split()[0])
            threads += int(status["Threads"])
            files += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Usage(kib / 1024, files, threads)


def parts(service: Service) -> dict[str, Usage]:
    """The API, all workers and Redis, each with every process below it."""
    roots = {
        "API": [service.api.pid] if service.api else [],
        "worker": [worker.pid for worker in service.workers],
        "Redis": [service.server.pid or 0],
    }
    return {name: usage(pid for root in found for pid in (root, *children(root))) for name, found in roots.items()}


def last_half(at: Sequence[float], values: Sequence[float]) -> Line:
    """Least squares over the points from the middle of `at` on. Needs two different ones there."""
    places, heights = np.asarray(at, dtype=float), np.asarray(values, dtype=float)
    middle, end = (places[0] + places[-1]) / 2, places[-1]
    late = places >= middle
    slope, base = np.polyfit(places[late], heights[late], 1)
    return Line(float(base + slope * middle), float(base + slope * end))
