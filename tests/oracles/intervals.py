"""Intervals, literally: Chernoff's by bisection with 50 digits, the bets by multiplying money value by value."""

from __future__ import annotations

from collections.abc import Sequence

from mpmath import mp, mpf

mp.dps = 50


def divergence(a: mpf, b: mpf) -> mpf:
    """KL(a, b) of two coins."""
    heads = a * mp.log(a / b) if a > 0 else mpf(0)
    tails = (1 - a) * mp.log((1 - a) / (1 - b)) if a < 1 else mpf(0)
    return heads + tails


def kl_lower(mean: float | mpf, q: int, side: float) -> mpf:
    """min{p <= mean : q KL(mean, p) <= ln(1 / side)}"""
    low, high, limit = mpf(0), mpf(mean), -mp.log(mpf(side)) / q
    for _ in range(160):
        middle = (low + high) / 2
        if middle == 0 or divergence(mpf(mean), middle) > limit:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def money(m: float, values: Sequence[float], side: float) -> mpf:
    """What a stake of 1 has become if it is spread over the bets 1 : 1/2 : 1/3 : ... and the mean is m.

    Bet number j takes the values for coins of mean sin^2(asin sqrt(m) + s), where s doubles from bet to bet, and is
    paid as if they were of mean m.
    """
    s = mp.sqrt(-mp.log(mpf(side)) / (2 * len(values)))
    shifts = []
    while s < mp.pi / 2:
        shifts.append(s)
        s *= 2
    shifts.append(mp.pi / 2)
    weights = [mpf(1) / (j + 1) for j in range(len(shifts))]
    total = mpf(0)
    for weight, shift in zip(weights, shifts, strict=True):
        p = mp.sin(min(mp.asin(mp.sqrt(m)) + shift, mp.pi / 2)) ** 2
        stake = weight / sum(weights)
        for value in values:
            stake *= mpf(value) * p / m + (1 - mpf(value)) * (1 - p) / (1 - m)
        total += stake
    return total
