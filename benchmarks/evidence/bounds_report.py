"""First-order bounds, the damage found, and what lies between: means over images, by model, norm and radius."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from benchmarks.evidence.bounds_settings import KINDS, MAIN, RADII
from benchmarks.evidence.bounds_text import text
from benchmarks.evidence.study import Arrays, Done, Report

# What is kept of each image at each radius. "free": the furthest moves; "kept": of those that leave the label as it
# is; "real": the latter on the network with ReLU. Distances are l2, angles in degrees, over the starts of the attack.
COLUMNS = (
    *("limit", "adapted", "angle"),
    *(f"{moves}_{what}" for moves in ("free", "kept", "real") for what in ("mean", "worst", "angle")),
    *("free_outside", "free_outside_adapted", "kept_outside", "kept_outside_adapted", "kept_kendall"),
)
FACTS = ("xi", "exact", "residual", "products", "departure", "label_kept", "relaxation")
LARGE = ("xi", "residual", "products", "seconds")


def report(done: Done, settings: dict[str, Any]) -> Report:
    models = {name: [done[unit] for unit in done if unit.startswith(f"image-{name}-")] for name in settings["models"]}
    numbers: dict[str, Any] = {
        "accuracy": {
            name: dict(zip(("clean", "attacked"), done[f"train-{name}"]["accuracy"].tolist(), strict=True))
            for name in models
        },
        "found": {name: _model(units) for name, units in models.items()},
        "large": {kind: _named(done[f"large-{kind}"]["facts"], LARGE) for kind in KINDS if f"large-{kind}" in done},
    }
    return Report(numbers, text(numbers, settings), _plot(models))


def _model(units: list[Arrays]) -> dict[str, Any]:
    """By attribution: the worst of the facts about Lanczos, and by norm and radius the means over the images."""
    found: dict[str, Any] = {}
    for kind in (kind for kind in KINDS if f"{kind}.facts" in units[0]):
        facts = np.array([unit[f"{kind}.facts"] for unit in units])
        away = np.abs(facts[:, 0] / facts[:, 1] - 1)
        means = _named(np.mean(facts, axis=0), FACTS) | {"label_kept": float(np.min(facts[:, 5]))}
        means |= {"residual": float(facts[:, 2].max()), "away_from_svd": float(away.max())}
        found[kind] = {"facts": means}
        for norm, radii in RADII.items():
            rows = np.array([unit[f"{kind}.{norm}"] for unit in units])
            found[kind][norm] = {str(radius): _means(rows[:, at]) for at, radius in enumerate(radii)}
    return found


def _means(rows: ndarray) -> dict[str, float]:
    """Of the images' rows; with r, the least of T'_e - damage (T_e for l-infinity), for the mean and worst attack."""
    named = dict(zip(COLUMNS, rows.T, strict=True))
    means = {name: float(np.mean(values)) for name, values in named.items()}
    turned = named["angle"] < 180
    means["angle"] = float(np.mean(named["angle"][turned])) if turned.any() else 180.0
    means["silent"] = float(np.mean(~turned))
    means["gap"] = float((named["adapted"] - named["kept_mean"]).min())
    means["gap_worst"] = float((named["adapted"] - named["kept_worst"]).min())
    return means


def _named(values: ndarray, names: tuple[str, ...]) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _plot(models: dict[str, list[Arrays]]) -> Figure:
    """The worst damage beside the bound, each image a point; points above the line are outside."""
    figure = Figure(figsize=(9.5, 4.4), layout="constrained")
    for axes, (norm, radii) in zip(figure.subplots(1, len(RADII)), RADII.items(), strict=True):
        for number, (name, units) in enumerate(models.items()):
            rows = np.concatenate([unit[f"{MAIN}.{norm}"][: len(radii)] for unit in units])
            axes.loglog(rows[:, 0], rows[:, COLUMNS.index("free_worst")], ".", color=f"C{number}", ms=4, label=name)
        ends = np.array(axes.get_xlim())
        axes.plot(ends, ends, color="black", linewidth=1)
        axes.set(title=f"{norm}, integrated gradients", xlabel="T_e", ylabel="worst damage found (l2)", xlim=ends)
        axes.minorticks_off()
        axes.legend(fontsize=8)
    return figure
