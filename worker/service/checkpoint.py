"""What a job goes on from: after a restart, and when its shards are merged."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from worker.contract.result import Proposal
from worker.core.statistics.counts import Counts


class Origin(BaseModel):
    """Where counts come from. Those of another image (an archive may give one), other code, libraries or weights are
    worth nothing here, however many."""

    model_config = ConfigDict(frozen=True)

    code_digest: str
    model_sha256: str
    libraries: dict[str, str]
    image_sha256: str = ""
    devices: tuple[str, ...]
    started_at: datetime

    def agrees(self, other: Origin) -> bool:
        mine, theirs = ((it.code_digest, it.model_sha256, it.libraries, it.image_sha256) for it in (self, other))
        return mine == theirs

    def joined(self, other: Origin) -> Origin:
        """The origin of counts from both."""
        devices = tuple(sorted({*self.devices, *other.devices}))
        return self.model_copy(update={"devices": devices, "started_at": min(self.started_at, other.started_at)})


class _Head(BaseModel):
    """The first line of a checkpoint: all but the counts, and how many bytes each part of them has."""

    origin: Origin
    proposal: Proposal | None
    sizes: tuple[int, ...]


class Checkpoint(NamedTuple):
    """The counts so far, in parts, and what a plan chose before them: counts are worth something only for the choice
    they were drawn with, so a restart takes it from here and does not plan again."""

    origin: Origin
    parts: tuple[Counts, ...] = ()
    proposal: Proposal | None = None

    @property
    def done(self) -> int:
        """Passes so far, those of the pilot included."""
        pilot = self.proposal.pilot_samples if self.proposal else 0
        return pilot + sum(part.samples for part in self.parts)

    def to_bytes(self) -> bytes:
        parts = [part.to_bytes() for part in self.parts]
        head = _Head(origin=self.origin, proposal=self.proposal, sizes=tuple(map(len, parts)))
        return b"\n".join([head.model_dump_json(by_alias=True).encode(), b"".join(parts)])

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        first, _, rest = data.partition(b"\n")
        head = _Head.model_validate_json(first)
        ends = [sum(head.sizes[: at + 1]) for at in range(len(head.sizes))]
        parts = (Counts.from_bytes(rest[end - size : end]) for end, size in zip(ends, head.sizes, strict=True))
        return cls(head.origin, tuple(parts), head.proposal)
