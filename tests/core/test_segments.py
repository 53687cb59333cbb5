"""Segments: a function of the number of blocks, never cut by growth, and the same counts whoever drew them."""

from __future__ import annotations

import numpy as np
import pytest

from worker.core.statistics.counts import Counts
from worker.core.statistics.segments import MOST, Segments, ranges

BLOCKS = 90


def block(number: int, blocks: int = BLOCKS) -> Counts:
    """Counts that name their block: any two differ, and so do their sums."""
    drawn = np.random.default_rng(number)
    votes, tally = drawn.integers(0, 1000, 7), drawn.integers(0, 1000, (2, 3))
    return Counts.empty(7, blocks).update(number, votes, 8, number % 2, {"0.own": tally})


def merged(numbers: range) -> Counts:
    counts = Counts.empty(7, BLOCKS)
    for number in numbers:
        counts = counts.merge(block(number))
    return counts


def test_ranges_cover_the_run_in_few_equal_parts() -> None:
    for blocks in [*range(1, 200), 1024, 4095, 4097, 65_536]:
        parts = ranges(blocks)
        assert [number for part in parts for number in part] == list(range(blocks))
        assert len(parts) <= MOST and (len(parts) > MOST // 2 or blocks == len(parts))
        sizes = {len(part) for part in parts[:-1]} or {len(parts[0])}
        assert len(sizes) == 1 and 0 < len(parts[-1]) <= min(sizes)


def test_growth_joins_segments_and_never_cuts_one() -> None:
    for blocks in range(1, 300):
        ends, later = ({part.stop for part in ranges(number)} for number in (blocks, blocks + 1))
        assert later - {blocks + 1} <= ends


def test_a_growing_run_has_the_segments_of_its_length_at_any_time() -> None:
    """Against the literal definition, by every number of blocks."""
    segments = Segments()
    for number in range(BLOCKS):
        segments = segments.add(block(number))
        assert segments.blocks == number + 1
        expected = [merged(part) for part in ranges(number + 1)]
        assert [part.digest for part in segments.parts] == [part.digest for part in expected]
        assert [part.missing for part in segments.parts] == [part.missing for part in expected]
    assert segments.total.digest == merged(range(BLOCKS)).digest
    assert segments.samples == segments.total.samples == 8 * BLOCKS


def test_parts_are_joined_in_any_order() -> None:
    parts = [merged(part) for part in ranges(BLOCKS)]
    whole = merged(range(BLOCKS)).digest
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(parts))
        joined = Segments.joined(parts[at] for at in order)
        assert [part.digest for part in joined.parts] == [part.digest for part in parts]
        assert joined.total.digest == whole
    assert Segments.joined([]) == Segments()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda parts: parts[1:],
        lambda parts: [*parts[:3], *parts[4:]],
        lambda parts: [*parts, parts[-1]],
        lambda parts: [parts[0].merge(parts[1]), *parts[2:]],
        lambda parts: [*parts[:-1], Counts.empty(7, BLOCKS)],
    ],
    ids=["no beginning", "a gap", "one twice", "cut elsewhere", "one without blocks"],
)
def test_what_is_not_the_segments_of_a_run_is_refused(wrong: object) -> None:
    parts = [merged(part) for part in ranges(BLOCKS)]
    with pytest.raises(ValueError, match="not the segments"):
        Segments.joined(wrong(parts))  # type: ignore[operator]


def test_a_run_without_blocks_has_no_counts() -> None:
    with pytest.raises(ValueError, match="no block"):
        _ = Segments().total
