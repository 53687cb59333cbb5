"""What the cosines show, in words whose numbers are those found."""

from __future__ import annotations

from typing import Any

from benchmarks.evidence.cosine_judge import CEILING_ALPHA
from benchmarks.evidence.study import table

PRINTED = "unit.wang_kong_2024_as_printed"
PROVEN = {
    "unit.cosine": "box, unit",
    "unit.cosine_norm_ball": "norm ball, unit",
    "sparsified.cosine": "box, sparsified",
}
COLUMNS = {
    **PROVEN,
    PRINTED: "as printed (no proof)",
    "unit.found": "found, unit",
    "sparsified.found": "found, sparsified",
}


def text(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    example, tau = numbers["counterexample"], settings["maps"]["sparsified"][0]["tau"]
    runs = "\n".join(
        f"* {place}: {run['images']} images, {run['samples']} samples of sigma {run['sigma']}, {run['precision']}; the "
        f"attack {run['attack']['steps']} steps of {run['attack']['noises']} noisy images (softplus, beta "
        f"{run['attack']['beta']:g}, for ReLU)."
        for place, run in settings["runs"].items()
    )
    lines = "\n".join(f"* {line}" for line in _lines(numbers))
    return f"""# Cosine with the map at a moved image: proven, printed, found

The map of the gradient for the predicted class, by pixel: as a direction (`unit`), or with ones on the greatest
{100 * tau:g} % of the pixels (`sparsified`). Each number is about the cosine of the observed map with the population
map within the l2 radius rho; alpha = {settings["alpha"]} for each result, seeds from {settings["seed"]}. The ball of
noise has the radius sigma sqrt(n + 2), for n elements: it smooths like the normal law of that sigma. The models are
the shipped one, and SqueezeNet v1.0 for imagenet.

{runs}

* **box** (`cosine`): proven from the intervals of the cells (`kl` for the unit map, `clopper_pearson` for the other).
* **norm ball** (`cosine_norm_ball`): proven from one ball around the whole map; it shares its alpha with the box.
* **as printed** (`wang_kong_2024_as_printed`, unsound as published): the formula of Wang and Kong 2024, Theorem 1. It
  proves nothing and is there for comparison.
* **found**: the cosine at the worst move that an attack found, of some random directions and a gradient ascent through
  the softened network; judged on the real network with as many fresh samples as the certificate had. Empirical: the
  worst move may be worse. The ceiling named below is too low with probability at most {CEILING_ALPHA:g} each time.

Medians over the images; the least found is in brackets.

{_tables(numbers["found"])}

## The counter-example to the printed formula

A map of norm at most 1: e1 in the ball of noise around x alone, e2 in that around x + d alone, 0 in both. In 64
elements and for ||d|| = {example["rho"]:g}, a share of {example["share"]:.3f} of each ball is outside the other.

* The formula gives {example["exact"]:.3f} for the exact means, {example["wang_kong_2024_as_printed"]:.3f} for those of
  {example["samples"]:.0f} samples.
* The true cosine is 0 by construction; found at x + d: {example["found"]:.3f}, ceiling {example["ceiling"]:.3f}.
* The norm ball certifies {example["cosine_norm_ball"]:.3f}, the box {example["cosine"]:.3f}.

## What it shows

{lines}

![Cosines by radius: proven, printed, found](cosine.png)

Films: PneumoniaMNIST (CC BY 4.0; Kermany et al. 2018). Research use only.

Made with `make evidence-cosine`; all numbers, with the least and the greatest of the images, are in `cosine.json`.
"""


def _tables(found: dict[str, Any]) -> str:
    header = ["noise", "rho", *COLUMNS.values()]

    def cell(name: str, spread: dict[str, float]) -> str:
        least = f" ({spread['least']:.4f})" if name.endswith("found") else ""
        return f"{spread['median']:.4f}{least}"

    tables = []
    for place, laws in found.items():
        rows = [
            [law, radius, *(cell(name, spreads[name]) for name in COLUMNS)]
            for law, radii in laws.items()
            for radius, spreads in radii.items()
        ]
        tables.append(f"**{place}**\n\n{table(header, rows)}")
    return "\n\n".join(tables)


def _lines(numbers: dict[str, Any]) -> list[str]:
    tally = numbers["tally"]
    rows = [spreads for laws in numbers["found"].values() for radii in laws.values() for spreads in radii.values()]
    ball, box, printed = (
        [spreads[name]["median"] for spreads in rows] for name in ("unit.cosine_norm_ball", "unit.cosine", PRINTED)
    )
    better = sum(a > b for a, b in zip(ball, box, strict=True))
    more = [a - max(b, c) for a, b, c in zip(printed, ball, box, strict=True)]
    return [
        f"Of the {tally['proven']} certificates that say something, {tally['broken']} lie above the ceiling for the "
        f"true cosine and {tally['above_found']} above the cosine found.",
        f"The claim that the map does not turn at all, planted to be wrong, is refuted in {tally['planted_refuted']} "
        f"of {tally['printed']} cases. Where it is not, the ceiling is too high to refute anything.",
        f"The printed number lies above the cosine found in {tally['printed_above_found']} of {tally['printed']} "
        f"cases, above the ceiling in {tally['printed_refuted']}. Whatever these images show, the counter-example "
        "shows that the formula proves nothing.",
        f"For the unit map the norm ball has the larger median in {better} of {len(rows)} rows, the box in "
        f"{sum(a < b for a, b in zip(ball, box, strict=True))}; the printed number exceeds the better of the two by "
        f"{min(more):.4f} to {max(more):.4f}.",
        *_gaps(numbers["found"]),
        f"The ascent, not a random direction, gave the chosen move in {tally['ascended']} of {tally['moves']} attacks.",
    ]


def _gaps(found: dict[str, Any]) -> list[str]:
    lines = []
    for place, laws in found.items():
        radius = list(laws["gaussian"])[-1]
        furthest = laws["gaussian"][radius]
        proven = max(furthest["unit.cosine_norm_ball"]["median"], furthest["unit.cosine"]["median"])
        lines.append(
            f"On {place} with normal noise and rho = {radius} the best proven median for the unit map is {proven:.4f}, "
            f"the median found {furthest['unit.found']['median']:.4f}: what lies between is lost by the proof or "
            "missed by the attack."
        )
    return lines
