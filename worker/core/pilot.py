"""Pilot samples: few, independent of those of the certificate, to predict what a longer run would find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from worker.core.pipeline import Plan
from worker.core.sampler import Sampler
from worker.core.statistics.counts import Counts

# The lanes of certificates are 0 and 1. All pilots share theirs, so that candidates are compared on the same draws.
LANE = 2


class Pilot(NamedTuple):
    """The counts of two independent halves, of one size."""

    first: Counts
    second: Counts


def draw(samplers: Sequence[Sampler], on_block: Callable[[], None]) -> list[Pilot]:
    """A pilot for each of some samplers that differ in granularity and map only, from the same passes. Their number of
    blocks must be even, and their lane must not be one of certificates."""
    halves = [[sampler.empty(), sampler.empty()] for sampler in samplers]
    for block in range(samplers[0].blocks):
        attributed = samplers[0].attributed(block)
        for sampler, half in zip(samplers, halves, strict=True):
            half[block % 2] = sampler.count(half[block % 2], block, attributed)
        on_block()
    return [Pilot(*half) for half in halves]


def predicted(pilot: Pilot, ready: Plan) -> Counts:
    """The counts that the run of `ready` may give, for its first certificate: the pilot's, so many times over.

    Few samples scatter the shares of cells more than many do, and a top-K set picks what scattered upwards. So for
    certificates over cells the shares are drawn towards their mean, until their variance is what the longer run's would
    be: that of the population's shares, which is the covariance of the two halves, and a sampling error that falls with
    the number of samples. An approximation, with no guarantee.
    """
    whole = pilot.first.merge(pilot.second)
    times = ready.sampler.samples // whole.samples
    votes = times * whole.votes
    if not ready.certifiers[0].own_alpha:
        mean = votes.mean()
        votes = np.rint(mean + _shrinkage(pilot, times) * (votes - mean)).astype(np.int64)
    tallies = {name: times * tally for name, tally in whole.tallies.items()}
    blocks = np.ones(ready.sampler.blocks, dtype=np.bool_)
    return Counts(votes, times * whole.samples, times * whole.degenerate, blocks, tallies)


def _shrinkage(pilot: Pilot, times: int) -> float:
    """The factor for the distances to the mean."""
    both = np.cov(pilot.first.votes, pilot.second.votes)
    observed = float(both.sum()) / 4
    population = min(max(float(both[0, 1]), 0.0), observed)
    return float(np.sqrt((population + (observed - population) / times) / observed)) if observed > 0 else 1.0
