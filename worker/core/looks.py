"""Stopping early, paid for: when to look at the counts, and what each look may spend of alpha."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# Twice as many samples from look to look: every look costs, and a bound improves with the root of the samples.
FIRST_SAMPLES, GROWTH = 256, 2


class Look(NamedTuple):
    """A moment to judge: after so many blocks, with this much of alpha."""

    blocks: int
    alpha: float


def looks(at_most: int, batch: int, alpha: float) -> Iterator[Look]:
    """The looks of a stopped run, the last at all blocks. Their alphas sum to at most `alpha`, so that with probability
    at least 1 - alpha the intervals of all looks hold at once, and stopping at any of them keeps the promise.

    alpha_t = 5 alpha / ((t + 4)(t + 5)), t = 1, 2, ...; the schedule depends on the request only. Source: union bound
    over a telescoping sum, certificates.md section 3.
    """
    last = -(-at_most // batch)
    samples, number = FIRST_SAMPLES, 1
    while True:
        blocks = min(max(1, samples // batch), last)
        yield Look(blocks, 5 * alpha / ((number + 4) * (number + 5)))
        if blocks == last:
            return
        samples, number = samples * GROWTH, number + 1
