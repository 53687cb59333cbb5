"""What follows from one rate: the distance, the cosine and the largest radius, all to first order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from worker.core.first_order.differential import Differential
from worker.core.first_order.steepest import Steepest

# The cosine distance is at most this, whatever the maps: where a bound says so, it says nothing.
FURTHEST = 2.0


@dataclass(frozen=True)
class Bound:
    """If the attribution were linear near x, ||g(x + d) - g(x)||_2 <= rate * eps for every move d of length eps.

    The norm of d is that for which `rate` was computed; `length` is ||g(x)||_2. Not a certificate.
    """

    rate: float
    length: float

    def distance(self, eps: float) -> float:
        """T_e, the l2 distance of the two attributions (Wang and Kong 2023, Theorem 1)."""
        return self.rate * eps

    def cosine(self, eps: float, factor: float = 1.0) -> float:
        """T_c = 1 - sqrt(1 - (factor T_e / ||g||)^2), their cosine distance (Corollary 2); 2 where it says nothing."""
        moved = factor * self.distance(eps)
        if moved >= self.length:
            return FURTHEST
        return 1.0 - math.sqrt(1.0 - (moved / self.length) ** 2)

    def largest(self, distance: float) -> float:
        """The dual: the largest eps, rounded down, at which T_e is at most `distance`; infinite if the rate is 0."""
        return math.nextafter(distance / self.rate, 0.0) if self.rate else math.inf

    def largest_for_cosine(self, wanted: float) -> float:
        """The dual for a cosine distance `wanted` in [0, 1): the largest eps at which T_c is at most that."""
        return self.largest(self.length * math.sqrt(wanted * (2.0 - wanted)))


def degrees(cosine_distance: float) -> float:
    """The angle of a cosine distance."""
    return math.degrees(math.acos(max(-1.0, 1.0 - cosine_distance)))


def relaxed(xi: float, elements: int, norm: float) -> float:
    """The rate for ||d||_p <= eps from that for l2: d^(1/2 - 1/p) xi for p > 2 (Corollary 1), xi for 1 <= p <= 2."""
    return float(elements ** max(0.0, 0.5 - 1.0 / norm) * xi)


def adaptive_factor(differential: Differential, found: Steepest, eps: float) -> float:
    """c >= 1 (equation 11): by how much the distance at eps times the steepest move, of either sign, exceeds T_e.

    The printed c looks at one of the two signs, which Lanczos gives by chance. T'_e = c T_e is no proven bound either.
    """
    if not found.xi * eps:
        return 1.0
    moves = eps * torch.stack([found.move, -found.move])
    distances = (differential.at(differential.image + moves) - differential.values).flatten(1).norm(dim=1)
    return max(1.0, float(distances.max()) / (found.xi * eps))
