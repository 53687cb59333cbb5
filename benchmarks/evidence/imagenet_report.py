"""The report on the photographs, in words and curves."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from benchmarks.evidence.imagenet_numbers import FAILURES, LAYERS, RHO, SIDE, SIGMA, K, Row, summarise
from benchmarks.evidence.study import Done, Report, table


def report(done: Done) -> Report:
    """Everything from the kept counts."""
    numbers = summarise(done)
    return Report(numbers, _text(numbers), _plot(numbers["grid"], numbers["by_samples"]))


def _text(numbers: Row) -> str:
    by_samples = numbers["by_samples"]
    last = by_samples[-1]
    first = next((row for row in by_samples if row["ours"][1] >= last["printed"][1]), last)
    share = 100 * numbers["agreement_with_float32"]
    goal, most, reached = last["printed"][1], last["samples"], first["ours"][1]
    return f"""# Certified top-K overlap on photographs

Levine et al. 2019, Figure 2, on real photographs: SqueezeNet v1.0 (published ImageNet weights) at 224 x 224, cells
are all n = {LAYERS * SIDE * SIDE:,} elements, K = {K} n, l2 radius rho = {RHO}, alpha = {numbers["alpha"]}.
Attribution: gradient of the class predicted for the clean photograph. Gaussian noise of standard deviation sigma, in
[0,1] pixel units. The network runs in bfloat16; its votes for one noisy image agree with those of float32 on
{share:.1f} % (one batch of each photograph). Each figure is the 60th percentile over the photographs, with the 48th and
72nd in brackets, of the overlap certified for every perturbation of norm at most rho.

*printed* is Theorem 2 as printed (Hoeffding). *ours* is `topk_overlap` with exact intervals and {FAILURES:,} allowed
failures, a number fixed before sampling; *no failures* allows none. All from the same passes.

{_main(numbers["grid"])}

## How many passes it takes

sigma {SIGMA}, tau 0.1, the same {last["photographs"]} photographs in every row. Other numbers of allowed failures
show what the 60th percentile would have been with them. *no sampling error* takes the observed map for the
population's: what the shift alone leaves. The last column counts photographs on which ours has reached what the
printed bound has at {most:,} passes.

{_passes(by_samples)}

The printed bound's 60th percentile at {most:,} passes is {goal:.3f}; ours is {reached:.3f} at
{first["samples"]:,} passes.

## Real-valued maps

sigma {SIGMA}; relaxed with tau 0.1 and gamma 0.01, scaled and quadratic as in section 2.2 of the paper; ours with KL
intervals and {FAILURES:,} allowed failures, the printed bound with Hoeffding's.

{_maps(numbers["real_valued"])}

![certified overlap over sigma, and over passes](imagenet.png)

Made by `make evidence-imagenet`; the numbers are in [imagenet.json](imagenet.json).
"""


def _main(rows: list[Row]) -> str:
    header = ["sigma", "tau", "photographs", "passes", "printed", "ours, no failures", "ours"]
    plain, bounds = ("sigma", "tau", "photographs", "samples"), ("printed", "ours, no failures", "ours")
    return table(header, [[*(row[key] for key in plain), *(_said(row[key]) for key in bounds)] for row in rows])


def _passes(rows: list[Row]) -> str:
    others = [f"{failures} failures" for failures in rows[0]["others"]]
    header = ["passes", "printed", f"ours, {FAILURES} failures", *others, "no sampling error", "reached"]
    return table(
        header,
        [
            [
                *(row["samples"], _said(row["printed"]), _said(row["ours"]), *row["others"].values()),
                *(row["limit"][1], f"{row['reaches']} of {row['photographs']}"),
            ]
            for row in rows
        ],
    )


def _maps(rows: list[Row]) -> str:
    header = ["map", "photographs", "passes", "printed", "ours"]
    plain = ("map", "photographs", "samples")
    return table(header, [[*(row[key] for key in plain), _said(row["printed"]), _said(row["ours"])] for row in rows])


def _said(percentiles: list[float]) -> str:
    """The 60th percentile, and the 48th and 72nd."""
    low, middle, high = percentiles
    return f"{middle:.3f} ({low:.3f}, {high:.3f})"


def _plot(grid: list[Row], by_samples: list[Row]) -> Figure:
    """Left: both bounds over sigma for each tau. Right: over the passes."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, tau in enumerate(sorted({row["tau"] for row in grid})):
        rows = [row for row in grid if row["tau"] == tau]
        x, color = [row["sigma"] for row in rows], f"C{number}"
        left.plot(x, [row["ours"][1] for row in rows], "o-", color=color, label=f"ours, tau {tau}")
        left.plot(x, [row["printed"][1] for row in rows], "x--", color=color, label=f"printed, tau {tau}")
    left.set(xlabel="sigma", ylabel=f"certified overlap at rho = {RHO}", ylim=(0, 1))
    passes = [row["samples"] for row in by_samples]
    for name, style in (("limit", ":"), ("ours", "o-"), ("printed", "x--")):
        values = np.array([row[name] for row in by_samples])
        right.plot(passes, values[:, 1], style, label={"limit": "no sampling error"}.get(name, name))
        right.fill_between(passes, values[:, 0], values[:, 2], alpha=0.15)
    right.axhline(by_samples[-1]["printed"][1], color="gray", linewidth=0.8)
    right.set(xlabel="passes", xscale="log", ylim=(0, 1), title=f"sigma {SIGMA}, tau 0.1")
    right.set_xticks(passes, [f"{q:,}" for q in passes])
    right.minorticks_off()
    for axes in (left, right):
        axes.legend(fontsize=7)
        axes.grid(alpha=0.3)
    return figure
