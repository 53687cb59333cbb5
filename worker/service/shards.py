"""The shards of a large job: its segments, each drawn by whichever worker is free, and merged by the last one."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from worker.contract.spec import ExplanationSpec, Stopping
from worker.core.pipeline import Plan
from worker.core.statistics.segments import Segments, ranges
from worker.service.checkpoint import Checkpoint
from worker.store.orders import ShardOrder


class Shard(BaseModel):
    """Blocks `start` to `stop` (exclusive) of a request. `spec` is what is run: a plan has made its choices."""

    model_config = ConfigDict(frozen=True)

    spec: ExplanationSpec
    start: int
    stop: int

    def samples(self, batch: int) -> int:
        return min(self.stop * batch, self.spec.at_most) - self.start * batch


def orders(ready: Plan, shard_blocks: int) -> list[ShardOrder]:
    """The shards of a run of more than `shard_blocks` blocks, which are its segments; else none.

    A function of request and settings only. A run that may stop early has none: it looks at its blocks in their order.
    """
    blocks, batch = ready.sampler.blocks, ready.sampler.batch
    if blocks <= shard_blocks or isinstance(ready.spec.samples, Stopping):
        return []
    shards = [Shard(spec=ready.spec, start=part.start, stop=part.stop) for part in ranges(blocks)]
    return [ShardOrder(shard.model_dump_json(by_alias=True), shard.samples(batch)) for shard in shards]


def merged(own: Checkpoint, at_split: Checkpoint, delivered: Sequence[Checkpoint]) -> Checkpoint:
    """`own` with the counts of all shards; without any if the job was split, or a shard computed, by other code,
    libraries or weights, or for other bytes of the image: then nothing is left but to compute all of it here."""
    if not all(part.origin.agrees(own.origin) for part in (at_split, *delivered)):
        return own
    origin = own.origin
    for part in delivered:
        origin = origin.joined(part.origin)
    segments = Segments.joined(counts for part in delivered for counts in part.parts)
    return own._replace(origin=origin, parts=segments.parts)
