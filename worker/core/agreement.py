"""What a reduced precision changes: its maps beside those of float32, on the same noisy images."""

from __future__ import annotations

from dataclasses import replace

import torch

from worker.contract.result import Agreement
from worker.core.sampler import Sampler


def agreement(sampler: Sampler) -> Agreement | None:
    """The mean cosine of the first block's maps in the sampler's precision with those in float32; None in float32.

    A measurement on one block, not a bound. A sample without a ranking in either precision counts as 0.
    """
    if sampler.precision == "float32":
        return None
    full, reduced = (
        sampler.map(each.cells(0)[0]).votes.double() for each in (replace(sampler, precision="float32"), sampler)
    )
    cosine = torch.nn.functional.cosine_similarity(full, reduced, dim=1)
    return Agreement(samples=sampler.batch, cosine=min(1.0, float(cosine.mean())))
