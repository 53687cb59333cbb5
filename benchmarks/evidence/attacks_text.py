"""The words and tables of the report on attacks."""

from __future__ import annotations

from typing import Any

from benchmarks.evidence.attacks_plot import TITLES
from benchmarks.evidence.attacks_settings import ATTACKS
from benchmarks.evidence.study import table


def text(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    parts = [
        "# Attacks inside the radius",
        _made(numbers, settings),
        _overlaps(numbers),
        _violations(numbers, settings),
        "![Certified overlap beside the overlap found](attacks.png)",
        "Each point is an image at a radius; a broken certificate would lie below the line.",
        "## Certified cells and cosine",
        _others(numbers),
        "## Could this study have failed?",
        _planted(numbers),
        "## The attacks",
        _attacks(numbers),
        "`make evidence-attacks` makes this page again. Research use only: nothing here is for judging a patient.",
    ]
    return "\n\n".join(parts)


def _made(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    runs = "; ".join(
        f"{run['images']} {TITLES[run['model']]} at sigma {run['sigma']:g} ({run['samples']:,} samples, judged with "
        f"{run['judged']:,}, {run['precision']}, {run['failures']} allowed failures)"
        for run in settings["runs"]
    )
    return (
        f"Each of {numbers['images']} samplings certifies several radii; each of these {numbers['pairs']} pairs is "
        f"attacked in {len(ATTACKS)} ways: {runs}. Films and digits are explained by Surety's own networks, "
        f"photographs by SqueezeNet v1.0. The maps are gradients with pixels as cells, sparsified with tau "
        f"{settings['tau']:g}; K is {settings['k']:g} of the cells, alpha {settings['alpha']:g} for "
        f"each sampling, the seed {settings['seed']}; radii are l2 norms in [0,1] pixel units. The class is the one "
        "predicted at the image, then fixed. Moves are not clipped to [0,1] and may change the prediction, since the "
        "certificates hold for those too. Attacks use the certificate's own samples. The move that does most harm on "
        "other samples is judged, on fresh ones, with the real network and map."
    )


def _label(name: str) -> str:
    model, sigma = name.rsplit("-", 1)
    return f"{TITLES[model]}, {sigma}"


def _by_radius(numbers: dict[str, Any], columns: dict[str, str]) -> str:
    """A row for each run and radius: the fields by their titles."""
    rows = [
        [_label(name), *({**at, "still": run["still"]}[field] for field in columns.values())]
        for name, run in numbers["runs"].items()
        for at in run["radii"]
    ]
    return table(["images, sigma", *columns], rows)


def _overlaps(numbers: dict[str, Any]) -> str:
    columns = {"radius": "rho", "pairs": "pairs", "with a claim": "with_claim", "certified": "certified"}
    columns |= {"found": "found", "found, worst": "found_least", "found, at most": "found_at_most", "no move": "still"}
    columns |= {"gap": "gap", "gap, least": "gap_least", "violations": "violations"}
    claims = numbers["kinds"]["topk_overlap"]["claims"]
    return _by_radius(numbers, columns) + (
        "\n\nOverlaps are shares of K, medians over the images where nothing else is said. *Found*: of the observed "
        "top-K set with that of the map estimated at the judged move; *at most*: with the kindest map inside the "
        "estimate's intervals. *No move*: found at the image itself, which is what the sampling errors of two runs "
        "cost. *Gap*: found less certified. *With a claim*: pairs whose certified overlap is above 0, "
        f"{100 * claims / numbers['pairs']:.0f} % of all; the others cannot be broken and show nothing."
    )


def _violations(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    header = ["certificate", "pairs with a claim", "broken for the estimated map", "broken beyond doubt"]
    wrong = settings["alpha_of_a_judged_move"]
    return (
        table(header, [[kind, *each.values()] for kind, each in numbers["kinds"].items()])
        + "\n\nCertificates speak of the population map at the moved image, and only an estimate of it is known. So a "
        "violation is counted only if no map inside the estimate's simultaneous Clopper-Pearson intervals keeps the "
        f"claim; these fail with probability at most {wrong:g} for each judged move, "
        f"{min(1.0, wrong * numbers['pairs']):.2g} in all. Breaks for the estimated map alone may be its sampling "
        "error. The fewer samples judge, the further *at most* lies above *found*, and the less can be shown "
        "to be broken.\n\n"
        f"The radii of an image rest on one sampling, so samplings are counted, not pairs: in 0 of {numbers['images']} "
        "these attacks found a violation, so with 95 % confidence (exact binomial) they find one in at most "
        f"{100 * numbers['violation_rate_at_most']:.1f} % of samplings of these images. Promised is at most "
        f"{100 * settings['alpha']:g} %, for all moves, found or not."
    )


def _others(numbers: dict[str, Any]) -> str:
    columns = {"radius": "rho", "cells certified salient": "marked", "outside the estimated top-K set": "marked_lost"}
    columns |= {"cosine, certified": "cosine_certified", "cosine, found": "cosine_found"}
    return _by_radius(numbers, columns | {"cosine, least gap": "cosine_gap_least"}) + (
        "\n\nCells are summed over the images; with f allowed failures up to f of an image's cells may be lost, and "
        "the number certified is lowered by f already. Cosines are medians. The moves were searched for to lower the "
        "overlap: others may do these more harm."
    )


def _planted(numbers: dict[str, Any]) -> str:
    none = numbers["planted"][0]
    header = ["share of the shift", "pairs with a claim", "broken beyond doubt", "so without any move"]
    return (
        "Claims that no theorem allows were planted: the certified overlap without intervals (the observed means taken "
        "for the truth) and with only a share of the shift that the radius asks for. Without any shift "
        f"{none['broken']} of {none['claims']} are broken beyond doubt.\n\n"
        + table(header, [list(each.values()) for each in numbers["planted"]])
        + "\n\nPlanted claims that are not broken show the study's limit: a certificate that much too large would "
        "pass, because these attacks are weaker than the worst function the theorem allows for, or the judge has "
        "too few samples."
    )


def _attacks(numbers: dict[str, Any]) -> str:
    lines = "\n".join(f"* `{name}`: {what}." for name, what in ATTACKS.items())
    harm = [[_label(name), *run["most_harmful"].values()] for name, run in numbers["runs"].items()]
    return f"{lines}\n\nThe share of pairs in which each did most harm, and was judged:\n\n" + table(
        ["images, sigma", *ATTACKS], harm
    )
