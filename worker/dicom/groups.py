"""Where an image keeps what belongs to a frame: at the top, with all frames, or with the frame alone."""

from __future__ import annotations

import math
from typing import NamedTuple

from pydicom import Dataset

from worker.contract.elements import damaged


class Groups(NamedTuple):
    """The data set, and the places where a frame's attributes may be, in the order in which they are looked for."""

    dataset: Dataset
    places: list[Dataset]

    @classmethod
    def of(cls, dataset: Dataset, index: int) -> Groups:
        """For frame `index`, counted from 0."""
        shared = first_item(dataset, "SharedFunctionalGroupsSequence")
        own = first_item(dataset, "PerFrameFunctionalGroupsSequence", index)
        return cls(dataset, [place for place in (dataset, shared, own) if place is not None])

    def holding(self, sequence: str, *keywords: str) -> Dataset | None:
        """The first place, or its macro `sequence`, with a value for one of the keywords."""
        for place in self.places:
            macro = first_item(place, sequence)
            held = place if macro is None else macro
            if any(held.get(keyword) not in (None, "") for keyword in keywords):
                return held
        return None


def first_item(place: Dataset, sequence: str, index: int = 0) -> Dataset | None:
    """An item of a sequence, if it is there."""
    items = place.get(sequence)
    return items[index] if items and len(items) > index else None


def number(place: Dataset, keyword: str, otherwise: float) -> float:
    """The first value of an attribute; another where it has none. Raises ImageUnreadable if it is not finite."""
    value = place.get(keyword)
    if value in (None, ""):
        return otherwise
    first = float(value if isinstance(value, (str, float, int)) else value[0])
    if not math.isfinite(first):
        raise damaged(f"its {keyword} is not finite")
    return first


def integer(value: object, dataset: Dataset) -> int:
    """A 16-bit value signed as the pixels are: files with implicit or wrong value representations leave it open."""
    little = dataset.original_encoding[1] is not False
    raw = int.from_bytes(value[:2], "little" if little else "big") if isinstance(value, bytes) else int(str(value))
    signed = dataset.PixelRepresentation == 1 and raw % 65536 >= 32768
    return raw % 65536 - 65536 * signed
