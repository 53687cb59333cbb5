"""Lookup tables: of the modality, of the values of interest, of a palette."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from worker.contract.elements import damaged
from worker.contract.errors import ImagePixelFormat
from worker.dicom.groups import integer


class Lut(NamedTuple):
    """`entries` for the values from `first` on; what is below takes the first entry, what is above the last."""

    first: int
    entries: NDArray[np.float64]
    bits: int

    @classmethod
    def of(cls, item: Dataset, dataset: Dataset, colour: str = "LUT") -> Lut:
        """From an item with a descriptor and data. Raises ImageUnreadable where they do not agree."""
        descriptor, data = item[f"{colour}Descriptor"].value, item[f"{colour}Data"].value
        count, bits = int(descriptor[0]) % 65536 or 65536, int(descriptor[2])
        if isinstance(data, bytes):
            order = "<" if dataset.original_encoding[1] else ">"
            # Eight bits may be packed, or have the upper half of a word to spare.
            data = np.frombuffer(data, np.uint8 if len(data) < 2 * count else np.dtype(f"{order}u2"))
        entries = np.atleast_1d(np.asarray(data, np.float64))[:count]
        if len(entries) < count or not 8 <= bits <= 16:
            raise damaged("a lookup table has fewer entries than it claims")
        return cls(integer(descriptor[1], dataset), entries, bits)

    def apply(self, values: NDArray[np.number]) -> NDArray[np.float64]:
        index = np.clip(np.rint(values).astype(np.int64) - self.first, 0, len(self.entries) - 1)
        found: NDArray[np.float64] = self.entries[index]
        return found

    def stretched(self) -> Lut:
        """With the least entry at 0 and the greatest at 1."""
        low, high = self.entries.min(), self.entries.max()
        return self._replace(entries=(self.entries - low) / (high - low or 1.0))


def palette(dataset: Dataset, stored: NDArray[np.integer]) -> NDArray[np.float32]:
    """The colours [3, rows, columns] of the stored indices, in [0,1]."""
    if "RedPaletteColorLookupTableData" not in dataset:
        raise ImagePixelFormat("A segmented palette may unpack to any size and is not read; send the image as RGB.")
    planes = []
    for colour in ("Red", "Green", "Blue"):
        lut = Lut.of(dataset, dataset, f"{colour}PaletteColorLookupTable")
        planes.append(lut.apply(stored) / (2**lut.bits - 1))
    colours: NDArray[np.float32] = np.clip(np.stack(planes), 0, 1).astype(np.float32)
    return colours
