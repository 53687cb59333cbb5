"""What certificates over a top-K set share: a number of its members at each radius."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic import Field

from worker.contract.spec import Frozen
from worker.core.certificates.base import Certifier, Claim, Radii
from worker.core.certificates.evidence import Evidence


class TopK(Radii):
    """k: the share of the cells that make the top-K set."""

    k: float = Field(gt=0.0, lt=1.0, default=0.2)


class TopKCertifier(Certifier):
    """Certifies a number of the K most salient cells; the value is their share of K."""

    Params: ClassVar[type[Frozen]] = TopK

    def check(self, evidence: Evidence, pointer: str) -> None:
        evidence.size(self.params.k, f"{pointer}/k")

    @final
    def claim(self, evidence: Evidence, rho: float) -> Claim:
        size = evidence.size(self.params.k, "/spec/certificates")
        count = int(self.certified(evidence, size, np.array([rho]))[0])
        return Claim(count / size, count > 0, self.sentence(evidence, size, rho, count), certified=count, k=size)

    @abstractmethod
    def certified(self, evidence: Evidence, size: int, radii: Float[ndarray, " radii"]) -> Int[ndarray, " radii"]:
        """How many of the `size` cells are certified at each radius."""

    @abstractmethod
    def sentence(self, evidence: Evidence, size: int, rho: float, count: int) -> str:
        """What is proven when `count` > 0 cells are certified within rho, for a clinician to read."""


def share(evidence: Evidence, size: int, count: int) -> str:
    """How many of which cells, for which class."""
    percent = f"{100 * count / size:.0f} %"
    return f"at least {count} of the {size} most salient {evidence.noun} ({percent}) shown for {evidence.subject}"
