"""Cosines that are proven, printed and found, by place, noise law and radius."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from benchmarks.evidence.cosine_plans import LAWS
from benchmarks.evidence.cosine_text import COLUMNS, PRINTED, PROVEN, text
from benchmarks.evidence.study import Arrays, Done, Report

STYLES = {
    "unit.cosine_norm_ball": ("#1b6ca8", "o-"),
    "unit.cosine": ("#7fb069", "s-"),
    "sparsified.cosine": ("#4d7c3f", "^-"),
    PRINTED: ("#c0392b", "x:"),
    "unit.found": ("#222222", "d--"),
    "sparsified.found": ("#999999", "d--"),
}


def report(done: Done, settings: dict[str, Any]) -> Report:
    """Raises RuntimeError if a certificate exceeds the judge's ceiling for the true cosine."""
    groups = {place: [done[unit] for unit in done if unit.startswith(f"{place}-")] for place in settings["runs"]}
    found = {place: _found(units, settings["runs"][place]["radii"]) for place, units in groups.items()}
    example = {name: float(value) for name, value in done["counterexample"].items()}
    tally = _tally([unit for units in groups.values() for unit in units])
    proven = max(example["cosine"], example["cosine_norm_ball"])
    if tally["broken"] or proven > example["ceiling"]:
        raise RuntimeError(f"a certificate is broken: {tally}, counter-example {example}")
    numbers = {"counterexample": example, "tally": dict(tally), "found": found}
    return Report(numbers, text(numbers, settings), _plot(found))


def _found(units: list[Arrays], radii: tuple[float, ...]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """By law, radius and column the median, least and greatest over the images."""
    return {
        law: {
            str(radius): {
                name: _spread(np.minimum([unit[f"{law}.{name}"][at] for unit in units], 1)) for name in COLUMNS
            }
            for at, radius in enumerate(radii)
        }
        for law in LAWS
    }


def _spread(values: ndarray) -> dict[str, float]:
    return {"median": float(np.median(values)), "least": float(values.min()), "greatest": float(values.max())}


def _tally(units: list[Arrays]) -> Counter[str]:
    """How often which number lies above what was found, over images, laws and radii."""
    tally: Counter[str] = Counter(dict.fromkeys(("proven", "above_found", "broken"), 0))
    for unit in units:
        tally["moves"] += unit["ascended"].size
        tally["ascended"] += int(unit["ascended"].sum())
        for law in LAWS:
            for name in PROVEN:
                value, kind = unit[f"{law}.{name}"], name.partition(".")[0]
                tally["proven"] += int((value > 0).sum())
                tally["above_found"] += int((value > unit[f"{law}.{kind}.found"]).sum())
                tally["broken"] += int((value > unit[f"{law}.{kind}.ceiling"]).sum())
            printed, ceiling = unit[f"{law}.{PRINTED}"], unit[f"{law}.unit.ceiling"]
            tally["printed"] += printed.size
            tally["printed_above_found"] += int((printed > unit[f"{law}.unit.found"]).sum())
            tally["printed_refuted"] += int((printed > ceiling).sum())
            # What the study could find: the claim that the map does not turn at all.
            tally["planted_refuted"] += int((ceiling < 1).sum())
    return tally


def _plot(found: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(11, 4.2 * len(found)), layout="constrained")
    for line, (place, laws) in zip(figure.subplots(len(found), len(LAWS), squeeze=False), found.items(), strict=True):
        for axes, (law, radii) in zip(line, laws.items(), strict=True):
            for name, (colour, style) in STYLES.items():
                at = [float(radius) for radius in radii]
                heights = [radii[radius][name]["median"] for radius in radii]
                axes.plot(at, heights, style, color=colour, label=COLUMNS[name], ms=5)
            axes.set(title=f"{place}, {law}", xlabel="rho (l2, pixel values in [0,1])", ylabel="cosine, median")
            axes.set(xlim=(0, None), ylim=(-0.03, 1.03))
    axes.legend(fontsize=8)
    return figure
