"""certificate.json: the counts of a run written down, and the whole of it signed."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from worker.contract.result import CountsRecord, SegmentRecord, UnsignedDocument
from worker.contract.signature import Signature
from worker.core.statistics.counts import Counts, Tallies
from worker.core.statistics.segments import Segments
from worker.service.signing import SigningKey


class Signed(NamedTuple):
    """certificate.json and the signature in it."""

    data: bytes
    signature: Signature


def signed(document: UnsignedDocument, key: SigningKey) -> Signed:
    """The file of the document. What is signed is what the file says, whatever pydantic would make of it again."""
    content = document.model_dump(mode="json")
    signature = key.sign(content)
    text = json.dumps({**content, "signature": signature.model_dump()}, indent=2, ensure_ascii=False, allow_nan=False)
    return Signed(text.encode(), signature)


def record(segments: Segments, grid: tuple[int, int, int], scale: int) -> CountsRecord:
    """The counts of a run, whole and by segment."""
    total = segments.total
    return CountsRecord(
        votes_zlib_base64=_packed(total.votes),
        scale=scale,
        tallies_zlib_base64=_all_packed(total.tallies),
        grid=grid,
        sha256=total.digest,
        segments=[_segment(part) for part in segments.parts],
    )


def _segment(part: Counts) -> SegmentRecord:
    return SegmentRecord(
        first=int(np.argmax(part.blocks)),
        blocks=int(part.blocks.sum()),
        samples=part.samples,
        degenerate_samples=part.degenerate,
        votes_zlib_base64=_packed(part.votes),
        tallies_zlib_base64=_all_packed(part.tallies),
    )


def _all_packed(tallies: Tallies) -> dict[str, str]:
    return {name: _packed(tally) for name, tally in tallies.items()}


def _packed(counts: Int[ndarray, "..."]) -> str:
    return b64encode(zlib.compress(counts.astype("<i8").tobytes(), 9)).decode("ascii")
