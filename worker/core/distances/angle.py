"""The angle between two maps."""

from __future__ import annotations

from typing import ClassVar

from worker.core.distances.base import Distance, Maps, Rows
from worker.core.distances.cosine import cosine


class Angle(Distance):
    """The angle between two maps as vectors, in degrees, [0,180]; 90 where either is zero everywhere.

    Attacks climb the cosine, whose derivative stays finite where the angle is 0.
    """

    name: ClassVar[str] = "angle"
    summary: ClassVar[str] = "Angle between two maps, in degrees; 90 where one of them is zero"
    source: ClassVar[str] = "Wang & Kong 2023, section 5"
    similarity: ClassVar[bool] = False

    def run(self, first: Maps, second: Maps) -> Rows:
        return cosine(first.flatten(1), second.flatten(1)).acos().rad2deg()

    def ascent(self, first: Maps, second: Maps) -> Rows:
        return -cosine(first.double().flatten(1), second.double().flatten(1))
