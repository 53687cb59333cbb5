"""The shares of the budget K that each rule certifies, by place and attribution."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy import ndarray

from benchmarks.evidence.controls import is_control
from benchmarks.evidence.pixel_rules import NOT_SALIENT, SALIENT
from benchmarks.evidence.pixels_plot import plot
from benchmarks.evidence.pixels_table import RATIOS
from benchmarks.evidence.pixels_text import text
from benchmarks.evidence.study import Arrays, Done, Report


def report(done: Done, settings: dict[str, Any]) -> Report:
    found = _numbers(done, settings["sigma"], settings["k"])
    return Report({"found": found}, text(found, settings), plot(done, found, settings["sigma"]))


def _numbers(done: Done, sigma: float, k: float) -> dict[str, dict[str, Any]]:
    """By place and case: for each setting, rule and rho/sigma certified cells over K;
    controls come last."""
    groups: dict[str, dict[str, list[Arrays]]] = defaultdict(lambda: defaultdict(list))
    for unit, arrays in done.items():
        place, case, _ = unit.split("-")
        groups[place][case].append(arrays)
    return {
        place: {case: _case(cases[case], sigma, k) for case in sorted(cases, key=is_control)}
        for place, cases in groups.items()
    }


def _case(units: list[Arrays], sigma: float, k: float) -> dict[str, Any]:
    cells = units[0]["map"].size
    size = int(np.ceil(k * cells - 1e-9))

    def over(divisor: int, setting: str, *rules: str) -> dict[str, dict[str, float]]:
        """At each rho/sigma the cells that any of these rules certifies, over the divisor."""

        def count(unit: Arrays, ratio: float) -> int:
            return sum(int((unit[f"{setting}.{rule}"] > sigma * ratio).sum()) for rule in rules)

        return {str(ratio): _spread(np.array([count(unit, ratio) for unit in units]) / divisor) for ratio in RATIOS}

    numbers: dict[str, Any] = {"images": len(units), "samples": int(units[0]["samples"]), "cells": cells, "k": size}
    for setting in ("ours", "published"):
        numbers[setting] = {rule: over(size, setting, rule) for rule in SALIENT}
        numbers[setting]["box_of_all_cells"] = over(cells, setting, "box", NOT_SALIENT[0])
    return numbers


def _spread(values: ndarray) -> dict[str, float]:
    return {"median": float(np.median(values)), "least": float(values.min()), "greatest": float(values.max())}
