"""Three rules for single cells, each as the radius below which a cell is certified: -inf where it never is."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from benchmarks.evidence.segcertify import Published, segcertify
from worker.contract.errors import DegenerateMap
from worker.core.certificates.pixel_status_votes import vote_radius
from worker.core.pipeline import Plan, certify
from worker.core.sampler import Sampler
from worker.core.statistics.counts import Counts

# "box" and "vote" are the product's certificates pixel_status and vote_status.
SALIENT, NOT_SALIENT = ("box", "vote", "segcertify"), ("box_not_salient", "segcertify_not_salient")


def votes(sampler: Sampler) -> ndarray:
    """The votes of every sample, [samples, cells]: the published rule wants them one by one."""
    rows = [sampler.map(sampler.cells(block)[0]).votes.numpy() for block in range(sampler.blocks)]
    return np.concatenate(rows)[: sampler.samples]


def radii(ready: Plan, votes: ndarray, published: Published) -> dict[str, ndarray]:
    """The radius of every cell by each of SALIENT and NOT_SALIENT, from the votes [samples, cells] of one sampling."""
    status, reach = segcertify(votes, published), published.radius(ready.sampler.noise.params.sigma)
    return _ours(ready, votes) | {
        "segcertify": np.where(status == 1, reach, -np.inf),
        "segcertify_not_salient": np.where(status == -1, reach, -np.inf),
    }


def _ours(ready: Plan, votes: ndarray) -> dict[str, ndarray]:
    degenerate = int((~votes.any(axis=1)).sum())
    blocks = np.ones(ready.sampler.blocks, dtype=bool)
    try:
        found = certify(ready, Counts(votes.sum(axis=0, dtype=np.int64), len(votes), degenerate, blocks))
    except DegenerateMap:
        return dict.fromkeys(("box", "box_not_salient", "vote"), np.full(votes.shape[1], -np.inf))
    # vote_status speaks of the K most salient cells only.
    vote = np.full(votes.shape[1], -np.inf)
    chosen = found.evidence.order[: found.size]
    vote[chosen] = vote_radius(found.evidence)[chosen]
    return {"box": found.salient, "box_not_salient": found.not_salient, "vote": vote}
