"""The integers of a certificate: unpacked in bounded memory, held against their digest, summed over the segments."""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray

from worker.contract.result import CertificateDocument, SegmentRecord
from worker.core.pipeline import Plan
from worker.core.statistics.counts import Counts
from worker.core.statistics.segments import ranges


class Wrong(ValueError):
    """Something in the document does not follow from the rest; the message says what."""


def counts(document: CertificateDocument, ready: Plan) -> Counts:
    """The counts of the whole run. Raises Wrong unless they have the digest, and the segments sum to them."""
    record, provenance, sampler = document.counts, document.provenance, ready.sampler
    if (record.grid, record.scale) != (sampler.grid, sampler.map.scale):
        raise Wrong(f"the counts are for the grid {record.grid}; the spec makes {sampler.grid}")
    done = provenance.blocks
    if done not in [look.blocks for look in ready.looks]:
        raise Wrong(f"sampling ended after {done} blocks, where the spec allows no end")
    total = _counts(
        ready,
        0,
        done,
        document.samples,
        document.degenerate_samples,
        record.votes_zlib_base64,
        record.tallies_zlib_base64,
    )
    if not total.digest == record.sha256 == provenance.counts_sha256:
        raise Wrong("the counts do not have the digest that is stated")
    parts = [(segment.first, segment.blocks) for segment in record.segments]
    if parts != [(part.start, len(part)) for part in ranges(done)]:
        raise Wrong("the segments do not cover the blocks once each, in order")
    left = total
    for part in record.segments:
        left = _without(left, segment(part, ready))
    if left.samples or left.degenerate or any(rest.any() for rest in (left.votes, *left.tallies.values())):
        raise Wrong("the segments do not sum to the whole")
    return total


def segment(part: SegmentRecord, ready: Plan) -> Counts:
    """The counts of one segment. Raises Wrong."""
    return _counts(
        ready,
        part.first,
        part.blocks,
        part.samples,
        part.degenerate_samples,
        part.votes_zlib_base64,
        part.tallies_zlib_base64,
    )


def _counts(
    ready: Plan, first: int, blocks: int, samples: int, degenerate: int, packed: str, tallies: Mapping[str, str]
) -> Counts:
    sampler, most = ready.sampler, samples * ready.sampler.map.scale
    empty = sampler.empty()
    mask = empty.blocks.copy()
    mask[first : first + blocks] = True
    if samples != min((first + blocks) * sampler.batch, sampler.samples) - first * sampler.batch:
        raise Wrong(f"{samples} samples are not those of {blocks} blocks from block {first} on")
    if not 0 <= degenerate <= samples:
        raise Wrong(f"{degenerate} of {samples} samples are without a ranking")
    sizes = _tally_sizes(ready)
    if tallies.keys() != sizes.keys():
        raise Wrong(f"the tallies are {sorted(tallies)}; the certificates count {sorted(sizes)}")
    found = {name: unpack(text, sizes[name], samples) for name, text in tallies.items()}
    return Counts(unpack(packed, len(empty.votes), most), samples, degenerate, mask, found)


def _tally_sizes(ready: Plan) -> dict[str, int]:
    """How many integers each certificate that counts something has: seen by letting it count nothing."""
    votes = torch.zeros((0, len(ready.sampler.empty().votes)), dtype=torch.bool)
    logits = torch.zeros((0, ready.clean.classes))
    return {name: observe(votes, logits).size for name, observe in ready.sampler.observers.items()}


def _without(counts: Counts, part: Counts) -> Counts:
    return Counts(
        counts.votes - part.votes,
        counts.samples - part.samples,
        counts.degenerate - part.degenerate,
        counts.blocks & ~part.blocks,
        {name: tally - part.tallies[name] for name, tally in counts.tallies.items()},
    )


def unpack(text: str, size: int, most: int) -> Int[ndarray, " size"]:
    """`size` integers from 0 to `most`; no more is unpacked than that, whatever the text holds. Raises Wrong."""
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(b64decode(text, validate=True), 8 * size + 1)
    except (ValueError, zlib.error) as error:
        raise Wrong(f"the packed integers cannot be read: {error}") from None
    if len(data) != 8 * size or not stream.eof or stream.unused_data:
        raise Wrong(f"the packed integers are not {size}")
    found = np.frombuffer(data, dtype="<i8").astype(np.int64)
    if found.min() < 0 or found.max() > most:
        raise Wrong(f"an integer lies outside 0 to {most}")
    return found
