"""`python -m benchmarks.evidence NAME`; QUICK=1 makes a small form of it under out/, which shows that it runs."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from benchmarks.evidence.study import REPOSITORY, Missing, run
from worker.contract.settings import Settings
from worker.service.device import prepare

NAMES = ("coverage", "imagenet", "pixels", "cosine", "attacks", "bounds")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in NAMES:
        print(f"usage: python -m benchmarks.evidence {{{','.join(NAMES)}}}", file=sys.stderr)
        return 2
    quick = os.environ.get("QUICK") == "1"
    prepare(Settings())
    place = REPOSITORY / "out" / "evidence-quick" if quick else REPOSITORY / "docs" / "evidence"
    try:
        report = run(
            import_module(f"benchmarks.evidence.{arguments[0]}").study(quick),
            REPOSITORY / "out" / ("evidence-state-quick" if quick else "evidence-state"),
            place,
        )
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 3
    print(report.text)
    print(f"Written to {place.relative_to(REPOSITORY)}/{arguments[0]}.md, .json and .png")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
