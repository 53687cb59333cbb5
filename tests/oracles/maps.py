"""Maps and patches from their definitions, in exact fractions; only the unit map needs a root."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from mpmath import mp, mpf

mp.dps = 60


def ranked(cells: Sequence[float], number: int) -> float:
    """g_[number], the number-th largest."""
    return sorted(cells, reverse=True)[number - 1]


def relaxed(cells: Sequence[float], tau: float, gamma: float) -> list[Fraction]:
    """Levine's equation 2.5, with zero for cells that are zero."""
    kept = ranked(cells, math.ceil(tau * len(cells)))
    full = ranked(cells, max(1, math.ceil(gamma * len(cells))))
    values = []
    for cell in cells:
        if cell < kept or cell == 0:
            values.append(Fraction(0))
        elif cell >= full:
            values.append(Fraction(1))
        else:
            values.append(Fraction(cell) / Fraction(full))
    return values


def scaled(cells: Sequence[float]) -> list[Fraction]:
    return [Fraction(cell) / Fraction(max(cells)) for cell in cells]


def quadratic(cells: Sequence[float]) -> list[Fraction]:
    squares = [Fraction(cell) ** 2 for cell in cells]
    return [square / max(squares) for square in squares]


def unit(cells: Sequence[float]) -> list[Fraction]:
    """To 60 digits."""
    length = mp.sqrt(sum(mpf(cell) ** 2 for cell in cells))
    return [Fraction(str(mp.nstr(mpf(cell) / length, 55))) for cell in cells]


def patches(rows: Sequence[Sequence[float]], size: int) -> list[list[Fraction]]:
    """Means over size x size squares, over what is there at the edges."""
    height, width = len(rows), len(rows[0])
    return [
        [
            _mean([rows[y][x] for y in range(top, height)[:size] for x in range(left, width)[:size]])
            for left in range(0, width, size)
        ]
        for top in range(0, height, size)
    ]


def _mean(values: Sequence[float]) -> Fraction:
    return sum((Fraction(value) for value in values), Fraction(0)) / len(values)
