"""The counts of a run by segment: contiguous parts of it that can be drawn by others, or drawn again and compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from worker.core.statistics.counts import Counts

MOST = 20


def ranges(blocks: int) -> list[range]:
    """The segments of a run of so many blocks: contiguous, at most MOST, all of one size but the last, which may be
    shorter. A function of the number of blocks only.

    The size is the least power of two that suffices. So a run that grows never cuts a segment: it only joins pairs, and
    one that may stop early has the segments of its length at any time.
    """
    size = _size(blocks)
    return [range(first, min(first + size, blocks)) for first in range(0, blocks, size)]


@dataclass(frozen=True)
class Segments:
    """The counts of the first blocks of a run: part i holds exactly the blocks of ranges(blocks)[i].

    Memory: at most MOST times 8 bytes per cell, whatever the number of samples.
    """

    parts: tuple[Counts, ...] = ()

    @classmethod
    def joined(cls, parts: Iterable[Counts]) -> Segments:
        """These parts, given in any order. Raises ValueError unless they are the segments of a run's beginning."""
        ordered = sorted(parts, key=lambda part: int(part.blocks.argmax()))
        made = cls(tuple(ordered))
        held = [np.flatnonzero(part.blocks).tolist() for part in ordered]
        if held != [list(segment) for segment in ranges(made.blocks)]:
            raise ValueError("these counts are not the segments of a run")
        return made

    @property
    def blocks(self) -> int:
        return sum(int(part.blocks.sum()) for part in self.parts)

    @property
    def samples(self) -> int:
        return sum(part.samples for part in self.parts)

    @property
    def total(self) -> Counts:
        """The counts of all blocks. Raises ValueError if there is none."""
        if not self.parts:
            raise ValueError("no block has been counted")
        return reduce(Counts.merge, self.parts)

    def add(self, block: Counts) -> Segments:
        """These and the counts of the next block."""
        done = self.blocks
        parts, size = self.parts, _size(done + 1)
        if size > _size(done):
            parts = tuple(left.merge(right) for left, right in zip(parts[::2], parts[1::2], strict=True))
        if done % size:
            return Segments((*parts[:-1], parts[-1].merge(block)))
        return Segments((*parts, block))


def _size(blocks: int) -> int:
    size = 1
    while size * MOST < blocks:
        size *= 2
    return size
