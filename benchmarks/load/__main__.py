"""`make load`: mixed requests and the soak, into docs/evidence/load.md; ten minutes. `make scaling`: into scaling.md.

SEED repeats the requests of an earlier run. QUICK=1 makes a small form under out/.
"""

from __future__ import annotations

import os
import secrets
import sys
from typing import Any

from benchmarks.evidence.study import REPOSITORY
from benchmarks.load import report, sums
from benchmarks.load.footprint import weigh
from benchmarks.load.mixed import mixed
from benchmarks.load.settings import FULL, chosen
from benchmarks.load.soak import soak
from benchmarks.load.throughput import queueing, workers

PAGE = REPOSITORY / "docs" / "scaling.md"
_BEGIN, _END = "<!-- written by make scaling -->\n\n", "\n\n<!-- end -->"


def load() -> int:
    sizes, out = chosen()
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    print(f"seed {seed}: {sizes.requests} requests", flush=True)
    sent = mixed(sizes, seed)
    print(f"soak: {sizes.soak} jobs", flush=True)
    soaked = soak(sizes)
    report.write(
        out, "load", report.load_text(sent, soaked, sizes, seed), {"seed": seed, "mixed": sent, "soak": soaked}
    )
    broken = [*sent["broken"], *soaked["broken"]]
    print("RED" if broken else "All hold.", *broken, sep="\n  ")
    return int(bool(broken))


def scaling() -> int:
    sizes, out = chosen()
    found: dict[str, Any] = {"workers": [], "queueing": []}
    for count in (1, 2):
        print(f"{count} workers", flush=True)
        found["workers"].append(workers(sizes, count))
        found["queueing"].append(queueing(sizes, count))
    print("bytes of a job", flush=True)
    found["footprint"] = weigh(sizes)
    report.write(out, "scaling", report.scaling_text(found, sizes), found)
    if sizes is FULL:
        PAGE.write_text(with_sums(PAGE.read_text(encoding="utf-8"), sums.sums(found)), encoding="utf-8")
    else:
        print(sums.sums(found))
    return 0


def with_sums(page: str, table: str) -> str:
    """docs/scaling.md with this table in its place."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"docs/scaling.md has no place for the sums, between {_BEGIN.strip()} and {_END.strip()}")
    return before + begin + table + end + after


if __name__ == "__main__":
    sys.exit(scaling() if sys.argv[1:] == ["scaling"] else load())
