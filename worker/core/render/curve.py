"""The certified overlap against the radius, as a plot."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

from worker.contract.result import AtRadius, CurvePoint

OURS, PRINTED = "#0072b2", "#d55e00"


def curve(points: Sequence[CurvePoint], asked: Sequence[AtRadius], confidence: float, noun: str) -> bytes:
    """PNG: our bound, the printed one where it applies, and dots at the radii that were asked for."""
    figure = Figure(figsize=(6.4, 4.0), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    rho = [point.rho for point in points]
    axes.step(
        rho, [point.overlap for point in points], where="pre", color=OURS, lw=2, label="certified (exact for the box)"
    )
    printed = [point.overlap_as_printed for point in points if point.overlap_as_printed is not None]
    if printed:
        axes.step(rho, printed, where="pre", color=PRINTED, lw=1.5, ls="--", label="Levine 2019, Theorem 2 as printed")
    if asked:
        axes.plot([at.rho for at in asked], [at.value for at in asked], "o", color=OURS, label="radii asked for")
    axes.set_xlabel(r"l2 radius $\rho$ of the change, pixel values in [0,1]")
    axes.set_ylabel(f"share of the top {noun} that stays")
    axes.set_title(f"Certified with {100 * confidence:g} % confidence. Research use only.", fontsize=10)
    axes.set_xlim(0, rho[-1])
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
