"""Levine's definitions and the normal shift, literally, with mpmath's arithmetic where precision matters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mpmath import mp, mpf

mp.dps = 50


def phi(z: mpf) -> mpf:
    return mp.ncdf(z)


def probit(p: mpf) -> mpf:
    return mp.sqrt(2) * mp.erfinv(2 * mpf(p) - 1)


def binomial_tail(k: int, q: int, p: float) -> mpf:
    """P(X >= k) for X ~ Binomial(q, p), by the sum."""
    p = mpf(p)
    return mp.fsum(mp.binomial(q, j) * p**j * (1 - p) ** (q - j) for j in range(k, q + 1))


def sparsify(cells: Sequence[float], tau: float) -> list[int]:
    """Ones on the ceil(tau m) largest, earlier cells first among equals."""
    kept = math.ceil(tau * len(cells))
    order = sorted(range(len(cells)), key=lambda cell: (-cells[cell], cell))
    return [int(cell in order[:kept]) for cell in range(len(cells))]


def theorem_2(means: Sequence[float], size: int, rho: float, sigma: float, q: int, alpha: float) -> int:
    """Levine 2019, Theorem 2 with Definition 2.2: the largest i <= K with L^(h_[i]) >= h_[2K-i]."""
    ranked = sorted(means, reverse=True)
    c = math.sqrt(math.log(2 * len(means) / alpha) / (2 * q))
    best = 0
    for i in range(1, size + 1):
        if 2 * size - i > len(means):
            continue
        z = ranked[i - 1] - c
        floor = (float(phi(probit(z) - 2 * rho / sigma)) if z > 0 else 0.0) - c
        if floor >= ranked[2 * size - i - 1]:
            best = i
    return best
