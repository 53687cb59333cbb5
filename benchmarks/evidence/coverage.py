"""How often certificates are wrong, counted on models whose smoothed map is known at every moved image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple, cast

import numpy as np

from benchmarks.evidence.closed_forms import HalfSpaces
from benchmarks.evidence.coverage_bench import Bench
from benchmarks.evidence.coverage_forms import SIGMA
from benchmarks.evidence.coverage_report import report
from benchmarks.evidence.coverage_settings import Setting, settings
from benchmarks.evidence.coverage_truth import Compared, top, truth, wrong_marks
from benchmarks.evidence.study import Arrays, Study

# Some twenty minutes on one core.
RUNS, QUICK_RUNS, SEED = 2000, 60, 7
# Values that are equal by construction may differ by this.
ROUNDING = 1e-12


def study(quick: bool) -> Study:
    """One unit a setting; see `docs/evidence/coverage.md`."""
    runs, every = QUICK_RUNS if quick else RUNS, {setting.name: setting for setting in settings(quick)}
    sizes = {"runs": runs, "seed": SEED, "sigma": SIGMA, "settings": [asdict(setting) for setting in every.values()]}
    units = {name: _unit(setting, runs) for name, setting in every.items()}
    return Study("coverage", sizes, units, lambda done: report(every, done))


class Run(NamedTuple):
    """What was claimed, what is true, and whether that is a violation."""

    claimed: float
    true: float
    broken: bool


def _unit(setting: Setting, runs: int) -> Callable[[], Arrays]:
    def compute() -> Arrays:
        bench = Bench(setting, SEED)
        found = [once(bench, number) for number in range(runs)]
        return {field: np.array([getattr(run, field) for run in found]) for field in Run._fields}

    return compute


def once(bench: Bench, number: int) -> Run:
    """Run `number` of a setting."""
    setting, model = bench.setting, bench.model(number)
    size = max(1, model.cells // 4)
    certifier = bench.certifier(model.cells, size)
    evidence = bench.observed(model, certifier, number)
    moves = model.moves(setting.rho, top(evidence, size))
    compared = Compared(evidence, size, model.mean(moves))
    if setting.fresh:
        worst = moves[truth(setting.certificate, compared).argmin()]
        compared = compared._replace(maps=bench.fresh(model, certifier, number, worst)[None])
    true = float(truth(setting.certificate, compared).min())
    claimed = certifier.claim(evidence, bench.rho).value
    if setting.certificate == "prediction" and not setting.fresh:
        # Its value is 1 or 0; its radius says more.
        claimed, true = certifier.largest_radius(evidence, 1.0), cast(HalfSpaces, model).distance
    broken = claimed > true + ROUNDING
    if setting.certificate == "pixel_status":
        # Its value is a number of marks; what it promises is which cells are marked.
        broken = wrong_marks(compared, bench.rho) > setting.failures
    return Run(claimed, true, broken)
