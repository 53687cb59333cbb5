"""What the shares of single pixels show, in words whose numbers are those found."""

from __future__ import annotations

from typing import Any

from benchmarks.evidence.controls import FIXED_MASKS, RANDOM_WEIGHTS, is_control
from benchmarks.evidence.pixels_table import HALF, OURS, THEIRS, Found, median, percent, tables
from benchmarks.evidence.segcertify import Published


def text(found: Found, settings: dict[str, Any]) -> str:
    published = settings["published"]
    rule = Published(published["n0"], published["threshold"], published["alpha"])
    runs = settings["runs"]
    places = ", ".join(
        f"{place} ({next(iter(cases.values()))['cells']} pixels, {runs[place][0]})" for place, cases in found.items()
    )
    lines = "\n".join(f"* {line}" for line in _lines(found))
    return f"""# Certified-salient pixels as a share of the budget K

Each map is sparsified to its ceil({settings["k"]} m) greatest pixels, of m; K is that number. Gaussian noise of sigma
{settings["sigma"]} (the least that Anani et al. use), seeds from {settings["seed"]}, the predicted class; {places}.
The models are the shipped ones, and SqueezeNet v1.0 for imagenet; a certificate is about the network as it is computed
in that precision. The figure is the number of pixels certified salient within the l2 radius rho, over K: its median
over the images in per cent, at the rho / sigma in the column's name. Three rules judge the same votes, and so at equal
passes:

* **box** (`pixel_status`): within rho the pixel is in every top-K set of the population map.
* **vote** (`vote_status`): the pixel is one of the K, and within rho marked in more than half of the noisy images.
* **published** (SegCertify as Anani et al., ICML 2025, use it): within rho the pixel is marked in more than half of the
  noisy images. {rule.n0} samples choose the class; the others test it against {rule.threshold}, for all pixels at
  once (Holm), which gives each the radius {rule.radius(1.0):.4f} sigma: beyond that it certifies nothing.

The rules prove different things: a vote in more than half of the noisy images is not membership of the top K, so the
larger figure is not the better proof. Fewer samples make wider intervals: compare rows of equal numbers. The rows below
the attributions are controls, which explain nothing.

## alpha = {settings["alpha"]}, all samples

{tables(found, OURS)}

## The published settings: alpha = {rule.alpha}, {rule.n0} + {published["samples"] - rule.n0} samples for every rule

{tables(found, THEIRS)}

## What it shows

{lines}

![Certified-salient share of K by attribution, and the map of one film with its certified pixels](pixels.png)

The map is that of the first film of PneumoniaMNIST's test set (CC BY 4.0; Kermany et al. 2018). Research use only.

Made with `make evidence-pixels`; all numbers, with the least and the greatest of the images, are in `pixels.json`.
"""


def _lines(found: Found) -> list[str]:
    pairs = [numbers for cases in found.values() for case, numbers in cases.items() if not is_control(case)]
    lines = []
    for place, cases in found.items():
        most = max(numbers["samples"] for numbers in cases.values())
        full = [case for case in cases if not is_control(case) and cases[case]["samples"] == most]
        half = {case: median(cases[case], HALF) for case in full}
        low, high = min(half, key=half.__getitem__), max(half, key=half.__getitem__)
        lines.append(
            f"On {place}, with {most} samples and at rho / sigma 0.5, the box rule certifies least of K for {low} "
            f"({percent(half[low])}) and most for {high} ({percent(half[high])})."
        )
    for setting, name in (("ours", "on all samples"), ("published", "with the published settings")):
        box, vote = ([median(numbers, (setting, rule, 0.67)) for numbers in pairs] for rule in ("box", "segcertify"))
        more, less = (sum(a > b for a, b in zip(*both, strict=True)) for both in ((box, vote), (vote, box)))
        lines.append(
            f"At rho / sigma 0.67, {name}, the box rule has the larger median in {more} of the {len(pairs)} pairs of "
            f"place and attribution, the published rule in {less}."
        )
    beyond = [median(numbers, ("ours", "box", 1.0)) for numbers in pairs]
    lines.append(
        f"At rho / sigma 1, beyond the radius of the published rule, the box rule has a median above zero in "
        f"{sum(share > 0 for share in beyond)} of {len(pairs)} pairs; the greatest is {percent(max(beyond))} of K."
    )
    return lines + _control_lines(found)


def _control_lines(found: Found) -> list[str]:
    """What the figure says of maps that explain nothing."""
    lines = []
    for place, cases in found.items():
        half = {case: median(cases[case], HALF) for case in cases}
        beside = [f"{percent(half[case])} for {case}" for case in half if is_control(case)]
        twins = [case.removesuffix(RANDOM_WEIGHTS).removesuffix(FIXED_MASKS) for case in half if is_control(case)]
        told = [f"{percent(half[case])} for {case}" for case in twins if case in half and not is_control(case)]
        lines.append(
            f"Controls on {place}, box rule at rho / sigma 0.5: {', '.join(beside)}; beside them {', '.join(told)}."
        )
    everywhere = [median(cases["fixed positions"], ("ours", "box", 1.0)) for cases in found.values()]
    lines.append(
        f"The ranking that never looks at the image keeps at least {percent(min(everywhere))} of K certified even at "
        "rho / sigma 1. The figure measures how stable a map is, not whether it says anything about model or image."
    )
    counted = [
        f"{percent(median(cases['gradient'], ('ours', 'box_of_all_cells', 0.5)))} on {place} in place of "
        f"{percent(median(cases['gradient'], HALF))}"
        for place, cases in found.items()
    ]
    lines.append(
        "Counted over all pixels, with those certified not salient, the figure for gradient would be "
        f"{', '.join(counted)}: pixels that are hardly ever marked would count as success."
    )
    return lines
