"""What a restarted job goes on from."""

from __future__ import annotations

from typing import NamedTuple

from worker.contract.result import Proposal
from worker.core.statistics.counts import Counts


class Checkpoint(NamedTuple):
    """The counts so far, and what a plan chose before them: counts are worth something only for the choice they were
    drawn with, so a restart takes it from here and does not plan again."""

    counts: Counts
    proposal: Proposal | None = None

    @property
    def done(self) -> int:
        """Passes so far, those of the pilot included."""
        return self.counts.samples + (self.proposal.pilot_samples if self.proposal else 0)

    def to_bytes(self) -> bytes:
        head = self.proposal.model_dump_json(by_alias=True) if self.proposal else ""
        return head.encode() + b"\n" + self.counts.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        head, _, counts = data.partition(b"\n")
        return cls(Counts.from_bytes(counts), Proposal.model_validate_json(head) if head else None)
