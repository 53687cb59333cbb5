"""The combinations of what a plan may choose from that are possible for one model and image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

from torch import nn

from worker.contract.errors import InvalidSpec, SpecError
from worker.contract.spec import ExplanationSpec, Offer
from worker.core.attributions import ATTRIBUTIONS
from worker.core.bounds import INTERVALS
from worker.core.granularities import GRANULARITIES
from worker.core.maps import MAPS
from worker.core.noises import NOISES
from worker.core.pipeline import Plan, plan
from worker.core.registry import Registry
from worker.core.sampler import Image, predict

# Attribution and noise first: what follows can be judged on one pilot of theirs.
REGISTRIES: dict[str, Registry[Any]] = {
    "attribution": ATTRIBUTIONS,
    "noise": NOISES,
    "granularity": GRANULARITIES,
    "map": MAPS,
    "interval": INTERVALS,
}
# Fewer cells say too little of where; such grids are tried only if no other is offered.
LEAST_CELLS = 32


def combinations(
    spec: ExplanationSpec,
    offer: Offer,
    samples: int,
    model: nn.Module,
    image: Image,
    classes: Sequence[str],
    batch: int,
) -> list[Plan]:
    """Every combination that fits together, checked, in the order of REGISTRIES, as runs of so many samples.

    Raises UnknownMethod or InvalidSpec for a wrong method of the offer; where nothing fits, the first reason why not;
    InvalidSpec if the first certificate, for which the plan is made, proves nothing.
    """
    offered = {field: list(getattr(offer, field)) for field in REGISTRIES}
    built = {
        field: [registry.build(method, f"/spec/plan/offer/{field}/{at}") for at, method in enumerate(offered[field])]
        for field, registry in REGISTRIES.items()
    }
    cells = [math.prod(granularity.grid(*image.shape)) for granularity in built["granularity"]]
    enough = min(LEAST_CELLS, max(cells))
    offered["granularity"] = [each for each, size in zip(offered["granularity"], cells, strict=True) if size >= enough]
    clean = predict(model, image)
    possible: list[Plan] = []
    refused: SpecError | None = None
    for choice in product(*offered.values()):
        fields = dict(zip(offered, choice, strict=True))
        one = spec.model_copy(update={**fields, "samples": samples, "plan": None})
        try:
            possible.append(plan(one, model, image, classes, batch, clean))
        except SpecError as error:
            refused = refused or error
    if refused and not possible:
        raise refused
    if possible[0].certifiers[0].guarantee != "probabilistic":
        raise InvalidSpec(
            "A plan is made for the value of the first certificate, and this one proves nothing; put another first.",
            pointer="/spec/certificates/0/name",
        )
    return possible
