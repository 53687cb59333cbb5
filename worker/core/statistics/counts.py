"""Votes per cell over blocks of samples: integers, so that merging is exact and order does not matter."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

Tallies = Mapping[str, Int[ndarray, "..."]]


@dataclass(frozen=True)
class Counts:
    """Votes for each cell, how many samples had no ranking, which blocks are in, and the tallies of certificates that
    count something of their own (class votes, say), by name.

    `merge` of disjoint parts gives the same counts in any order; a block counted twice raises ValueError.
    """

    votes: Int[ndarray, " cells"]
    samples: int
    degenerate: int
    blocks: Bool[ndarray, " blocks"]
    tallies: Tallies = field(default_factory=dict)

    @classmethod
    def empty(cls, cells: int, blocks: int) -> Counts:
        return cls(np.zeros(cells, dtype=np.int64), 0, 0, np.zeros(blocks, dtype=np.bool_))

    def update(
        self, block: int, votes: Int[ndarray, " cells"], samples: int, degenerate: int, tallies: Tallies | None = None
    ) -> Counts:
        """These counts and those of one more block."""
        part = np.zeros_like(self.blocks)
        part[block] = True
        return self.merge(Counts(votes.astype(np.int64), samples, degenerate, part, tallies or {}))

    def merge(self, other: Counts) -> Counts:
        """The counts of both parts. Raises ValueError if they share a block or differ in shape."""
        if self.votes.shape != other.votes.shape or self.blocks.shape != other.blocks.shape:
            raise ValueError("counts of different jobs cannot be merged")
        if bool((self.blocks & other.blocks).any()):
            raise ValueError("a block would be counted twice")
        names = self.tallies.keys() | other.tallies.keys()
        return Counts(
            self.votes + other.votes,
            self.samples + other.samples,
            self.degenerate + other.degenerate,
            self.blocks | other.blocks,
            {name: _sum(name, self.tallies, other.tallies) for name in sorted(names)},
        )

    @property
    def missing(self) -> list[int]:
        """The blocks still to be computed, in order."""
        return [int(block) for block in np.flatnonzero(~self.blocks)]

    @property
    def digest(self) -> str:
        """SHA-256 over samples, degenerate samples, cells' votes and tallies by name (little-endian int64)."""
        head = np.array([self.samples, self.degenerate], dtype="<i8").tobytes()
        digest = sha256(head + self.votes.astype("<i8").tobytes())
        for name, tally in sorted(self.tallies.items()):
            digest.update(name.encode() + b"\0" + tally.astype("<i8").tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        """Kept: of the segments of a run only the last changes from one checkpoint to the next."""
        buffer = io.BytesIO()
        totals = np.array([self.samples, self.degenerate], dtype=np.int64)
        extra = {f"tally.{name}": tally for name, tally in self.tallies.items()}
        np.savez_compressed(buffer, allow_pickle=False, votes=self.votes, totals=totals, blocks=self.blocks, **extra)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Counts:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            samples, degenerate = (int(total) for total in file["totals"])
            tallies = {name.removeprefix("tally."): file[name] for name in file.files if name.startswith("tally.")}
            return cls(file["votes"], samples, degenerate, file["blocks"], tallies)


def _sum(name: str, *parts: Tallies) -> Int[ndarray, "..."]:
    """The sum of what the parts have of this name."""
    return np.asarray(sum(part[name] for part in parts if name in part), dtype=np.int64)
