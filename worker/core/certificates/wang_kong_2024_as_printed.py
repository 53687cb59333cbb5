"""Wang and Kong's cosine bound as printed, which does not hold; kept for comparison."""

from __future__ import annotations

import math
from typing import ClassVar

from worker.contract.result import IntervalUsed
from worker.core.certificates.base import Certifier, Claim, require_map, require_population
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.words import scope
from worker.core.registry import Guarantee


class WangKong2024AsPrinted(Certifier):
    """Guarantees nothing: T = ||h|| / sqrt(||h||^2 + (M V_U / V_S)^2) may exceed the cosine at some ||d||_2 <= rho.

    It takes the displacement of the mean as perpendicular to h, where the worst is tangent to the ball around h, and
    ignores the sampling error. Counter-example: g = e1 on the ball around x without that around x + d, e2 on the second
    without the first, 0 elsewhere: the true cosine is 0, and T = 0.447.

    M = 1, the greatest norm of a unit map. V_U / V_S is the volume in exactly one of the two balls over that of one
    ball: twice the total variation distance of the noise laws, which also defines it for noise other than the uniform
    ball of the paper. (Read as the volume in one ball only, T would be larger still.)

    Raises: InvalidSpec for other maps. Source: Wang and Kong 2024, Theorem 1; see certificates.md section 5.
    """

    name: ClassVar[str] = "wang_kong_2024_as_printed"
    summary: ClassVar[str] = "The cosine bound as printed by Wang and Kong, which is unsound; for comparison only"
    source: ClassVar[str] = "Wang and Kong 2024, Theorem 1"
    guarantee: ClassVar[Guarantee] = "unsound_as_published"

    def check(self, evidence: Evidence, pointer: str) -> None:
        require_map(evidence, "unit", self.name)
        require_population(evidence, self.name)

    def claim(self, evidence: Evidence, rho: float) -> Claim:
        value = printed(math.sqrt(float((evidence.mean**2).sum())), 2 * evidence.noise.total_variation(rho))
        text = (
            f"The formula printed by Wang and Kong (2024) gives the cosine similarity {value:.2f} for the map of the "
            f"{evidence.noun} shown for {evidence.subject} under {scope(evidence, rho)}. The formula is unsound, so "
            "this is no proof: the true similarity may be lower, down to zero."
        )
        return Claim(value, False, text)

    def interval(self, evidence: Evidence) -> IntervalUsed:
        return IntervalUsed(name="none", allowed_failures=0, side_error=0.0, cells=evidence.cells)


def printed(length: float, volumes: float) -> float:
    """T for a map of this l2 norm, V_U / V_S = `volumes` and M = 1; 0 for the zero map."""
    return length / math.hypot(length, volumes) if length > 0 else 0.0
