"""Shifts of the noise laws, literally: by integration, from closed forms and by trying every epsilon."""

from __future__ import annotations

from mpmath import mp, mpf

mp.dps = 50


def outside(rho: float, r: float, n: int) -> mpf:
    """The share of a ball of radius r in n dimensions outside the same ball moved by rho, by integrating slices.

    The points nearer to the other centre are a cap; what both balls share is two such caps, and each ball keeps the
    points whose coordinate along the move is within rho / 2 of its centre, in number.
    """
    half = min(mpf(rho) / 2, mpf(r))
    return mp.quad(lambda t: slice_(t, r, n), [0, half]) / mp.quad(lambda t: slice_(t, r, n), [0, mpf(r)])


def slice_(t: mpf, r: float, n: int) -> mpf:
    """Volume of the slice at t, up to a constant: a ball of radius sqrt(r^2 - t^2) in n - 1 dimensions."""
    return (1 - (t / mpf(r)) ** 2) ** (mpf(n - 1) / 2)


def half_space(t: float, r: float, n: int) -> mpf:
    """The share of the ball whose first coordinate is below t."""
    share = outside(2 * abs(t), r, n) / 2
    return mpf(1) / 2 + (share if t > 0 else -share)


def private(epsilon: float, move: float) -> mpf:
    """The least delta for which Gaussian noise of sigma = 1 is (epsilon, delta) private for moves of this length.

    Balle and Wang 2018, Theorem 8: the excess of one normal law over e^epsilon times the other.
    """
    e, a = mpf(epsilon), mpf(move)
    return mp.ncdf(a / 2 - e / a) - mp.exp(e) * mp.ncdf(-a / 2 - e / a)


def stated(epsilon: float, move: float) -> mpf:
    """The delta of sigma = sqrt(2 ln(1.25 / delta)) move / epsilon at sigma = 1."""
    return mpf("1.25") * mp.exp(-((mpf(epsilon) / mpf(move)) ** 2) / 2)


def lecuyer(p: float, move: float, tries: int) -> tuple[mpf, mpf]:
    """Lecuyer's bounds from below and above for sigma = 1, the best of a grid of epsilon in (0, 1]."""
    grid = [mpf(i) / tries for i in range(1, tries + 1)]
    low = max((mpf(p) - stated(e, move)) / mp.exp(e) for e in grid)
    high = min(mp.exp(e) * mpf(p) + stated(e, move) for e in grid)
    return max(low, mpf(0)), min(high, mpf(1))
