"""The report of the study of coverage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binomtest

from benchmarks.evidence.coverage_settings import Setting
from benchmarks.evidence.coverage_text import text
from benchmarks.evidence.study import Arrays, Done, Report

# Below this a rate of at most alpha is refuted. Controls must be.
REFUTED = 1e-3
COLOURS = {0.1: "tab:blue", 0.05: "tab:orange"}
# Certificates with an interval of their own, whatever that of the cells is.
INTERVALS = {
    "cosine_norm_ball": "mcdiarmid",
    "prediction": "clopper_pearson, one-sided",
    "region_mass": "betting, one-sided",
    "topk_overlap_as_printed": "hoeffding",
    "wang_kong_2024_as_printed": "none",
}


class Refuted(Exception):
    """A certificate was wrong more often than alpha allows, or a control was not found out; the text says which."""


def report(settings: Mapping[str, Setting], done: Done) -> Report:
    """Raises Refuted."""
    rows = [_row(setting, done[name]) for name, setting in settings.items()]
    measured = [row for row in rows if not row["control"]]
    controls = [row for row in rows if row["control"]]
    wrong = [row["name"] for row in rows if (row["p"] < REFUTED) != bool(row["control"])]
    if wrong:
        raise Refuted(f"violated more often than alpha allows, or a control not found out: {', '.join(wrong)}")
    return Report(
        {"measured": measured, "controls": controls}, text(measured, controls, REFUTED), _plot(measured, controls)
    )


def _row(setting: Setting, found: Arrays) -> dict[str, Any]:
    violations, runs = int(found["broken"].sum()), len(found["broken"])
    test = binomtest(violations, runs, setting.alpha, alternative="greater")
    interval = binomtest(violations, runs).proportion_ci(method="exact")
    return {
        "name": setting.name,
        **asdict(setting),
        "interval": INTERVALS.get(setting.certificate, setting.interval),
        "runs": runs,
        "violations": violations,
        "rate": violations / runs,
        "rate_low": float(interval.low),
        "rate_high": float(interval.high),
        "p": float(test.pvalue),
        "claimed": float(np.median(found["claimed"])),
        "true": float(np.median(found["true"])),
    }


def _plot(measured: list[dict[str, Any]], controls: list[dict[str, Any]]) -> Figure:
    """A line for each certificate; within it the settings one below the other, coloured by alpha."""
    figure = Figure(figsize=(11, 9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 1])
    for axes, rows, title in ((left, measured, "certificates"), (right, controls, "controls")):
        names = list(dict.fromkeys(row["certificate"] for row in rows))
        for alpha, colour in COLOURS.items():
            axes.axvline(alpha, color=colour, linestyle="--", linewidth=1, label=f"alpha = {alpha}")
        for number, name in enumerate(names):
            own = [row for row in rows if row["certificate"] == name]
            for row, offset in zip(own, np.linspace(-0.35, 0.35, len(own) + 2)[1:-1], strict=True):
                around = [[row["rate"] - row["rate_low"]], [row["rate_high"] - row["rate"]]]
                style = {"color": COLOURS[row["alpha"]], "fmt": "o", "markersize": 2.5, "linewidth": 0.8}
                axes.errorbar(row["rate"], number + offset, xerr=around, **style)
            axes.axhline(number + 0.5, color="lightgrey", linewidth=0.5)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.invert_yaxis()
        axes.set_xlim(0, None)
        axes.set_xlabel("rate of violations")
        axes.set_title(title)
    left.legend(loc="lower right")
    return figure
