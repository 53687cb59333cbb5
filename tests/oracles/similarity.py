"""Ranks, rank correlation and cosine over all vertices of a box, literally; some cells may leave the box."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from tests.oracles.overlap import vertices


def maps(lower: Sequence[float], upper: Sequence[float], wild: int) -> Iterator[tuple[float, ...]]:
    """The vertices of every box in which `wild` of the cells may be anything in [0,1]."""
    for free in combinations(range(len(lower)), wild):
        low = [0.0 if cell in free else value for cell, value in enumerate(lower)]
        high = [1.0 if cell in free else value for cell, value in enumerate(upper)]
        yield from vertices(low, high)


def rank(values: Sequence[float], cell: int) -> int:
    """The rank of a cell, from 1, losing every tie."""
    return 1 + sum(values[other] >= values[cell] for other in range(len(values)) if other != cell)


def kendall(first: Sequence[float], second: Sequence[float]) -> float:
    """(concordant - all others) / pairs: a pair tied in either map counts as discordant."""
    pairs = list(combinations(range(len(first)), 2))
    concordant = sum((first[i] - first[j]) * (second[i] - second[j]) > 0 for i, j in pairs)
    return (2 * concordant - len(pairs)) / len(pairs)


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """0 where either map is zero."""
    dot = math.fsum(a * b for a, b in zip(first, second, strict=True))
    lengths = math.sqrt(math.fsum(a * a for a in first)) * math.sqrt(math.fsum(b * b for b in second))
    return dot / lengths if lengths else 0.0
