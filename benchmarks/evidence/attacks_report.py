"""What the attacks found beside what was certified; a broken certificate stops the report."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy import ndarray
from scipy.stats import binomtest

from benchmarks.evidence.attacks_plot import plot
from benchmarks.evidence.attacks_text import text
from benchmarks.evidence.study import Arrays, Done, Report

KINDS = ("topk_overlap", "pixel_status", "cosine")


class Broken(Exception):
    """A certificate was broken beyond doubt, or the study could not have noticed one; the text says which."""


def report(done: Done, settings: dict[str, Any]) -> Report:
    """Raises Broken for a violation, and when no planted claim was broken."""
    runs: dict[str, list[Arrays]] = defaultdict(list)
    for name, unit in done.items():
        runs[name.rpartition("-")[0]].append(unit)
    violated = [f"{name} at {rho:g}" for name, unit in done.items() for rho in unit["radii"][violated_at(unit)]]
    if violated:
        raise Broken("Broken beyond doubt: " + ", ".join(violated))
    numbers: dict[str, Any] = {
        "pairs": sum(len(unit["radii"]) for unit in done.values()),
        "images": len(done),
        "violation_rate_at_most": float(binomtest(0, len(done)).proportion_ci(0.9, "exact").high),
        "kinds": _kinds(list(done.values())),
        "planted": _planted(list(done.values()), settings["planted"]),
        "runs": {name: _run(units, settings["attacks"]) for name, units in runs.items()},
    }
    if not numbers["planted"][0]["broken"]:
        raise Broken("No planted claim was broken: the attacks or the judge have no power.")
    return Report(numbers, text(numbers, settings), plot(runs))


def violated_at(unit: Arrays) -> ndarray:
    """Whether any certificate is broken beyond doubt, at each radius."""
    return np.asarray(np.any([sure for _, sure, _ in _broken(unit).values()], axis=0))


def _broken(unit: Arrays) -> dict[str, tuple[ndarray, ndarray, ndarray]]:
    """By kind, at each radius: broken for the estimated map, broken beyond doubt, and whether something was claimed."""
    overlap, marked, cosine, spared = (unit[name] for name in ("certified", "marked", "cosine_certified", "failures"))
    return {
        "topk_overlap": (unit["overlap"] < overlap, unit["overlap_at_most"] < overlap, overlap > 0),
        "pixel_status": (unit["marked_lost"] > spared, unit["marked_lost_at_least"] > spared, marked > 0),
        "cosine": (unit["cosine"] < cosine, unit["cosine_at_most"] < cosine, cosine > 0),
    }


def _kinds(units: list[Arrays]) -> dict[str, dict[str, int]]:
    """Pairs with a claim, and how many of them were broken."""
    return {
        kind: {
            "claims": sum(int(_broken(unit)[kind][2].sum()) for unit in units),
            "broken_for_the_estimate": sum(int(_broken(unit)[kind][0].sum()) for unit in units),
            "broken_beyond_doubt": sum(int(_broken(unit)[kind][1].sum()) for unit in units),
        }
        for kind in KINDS
    }


def _planted(units: list[Arrays], shares: tuple[float, ...]) -> list[dict[str, Any]]:
    """Pairs with a planted claim, those broken beyond doubt, and those broken so without any move."""

    def count(number: int, most: str) -> int:
        return sum(int((unit[most] < unit["planted"][:, number]).sum()) for unit in units)

    return [
        {
            "share": share,
            "claims": sum(int((unit["planted"][:, number] > 0).sum()) for unit in units),
            "broken": count(number, "overlap_at_most"),
            "broken_without_a_move": count(number, "still_overlap_at_most"),
        }
        for number, share in enumerate(shares)
    ]


def _run(units: list[Arrays], attacks: list[str]) -> dict[str, Any]:
    """For each radius overlaps as shares of K, over the images; and how often each attack did most."""
    size, best = int(units[0]["size"]), np.stack([unit["attack"] for unit in units])
    return {
        "images": len(units),
        "k": size,
        "still": float(np.median([unit["still_overlap"] for unit in units])) / size,
        "most_harmful": {name: float((best == number).mean()) for number, name in enumerate(attacks)},
        "radii": [_radius(units, number, size) for number in range(len(units[0]["radii"]))],
    }


def _radius(units: list[Arrays], number: int, size: int) -> dict[str, Any]:
    def at(name: str) -> ndarray:
        return np.array([unit[name][number] for unit in units])

    certified, found = at("certified") / size, at("overlap") / size
    return {
        "rho": float(units[0]["radii"][number]),
        "pairs": len(units),
        "with_claim": int((certified > 0).sum()),
        "certified": float(np.median(certified)),
        "found": float(np.median(found)),
        "found_least": float(found.min()),
        "found_at_most": float(np.median(at("overlap_at_most") / size)),
        "gap": float(np.median(found - certified)),
        "gap_least": float((found - certified).min()),
        "marked": int(at("marked").sum()),
        "marked_lost": int(at("marked_lost").sum()),
        "cosine_certified": float(np.median(at("cosine_certified"))),
        "cosine_found": float(np.median(at("cosine"))),
        "cosine_gap_least": float((at("cosine") - at("cosine_certified")).min()),
        "violations": int(np.sum([violated_at(unit)[number] for unit in units])),
    }
