"""`make bench-memory`: the peak memory of a run does not grow with its samples, because only counts are kept."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import torch

from benchmarks.evidence.study import REPOSITORY, table
from benchmarks.speed import build
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.core.pipeline import certify, plan, sample
from worker.core.statistics.segments import Segments
from worker.service.device import prepare

SAMPLES, QUICK_SAMPLES = (256, 8192), (32, 96)


def peak(samples: int) -> float:
    """The peak resident memory in MiB of a fresh process that explains one 224 x 224 image with SqueezeNet."""
    call = [sys.executable, "-m", "benchmarks.memory", str(samples)]
    return float(subprocess.run(call, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout)


def explain(samples: int) -> None:
    prepare(Settings())
    image = torch.rand((3, 224, 224), generator=torch.Generator().manual_seed(1))
    spec = ExplanationSpec.model_validate(
        {
            "samples": samples,
            "precision": "bfloat16",
            "granularity": "element",
            "noise": {"name": "gaussian", "sigma": 0.2},
        }
    )
    ready = plan(spec, build("squeezenet1_0"), image, [str(index) for index in range(1000)], 16)
    certify(ready, sample(ready, Segments(), lambda _: None).total)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(arguments: list[str]) -> int:
    if arguments:
        explain(int(arguments[0]))
        return 0
    quick = os.environ.get("QUICK") == "1"
    rows = [[samples, f"{peak(samples):.0f}"] for samples in (QUICK_SAMPLES if quick else SAMPLES)]
    text = (
        "# Memory over samples\n\nPeak resident memory of a fresh process that loads SqueezeNet and certifies one "
        f"224 x 224 image over 150,528 elements, MiB.\n\n{table(['samples', 'peak, MiB'], rows)}\n"
    )
    print(text)
    if not quick:
        (REPOSITORY / "docs" / "evidence" / "memory.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
