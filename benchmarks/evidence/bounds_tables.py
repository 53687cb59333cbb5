"""The tables of the study of first-order bounds, after those of the paper: ours, and the paper's behind a stroke."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.evidence.bounds_settings import (
    KINDS,
    MAIN,
    PRINTED_GAP,
    PRINTED_KINDS,
    PRINTED_L2,
    PRINTED_LINF,
    RADII,
    TABLE_2,
)
from benchmarks.evidence.study import table

SHORT = {"gradient": "saliency", "input_x_gradient": "input x gradient", "integrated_gradients": "integrated gradients"}


def share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _angle(at: dict[str, float]) -> str:
    """The mean angle of the bound over the images for which it says something."""
    return f"{at['angle']:.1f}" + (f" (nothing for {share(at['silent'])})" if at["silent"] else "")


def _paper(values: tuple[float, ...] | None, number: int, form: str = "{:g}") -> str:
    return "" if values is None or math.isnan(values[number]) else f" / {form.format(values[number])}"


def by_l2(numbers: dict[str, Any]) -> str:
    """Table 3."""
    header = ["eps", "model", "damage", "real", "T_e", "outside", "T'_e", "outside T'_e", "degrees", "T_c, degrees"]
    rows = []
    for radius in RADII["l2"]:
        for name, found in numbers["found"].items():
            at = found[MAIN]["l2"][str(radius)]
            paper = PRINTED_L2.get(name) if radius == RADII["l2"][0] else None
            rows.append(
                [
                    radius,
                    name,
                    f"{at['kept_mean']:.3f} ({at['kept_worst']:.3f}){_paper(paper, 0)}",
                    at["real_mean"],
                    f"{at['limit']:.3f}{_paper(paper, 1)}",
                    share(at["kept_outside"]) + _paper(paper, 2, "{:g} %"),
                    f"{at['adapted']:.3f}{_paper(paper, 3)}",
                    share(at["kept_outside_adapted"]),
                    f"{at['kept_angle']:.1f}{_paper(paper, 4, '{:.1f}')}",
                    _angle(at) + _paper(paper, 5, "{:.1f}"),
                ]
            )
    return table(header, rows) + "\n\nOurs / the paper's."


def by_linf(numbers: dict[str, Any]) -> str:
    """Table 4."""
    header = ["eps", "model", "Kendall", "damage", "real", "T_e", "outside", "degrees", "T_c, degrees"]
    rows = []
    for radius in RADII["linf"][:3]:
        for name, found in numbers["found"].items():
            at = found[MAIN]["linf"][str(radius)]
            paper = PRINTED_LINF.get(name) if radius == 0.05 else None
            rows.append(
                [
                    radius,
                    name,
                    f"{at['kept_kendall']:.3f}{_paper(paper, 0)}",
                    f"{at['kept_mean']:.3f} ({at['kept_worst']:.3f}){_paper(paper, 1)}",
                    at["real_mean"],
                    f"{at['limit']:.3f}{_paper(paper, 2)}",
                    share(at["kept_outside"]),
                    f"{at['kept_angle']:.1f}{_paper(paper, 3, '{:.1f}')}",
                    _angle(at) + _paper(paper, 4, "{:.1f}"),
                ]
            )
    return table(header, rows) + "\n\nOurs / the paper's."


def gaps(numbers: dict[str, Any]) -> str:
    """Table 5."""
    header = ["model", *(f"{norm} {radius:g}" for norm in RADII for radius in RADII[norm][:3])]
    rows = []
    for name, found in numbers["found"].items():
        cells = []
        for norm, radii in RADII.items():
            for number, radius in enumerate(radii[:3]):
                at = found[MAIN][norm][str(radius)]
                printed = _paper(PRINTED_GAP.get(name, {}).get(norm), number)
                cells.append(f"{at['gap']:.4f} ({at['gap_worst']:.4f}){printed}")
        rows.append([name, *cells])
    return table(header, rows)


def by_kind(numbers: dict[str, Any]) -> str:
    """Table 2."""
    header = ["norm", "eps", "attribution", "damage", "T_e", "outside", "T'_e", "degrees", "T_c, degrees"]
    rows = []
    for norm, radius in TABLE_2.items():
        for kind in KINDS:
            at, paper = numbers["found"]["TRADES"][kind][norm][str(radius)], PRINTED_KINDS[norm][kind]
            rows.append(
                [
                    norm,
                    radius,
                    SHORT[kind],
                    f"{at['free_mean']:.3f} ({at['free_worst']:.3f}){_paper(paper, 0)}",
                    f"{at['limit']:.3f}{_paper(paper, 1)}",
                    share(at["free_outside"]),
                    f"{at['adapted']:.3f}{_paper(paper, 2)}" if norm == "l2" else "-",
                    f"{at['free_angle']:.1f}{_paper(paper, 3)}",
                    _angle(at) + _paper(paper, 4),
                ]
            )
    return table(header, rows)
