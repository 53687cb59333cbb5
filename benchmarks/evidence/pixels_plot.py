"""Bars per attribution and place, and the map of one film with the pixels that are certified."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from numpy import ndarray

from benchmarks.evidence.study import Arrays, Done

RATIO = 0.5
EXAMPLE = "pneumonia-gradient-0"
BARS = {"box": "#1b6ca8", "vote": "#7fb069", "segcertify": "#e6aa68"}
NAMES = {"box": "box rule", "vote": "vote rule", "segcertify": "published rule"}
STATUS = {"certified not salient": "#c9d6df", "abstained": "#f7f7f7", "certified salient": "#1b6ca8"}


def plot(done: Done, found: dict[str, dict[str, Any]], sigma: float) -> Figure:
    """One panel of bars for each place, and below them the gradient's map of the first film (not the film: it is
    no part of the project)."""
    figure = Figure(figsize=(15, 10), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(3, 2))
    above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    for axes, (place, cases) in zip(above.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        _bars(axes, place, cases)
    if EXAMPLE in done:
        _example(below, done[EXAMPLE], sigma * RATIO)
    return figure


def _bars(axes: Axes, place: str, cases: dict[str, Any]) -> None:
    positions = np.arange(len(cases))
    for number, (rule, colour) in enumerate(BARS.items()):
        shares = [cases[case]["ours"][rule][str(RATIO)] for case in cases]
        medians = np.array([share["median"] for share in shares])
        spread = np.abs([[share["least"], share["greatest"]] for share in shares] - medians[:, None]).T
        places = positions + (number - 1) * 0.27
        axes.barh(places, 100 * medians, 0.25, xerr=100 * spread, color=colour, label=NAMES[rule], error_kw={"lw": 0.7})
    axes.set_yticks(positions, list(cases), fontsize=8)
    axes.invert_yaxis()
    axes.set(title=place, xlabel=f"certified salient, % of K, at rho = {RATIO} sigma", xlim=(0, None))
    axes.legend(fontsize=8)


def _example(figure: SubFigure, unit: Arrays, rho: float) -> None:
    panels = figure.subplots(1, 3)
    panels[0].imshow(unit["map"], cmap="viridis", vmin=0, vmax=1)
    panels[0].set_title("smoothed map (gradient)", fontsize=9)
    colours = ListedColormap(list(STATUS.values()))
    for axes, rule in zip(panels[1:], ("box", "segcertify"), strict=True):
        axes.imshow(_status(unit, rule, rho).reshape(unit["map"].shape), cmap=colours, vmin=-1, vmax=1)
        axes.set_title(f"{NAMES[rule]} at rho = {RATIO} sigma", fontsize=9)
    for axes in panels:
        axes.set_axis_off()
    patches = [Patch(fc=colour, ec="#888", label=name) for name, colour in STATUS.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, fontsize=8)


def _status(unit: Arrays, rule: str, rho: float) -> ndarray:
    salient, not_salient = unit[f"ours.{rule}"] > rho, unit[f"ours.{rule}_not_salient"] > rho
    return salient.astype(np.int8) - not_salient.astype(np.int8)
