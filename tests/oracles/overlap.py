"""Top-K overlap and status by trying every vertex of the box, ties broken in the worst way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product


def vertices(lower: Sequence[float], upper: Sequence[float]) -> Iterator[tuple[float, ...]]:
    return product(*zip(lower, upper, strict=True))


def worst_overlap(lower: Sequence[float], upper: Sequence[float], chosen: Sequence[int], size: int) -> int:
    """The least overlap of `chosen` with a top-`size` set over all vertices and all ways to break ties."""
    inside = set(chosen)
    worst = size
    for values in vertices(lower, upper):
        # Members of `chosen` lose every tie: that is the worst way to break it.
        order = sorted(range(len(values)), key=lambda cell: (-values[cell], cell in inside))
        worst = min(worst, len(inside & set(order[:size])))
    return worst


def always_in(lower: Sequence[float], upper: Sequence[float], cell: int, size: int) -> bool:
    """Whether `cell` is in every top-`size` set of every vertex, losing every tie."""
    return all(
        sum(values[other] >= values[cell] for other in range(len(values)) if other != cell) < size
        for values in vertices(lower, upper)
    )


def never_in(lower: Sequence[float], upper: Sequence[float], cell: int, size: int) -> bool:
    """Whether `cell` is in no top-`size` set of any vertex, winning every tie."""
    return all(
        sum(values[other] > values[cell] for other in range(len(values)) if other != cell) >= size
        for values in vertices(lower, upper)
    )
