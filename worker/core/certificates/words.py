"""The words that the sentences of all certificates share."""

from __future__ import annotations

import math

from worker.core.certificates.evidence import Evidence


def nothing(evidence: Evidence, rho: float) -> str:
    """The sentence where a certificate is vacuous."""
    return (
        f"Nothing is certified within the l2 radius {rho!r} about the {evidence.noun} shown for {evidence.subject}. "
        "Use a smaller radius, more samples or more noise."
    )


def promise(evidence: Evidence) -> str:
    """The opening every probabilistic sentence shares."""
    runs = " of both runs" if evidence.rerun else ""
    return f"With {100 * evidence.confidence:g} % confidence over the random sampling{runs}"


def compared(evidence: Evidence, population: str, observed: str) -> str:
    """What the sentence is about at the changed image: this of the population, or that of a fresh run."""
    return f"{observed} of a fresh run of {evidence.samples} samples" if evidence.rerun else population


def other_map(evidence: Evidence) -> str:
    """The map at the changed image, with which that of this run is compared."""
    return compared(evidence, "the smoothed map", "the map")


def down(value: float) -> str:
    """Two decimals, rounded down: a sentence must not say more than was proven."""
    return f"{math.floor(100 * value) / 100:.2f}"


def scope(evidence: Evidence, rho: float) -> str:
    """The perturbations every sentence speaks of."""
    changes = f"change of the image of l2 norm at most {rho!r} (pixel values in [0,1])"
    return f"any one {changes}, fixed before that run is drawn" if evidence.rerun else f"every {changes}"
