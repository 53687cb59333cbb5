"""Votes per cell over blocks of samples: integers, so that merging is exact and order does not matter."""

from __future__ import annotations

import io
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray


@dataclass(frozen=True)
class Counts:
    """How many samples voted for each cell, how many had no ranking, and which blocks are in.

    `merge` of disjoint parts gives the same counts in any order; a block counted twice raises ValueError.
    """

    votes: Int[ndarray, " cells"]
    samples: int
    degenerate: int
    blocks: Bool[ndarray, " blocks"]

    @classmethod
    def empty(cls, cells: int, blocks: int) -> Counts:
        return cls(np.zeros(cells, dtype=np.int64), 0, 0, np.zeros(blocks, dtype=np.bool_))

    def update(self, block: int, votes: Int[ndarray, " cells"], samples: int, degenerate: int) -> Counts:
        """These counts and those of one more block."""
        part = np.zeros_like(self.blocks)
        part[block] = True
        return self.merge(Counts(votes.astype(np.int64), samples, degenerate, part))

    def merge(self, other: Counts) -> Counts:
        """The counts of both parts. Raises ValueError if they share a block or differ in shape."""
        if self.votes.shape != other.votes.shape or self.blocks.shape != other.blocks.shape:
            raise ValueError("counts of different jobs cannot be merged")
        if bool((self.blocks & other.blocks).any()):
            raise ValueError("a block would be counted twice")
        return Counts(
            self.votes + other.votes,
            self.samples + other.samples,
            self.degenerate + other.degenerate,
            self.blocks | other.blocks,
        )

    @property
    def missing(self) -> list[int]:
        """The blocks still to be computed, in order."""
        return [int(block) for block in np.flatnonzero(~self.blocks)]

    @property
    def digest(self) -> str:
        """SHA-256 over cells' counts (little-endian int64), number of samples and of degenerate samples."""
        head = np.array([self.samples, self.degenerate], dtype="<i8").tobytes()
        return sha256(head + self.votes.astype("<i8").tobytes()).hexdigest()

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        totals = np.array([self.samples, self.degenerate], dtype=np.int64)
        np.savez_compressed(buffer, votes=self.votes, totals=totals, blocks=self.blocks)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Counts:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            samples, degenerate = (int(total) for total in file["totals"])
            return cls(file["votes"], samples, degenerate, file["blocks"])
