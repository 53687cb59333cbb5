"""The pages docs/evidence/load.md and scaling.md, and their JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.evidence.study import REPOSITORY, table
from benchmarks.load.settings import MAX_QUEUE, TTL_SECONDS, Sizes
from benchmarks.load.throughput import SHARD_BLOCKS
from worker.service.provenance import code_digest, library_versions, service_version


def write(out: Path, name: str, text: str, found: Mapping[str, Any]) -> None:
    """`name`.md and `name`.json in the folder `out`."""
    made = {
        "service_version": service_version(),
        "code_digest": code_digest(),
        "cores": os.cpu_count(),
        "libraries": library_versions(),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(text.rstrip() + "\n", encoding="utf-8")
    (out / f"{name}.json").write_text(json.dumps({**found, "made_with": made}, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {(out / name).relative_to(REPOSITORY)}.md and .json")


def load_text(mixed: Mapping[str, Any], soak: Mapping[str, Any], sizes: Sizes, seed: int) -> str:
    states = ", ".join(f"{count} {state}" for state, count in sorted(mixed["states"].items()))
    answers = [[*key.rpartition(" ")[::2], count] for key, count in mixed["answers"].items()]
    times = [[name, *(f"{mixed[key][at]:.0f}" for at in ("p50", "p99")), mixed[key]["count"]] for name, key in _TIMES]
    memory = [
        [name, f"{at['middle']:.1f}", f"{at['end']:.1f}", f"{at['end'] - at['middle']:+.1f}", at["tolerated"]]
        for name, at in mixed["memory_mib"].items()
    ]
    grown = [
        [name, f"{at['middle']:.1f}", f"{at['end']:.1f}", f"{at['per_1000_jobs']:+.2f}", at["tolerated"]]
        for name, at in soak["grown"].items()
    ]
    verdict = ("" if sizes.steady else _SHORT) + _verdict(mixed["broken"], soak["broken"])
    return f"""# Load

The running service - Redis with AOF, one worker with one thread of torch, the API - on {os.cpu_count()} cores that the
clients share; the digits model, {sizes.samples} samples a job. {verdict}

## Mixed requests

{mixed["requests"]} requests from {sizes.clients} clients at once, at a limit of {MAX_QUEUE} unfinished jobs, in
{mixed["seconds"]:.0f} s until the last job ended. `make load SEED={seed}` sends the same. Checked:

* Every bad request is refused with its own code. A result that is not there, or a job that has ended and is to be
  cancelled, is 409. Every other refusal is 429 or 503 with Retry-After ({mixed["told_to_come_again"]} here), and the
  client waits that long.
* Each of the {mixed["jobs"]} accepted jobs has ended ({states}), cancelled only if a client cancelled it.
* Equal requests ({mixed["contents"]} different ones) have results with equal counts, certificates and heat map.

{table(["milliseconds", "p50", "p99", "requests"], times)}

Resident memory of all processes, by a straight line through the last half of the run, MiB:

{table(["", "middle", "end", "gain", "tolerated"], memory)}

{table(["request", "status", "answers"], answers)}

## Soak

{soak["jobs"]} different jobs, {sizes.soak_clients} at a time, in {soak["seconds"]:.0f} s; each is waited for, and its
record and an artifact are fetched. Results expire after {TTL_SECONDS} s, so that Redis is as full in the middle as at
the end, but for the ids that are known as expired for a week. Straight lines through the last half; MiB for memory:

{table(["", "middle", "end", "per 1,000 jobs", "tolerated"], grown)}
"""


_SHORT = "So short a run is not judged by its memory. "
_TIMES = (("POST /v1/explanations, accepted", "post_ms"), ("GET /v1/jobs/{id}", "get_job_ms"))


def _verdict(*broken: list[str]) -> str:
    found = [text for part in broken for text in part]
    return (
        "Everything held." if not found else "**Not everything held:**\n\n" + "\n".join(f"* {text}" for text in found)
    )


def scaling_text(found: Mapping[str, Any], sizes: Sizes) -> str:
    first = found["workers"][0]
    rows = [
        [row["workers"]]
        + [
            cell
            for key in ("samples_per_second", "jobs_per_second")
            for cell in (f"{row[key]:.1f}", f"{row[key] / first[key]:.2f}")
        ]
        for row in found["workers"]
    ]
    queue = [
        [row["workers"], *(f"{row['alone_ms'][at]:.1f}" for at in ("p50", "p99")), f"{row['jobs_per_second']:.0f}"]
        for row in found["queueing"]
    ]
    weights = [
        [size, *(f"{at[key] / 1000:.1f}" for key in _BYTES), f"{at['seconds']:.2f}"]
        for size, at in found["footprint"].items()
    ]
    return f"""# Scaling

On {os.cpu_count()} cores, which Redis, the API and the client share with the workers; one thread of torch to a worker
process. What follows from it for N machines is in [scaling](../scaling.md).

## More workers

One job of {sizes.large} samples of the digits model in shards (more than {SHARD_BLOCKS} blocks are split), and
{sizes.small} jobs of {sizes.samples} samples, from the first start to the last commit.

{table(["workers", "large job, samples/s", "times", "small jobs, jobs/s", "times"], rows)}

## The queue

Jobs that compute nothing. Alone: from before the POST to the commit, {sizes.empty} jobs one after the other, ms.
Throughput: a batch of {sizes.batch}, from the first start to the last commit.

{table(["workers", "alone, p50", "p99", "jobs/s"], queue)}

## Bytes of a job

kB, means of {sizes.kept} jobs of {sizes.samples} samples. Kept: what a finished job takes of Redis's memory until it
expires, its image among it. Client: the image, the result and certificate.json. 224 x 224
is SqueezeNet in bfloat16 with weights as they are drawn, over a made photograph; seconds are from start to commit.

{table(["input", "image", "kept in Redis", "into Redis", "out of Redis", "client", "seconds"], weights)}
"""


_BYTES = ("image", "redis_kept", "redis_in", "redis_out", "client")
