"""Certified beside found: the plot of the study of attacks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from benchmarks.evidence.study import Arrays

TITLES = {"pneumonia": "chest films", "digits": "digits", "squeezenet": "photographs"}


def plot(runs: Mapping[str, list[Arrays]]) -> Figure:
    """Each pair of an image and a radius: certified beside found."""
    figure = Figure(figsize=(3.6 * len(runs), 3.9), layout="constrained")
    axes = figure.subplots(1, len(runs), squeeze=False)[0]
    for place, (name, units) in zip(axes, runs.items(), strict=True):
        for number, rho in enumerate(units[0]["radii"]):
            points = (
                np.array([[unit["certified"][number], unit["overlap"][number]] for unit in units]) / units[0]["size"]
            )
            place.scatter(*points.T, s=14, alpha=0.7, color=f"C{number}", label=f"{rho:g}")
        place.plot([0, 1], [0, 1], color="black", linewidth=1)
        model, sigma = name.rsplit("-", 1)
        place.set(title=f"{TITLES[model]}, sigma {sigma}", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        place.set_xlabel("certified overlap, share of K")
        place.legend(title="radius", fontsize=7, title_fontsize=7, loc="lower right")
    axes[0].set_ylabel("overlap at the judged move, share of K")
    return figure
