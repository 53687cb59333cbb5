"""Cosine similarity of unit maps, from the distance that their mean can move."""

from __future__ import annotations

import math
from typing import ClassVar

from worker.contract.result import IntervalUsed
from worker.core.certificates.base import Certifier, Claim, require_map
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.words import down, other_map, promise, scope
from worker.core.registry import Guarantee


class CosineNormBall(Certifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho, the cosine of the observed map h
    with the population map at x + d is at least sqrt(1 - (r / ||h||)^2), r = D + e + c, or 0 where r >= ||h||.

    Assumes maps without negative entries of norm at most M: the unit map, M = 1.
    * D = sqrt(2) M v, v the total variation distance of the two noise laws: means move by v (a - b), with a and b means
      of maps under the parts of the laws that do not overlap; neither has negative entries, so |a - b| <= sqrt(2) M.
    * e = M (1 + sqrt(ln(1 / alpha))) / sqrt(q): the expected sampling error is at most M / sqrt(q), and exchanging one
      sample moves the mean by at most sqrt(2) M / q (McDiarmid's inequality). For signed maps certificates.md has
      sqrt(2 ln(1 / alpha)); without negative entries the root of 2 falls away.
    * c = sqrt(m) / resolution: votes are values rounded down.
    The angle is greatest where the displacement is tangent to the ball of radius r. Spends a share of alpha of its own;
    no union over cells, so the number of cells hardly matters. Under `compare: observed` the map of a fresh run at
    x + d has an e and a c of its own, at as much alpha again: r = D + 2 (e + c).

    Raises: InvalidSpec for other maps. Source: certificates.md section 5; replaces Wang and Kong 2024, Theorem 1.
    """

    name: ClassVar[str] = "cosine_norm_ball"
    summary: ClassVar[str] = "The cosine similarity with the smoothed map stays at least this; for the unit map"
    source: ClassVar[str] = "Surety: McDiarmid's inequality and total variation; replaces Wang and Kong 2024, Theorem 1"
    guarantee: ClassVar[Guarantee] = "probabilistic"
    own_alpha: ClassVar[bool] = True

    def check(self, evidence: Evidence, pointer: str) -> None:
        require_map(evidence, "unit", self.name)

    def claim(self, evidence: Evidence, rho: float) -> Claim:
        value = self._cosine(evidence, rho)
        text = (
            f"{promise(evidence)}, the map of the {evidence.noun} shown for {evidence.subject} has a cosine similarity "
            f"of at least {down(value)} with {other_map(evidence)} under {scope(evidence, rho)}."
        )
        return Claim(value, value > 0, text)

    def _cosine(self, evidence: Evidence, rho: float) -> float:
        length = math.sqrt(float((evidence.mean**2).sum()))
        moved = math.sqrt(2) * evidence.noise.total_variation(rho)
        cut_off = math.sqrt(evidence.cells) / evidence.scale
        runs = 2 if evidence.rerun else 1
        distance = moved + runs * (sampling_error(evidence.samples, evidence.share) + cut_off)
        # The margin covers the rounding of all of the above.
        return math.sqrt(max(0.0, 1.0 - (distance / length) ** 2 - 1e-9)) if distance < length else 0.0

    def interval(self, evidence: Evidence) -> IntervalUsed:
        return IntervalUsed(name="mcdiarmid", allowed_failures=0, side_error=evidence.share, cells=1)


def sampling_error(samples: int, alpha: float) -> float:
    """With probability at least 1 - alpha the observed mean is within this l2 distance of the population's."""
    return (1.0 + math.sqrt(math.log(1.0 / alpha))) / math.sqrt(samples)
