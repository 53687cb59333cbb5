"""The text of the study of coverage."""

from __future__ import annotations

from typing import Any

from benchmarks.evidence.coverage_forms import FORMS, SIGMA
from benchmarks.evidence.coverage_settings import CONTROLS
from benchmarks.evidence.study import table

HEADER = ["certificate", "closed form", "compared with", "noise", "interval", "f", "alpha", "q", "rho"]
HEADER += ["runs", "violations", "rate [95 %]", "p", "claimed / true"]


def text(measured: list[dict[str, Any]], controls: list[dict[str, Any]], refuted: float) -> str:
    """Markdown. `refuted`: the p below which a rate of at most alpha is."""
    runs = measured[0]["runs"]
    nearest = max(measured, key=lambda row: row["rate"] / row["alpha"])
    least = min(measured, key=lambda row: row["p"])
    never = [row for row in measured if row["violations"] == 0]
    above = [row for row in measured if row["rate"] > row["alpha"]]
    mute = [row for row in measured if row["claimed"] <= 0 < row["true"]]
    faintest = min(controls, key=lambda row: row["rate"] / row["alpha"])
    forms = "\n".join(f"* **{name}**: {form.words}." for name, form in FORMS.items())
    kinds = "\n".join(f"* **{name}**: {words}." for name, words in CONTROLS.items())
    return f"""# Coverage: how often the certificates are wrong

A certificate may be wrong with probability at most alpha. Here that is counted, on models whose smoothed map is known
in closed form at every moved image: {len(measured)} settings of {len({row["certificate"] for row in measured})}
certificates, {runs} independent runs each, {runs * len(measured)} in all. Every run has noise of its own and, where the
form leaves something open, a model of its own. Noise, votes, counts, intervals and certificates are the service's own;
only the model is made up. sigma is {SIGMA}, the radius of the ball sigma sqrt(n + 2), so that both spread alike. The
certificate is given all of alpha.

A run is a **violation** if what is claimed exceeds the truth, ties counted against it, at any of the moves of length
at most rho that are tried: nine from -rho to rho along the only direction that matters; for cells along axes of their
own, moves against the j weakest of the observed top-K set and along the j strongest others, for every j. There a worse
move may exist, so that the rate shown is a lower bound. What is called true is the value at the worst move tried.

* f: allowed failures. q: samples; "to 8192" stops at the first paid look at which everything is certified.
* A fresh run (`compare: observed`): the truth is what another q samples observe at the worst move.
* pixel_status: a violation is more than f wrong marks among the cells marked salient, or among those marked not
  salient; claimed are the marks less f, true is the overlap, both over K.
* prediction: claimed and true are radii; where a fresh run is compared, 1 or 0.
* rate: with its exact 95 % interval. p: of an exact binomial test, one-sided, of a probability of at most alpha.
* claimed / true: medians over the runs, for perturbations within rho. Claimed is what is certified, except in controls.

{table(HEADER, [_cells(row) for row in measured])}

The closed forms:

{forms}

## What it shows

* The smallest p is {least["p"]:.2g} ({_named(least)}). Below {refuted} for any there would be no report but an error.
* {len(above)} of {len(measured)} settings have a measured rate above alpha. The greatest share of alpha is
  {nearest["rate"] / nearest["alpha"]:.2f}: {nearest["rate"]:.4f} at alpha = {nearest["alpha"]} ({_named(nearest)}).
* In {len(never)} of {len(measured)} settings no violation was seen. A certificate that compares cells with each other
  is wrong only if several intervals fail together, and pays as if one were enough.
* That has its price: in {len(mute)} of {len(measured)} settings the median claimed value is 0 or less where the median
  truth is above 0.

## Controls

The same measurement on what must fail:

{kinds}

{table([*HEADER, "control"], [[*_cells(row), row["control"]] for row in controls])}

All {len(controls)} are found out, with p below {refuted}. The smallest share of violations is {faintest["rate"]:.3f} at
alpha = {faintest["alpha"]} ({_named(faintest)}).

![Rates of violation with exact 95 % intervals, beside alpha](coverage.png)

To make it again: `make evidence-coverage`.
"""


def _cells(row: dict[str, Any]) -> list[Any]:
    """A row of the table."""
    return [
        row["certificate"],
        row["form"],
        "a fresh run" if row["fresh"] else "population",
        row["noise"],
        row["interval"],
        row["failures"],
        row["alpha"],
        f"to {row['looks']}" if row["looks"] else row["samples"],
        f"{row['rho']:g}",
        row["runs"],
        row["violations"],
        f"{row['rate']:.4f} [{row['rate_low']:.4f}, {row['rate_high']:.4f}]",
        f"{row['p']:.2g}",
        f"{row['claimed']:.3f} / {row['true']:.3f}",
    ]


def _named(row: dict[str, Any]) -> str:
    samples = f"to {row['looks']}" if row["looks"] else row["samples"]
    return f"{row['certificate']}, {row['form']}, {row['noise']}, q {samples}{', a fresh run' * row['fresh']}"
