"""`make load`, second half: many jobs on one worker, and whether anything grows with them."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import redis

from benchmarks.chaos.processes import Broken
from benchmarks.chaos.service import Service
from benchmarks.load.requests import IMAGES, explained
from benchmarks.load.settings import TTL_SECONDS, Sizes, service
from benchmarks.load.usage import MEBI, last_half, parts

LOOKS = 100  # over the whole soak
_ARTIFACTS = ("heatmap.png", "overlay.png", "certificate.json", "map.npz")


class Limit(NamedTuple):
    """What a series may gain per 1,000 jobs over the last half."""

    unit: str
    most: float


# An expired id stays known for a week: that is Redis's share. Files and threads come and go by a few.
LIMITS = {
    "API": Limit(" MiB", 2.0),
    "worker": Limit(" MiB", 8.0),
    "Redis": Limit(" MiB", 4.0),
    "Redis, used_memory": Limit(" MiB", 2.0),
    "API, files": Limit("", 8.0),
    "worker, files": Limit("", 8.0),
    "Redis, files": Limit("", 8.0),
    "API, threads": Limit("", 8.0),
    "worker, threads": Limit("", 4.0),
}


def soak(sizes: Sizes) -> dict[str, Any]:
    """The figures; `broken` names everything that is not as it must be."""
    with (
        tempfile.TemporaryDirectory(prefix="surety-soak-") as folder,
        service(Path(folder), result_ttl_seconds=TTL_SECONDS) as running,
    ):
        began = time.monotonic()
        done, series, broken = _run(running, sizes)
        seconds = time.monotonic() - began
    grown = {}
    for name, limit in LIMITS.items():
        line = last_half(done, series[name])
        each = line.gain / (sizes.soak / 2) * 1000
        grown[name] = {"middle": line.begins, "end": line.ends, "per_1000_jobs": each, "tolerated": limit.most}
        if sizes.steady and each > limit.most:
            broken.append(f"{name}: {each:+.2f}{limit.unit} per 1,000 jobs")
    seen = {"jobs": done, **{name: [round(value, 2) for value in values] for name, values in series.items()}}
    return {"jobs": sizes.soak, "seconds": seconds, "grown": grown, "seen": seen, "broken": broken}


def _run(running: Service, sizes: Sizes) -> tuple[list[float], dict[str, list[float]], list[str]]:
    """After how many jobs was looked, what was seen, and which jobs were not done."""
    done: list[float] = []
    broken: list[str] = []
    series: dict[str, list[float]] = {name: [] for name in LIMITS}
    step = max(1, sizes.soak // LOOKS)
    with (
        httpx.Client(base_url=running.url, timeout=60.0, trust_env=False) as http,
        redis.Redis.from_url(running.server.url) as store,
        ThreadPoolExecutor(sizes.soak_clients) as pool,
    ):
        jobs = [pool.submit(_one, http, seed, sizes.samples) for seed in range(sizes.soak)]
        for number, job in enumerate(jobs, start=1):
            try:
                job.result()
            except (httpx.HTTPError, Broken) as error:
                broken.append(f"job {number}: {error}")
            if number % step == 0:
                done.append(number)
                for name, value in _look(running, store).items():
                    series[name].append(value)
            if number % (10 * step) == 0:
                held = ", ".join(f"{name} {series[name][-1]:.0f} MiB" for name in ("API", "worker", "Redis"))
                print(f"  {number} of {sizes.soak} jobs  {held}", flush=True)
    return done, series, broken


def _one(http: httpx.Client, seed: int, samples: int) -> None:
    """A job as a client has it: sent, waited for, its record, its result and a picture fetched."""
    image = IMAGES[seed % len(IMAGES)].read_bytes()
    job, _ = explained(http, {"samples": samples, "seed": seed}, image)
    for path in (job, f"{job}/artifacts/{_ARTIFACTS[seed % len(_ARTIFACTS)]}"):
        http.get(path).raise_for_status()


def _look(running: Service, store: redis.Redis) -> dict[str, float]:
    held = parts(running)
    used = store.info("memory")["used_memory"] / MEBI
    seen = {"Redis, used_memory": used}
    for name, usage in held.items():
        seen |= {name: usage.mib, f"{name}, files": usage.files, f"{name}, threads": usage.threads}
    return {name: seen[name] for name in LIMITS}
