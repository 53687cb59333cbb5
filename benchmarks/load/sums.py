"""How many machines: the sums of docs/scaling.md, from measured figures only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.evidence.study import table

SPEED = Path(__file__).parents[2] / "docs" / "evidence" / "speed.md"
_ROW = "| squeezenet1_0 | bfloat16 |"
_SAMPLER, _CORES = 5, 2  # the column of samples per second, and the cores that speed.md was measured on
_GIGA, _MEGABIT = 1e9, 1e6
DAY = 24 * 3600.0


@dataclass(frozen=True)
class Site:
    """Who asks: `images` in `seconds`, each of `image_bytes`, explained with `samples`; results live `ttl` seconds."""

    name: str
    images: int
    seconds: float
    image_bytes: float
    samples: int = 1024
    ttl: float = DAY


# A study is taken as two radiographs of 10 MB, all within ten hours; the archive as photographs of 0.5 MB in 30 days.
SITES = (
    Site("hospital: 5,000 studies a day", 10_000, 10 * 3600.0, 10e6),
    Site("the same, results kept an hour", 10_000, 10 * 3600.0, 10e6, ttl=3600.0),
    Site("archive: 10 million images in 30 days", 10_000_000, 30 * DAY, 0.5e6),
    Site("the same, results kept ten minutes", 10_000_000, 30 * DAY, 0.5e6, ttl=600.0),
)
HEADER = ["", "jobs/s", "samples/s", "cores", "Redis, GB", "into Redis, Mbit/s", "out of Redis, Mbit/s", "queue in use"]


def samples_per_core() -> float:
    """Of SqueezeNet at 224 x 224 in bfloat16, as docs/evidence/speed.md has it."""
    row = next(line for line in SPEED.read_text(encoding="utf-8").splitlines() if line.startswith(_ROW))
    return float(row.split("|")[_SAMPLER]) / _CORES


def needed(site: Site, large: Mapping[str, float], queue_rate: float, per_core: float) -> list[Any]:
    """The row of the table. `large`: the bytes of a 224 x 224 job (see footprint.weigh), whose image is replaced by the
    site's. `queue_rate`: the jobs a second that the queue was seen to carry."""
    jobs = site.images / site.seconds
    held = min(float(site.images), jobs * site.ttl)
    more = site.image_bytes - large["image"]
    return [
        site.name,
        f"{jobs:.2f}",
        f"{jobs * site.samples:,.0f}",
        f"{math.ceil(jobs * site.samples / per_core):,}",
        f"{held * (large['redis_kept'] + more) / _GIGA:,.1f}",
        f"{jobs * (large['redis_in'] + more) * 8 / _MEGABIT:,.1f}",
        f"{jobs * (large['redis_out'] + more) * 8 / _MEGABIT:,.1f}",
        f"{jobs / queue_rate:.1%}",
    ]


def sums(found: Mapping[str, Any]) -> str:
    """The table, from the figures of `make scaling`."""
    large, rate = found["footprint"]["224x224"], found["queueing"][0]["jobs_per_second"]
    per_core = samples_per_core()
    return table(HEADER, [needed(site, large, rate, per_core) for site in SITES])
