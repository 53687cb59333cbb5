"""The shares of K in tables: which rule at which rho / sigma, with our settings or the published ones."""

from __future__ import annotations

from itertools import product
from typing import Any

from benchmarks.evidence.study import table

RATIOS = (0.25, 0.5, 0.67, 1.0)
Found = dict[str, dict[str, Any]]
# A setting, a rule and rho / sigma.
Column = tuple[str, str, float]
OURS: list[Column] = [("ours", rule, ratio) for rule, ratio in [*(("box", ratio) for ratio in RATIOS), ("vote", 0.67)]]
OURS += [("ours", "vote", 1.0), ("ours", "segcertify", 0.67)]
HALF: Column = ("ours", "box", 0.5)
THEIRS: list[Column] = [("published", *which) for which in product(("box", "vote"), (0.25, 0.67))]
THEIRS += [("published", "segcertify", 0.67)]


def tables(found: Found, columns: list[Column]) -> str:
    """One for each place: medians in per cent, with our numbers of samples where they are ours."""
    names, sizes = {"segcertify": "published"}, ("images", "samples") if columns is OURS else ()
    header = ["attribution", *sizes, *(f"{names.get(rule, rule)} {ratio}" for _, rule, ratio in columns)]

    def row(case: str, numbers: Any) -> list[Any]:
        shares = [f"{100 * median(numbers, column):.0f}" for column in columns]
        return [case, *(numbers[size] for size in sizes), *shares]

    parts = [
        f"**{place}**\n\n{table(header, [row(*case) for case in cases.items()])}" for place, cases in found.items()
    ]
    return "\n\n".join(parts)


def median(numbers: Any, column: Column) -> float:
    setting, rule, ratio = column
    return float(numbers[setting][rule][str(ratio)]["median"])


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
