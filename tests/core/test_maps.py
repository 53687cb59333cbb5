"""Real-valued maps against their definitions in exact fractions: ties, degenerate samples and extreme magnitudes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.oracles import maps as oracle
from worker.contract.errors import InvalidSpec
from worker.contract.spec import ExplanationSpec, Method
from worker.core.maps import MAPS
from worker.core.maps.base import RESOLUTION, SampleMap
from worker.core.maps.relaxed import Params as Shares
from worker.core.maps.relaxed import Relaxed
from worker.core.pipeline import certify, plan, sample
from worker.core.statistics.segments import Segments

Literal = Callable[[Sequence[float]], list[Fraction]]
REAL: dict[str, Literal] = {
    "relaxed": lambda cells: oracle.relaxed(cells, 0.5, 0.2),
    "scaled": oracle.scaled,
    "quadratic": oracle.quadratic,
    "unit": oracle.unit,
}


def build(name: str) -> SampleMap:
    params = {"tau": 0.5, "gamma": 0.2} if name == "relaxed" else {}
    return MAPS.build(Method.model_validate({"name": name, **params}), "/spec/map")


def votes_of(mapping: SampleMap, rows: Sequence[Sequence[float]]) -> list[list[int]]:
    return mapping(torch.tensor(rows, dtype=torch.float32)).votes.tolist()


def agree(votes: Sequence[int], values: Sequence[Fraction]) -> bool:
    """Rounded down to whole votes; a value within a few ulp of a whole vote may fall on either side of it."""
    ulps = Fraction(1, 10**15)
    return all(
        math.floor((value - ulps) * RESOLUTION) <= vote <= math.floor((value + ulps) * RESOLUTION)
        for vote, value in zip(votes, values, strict=True)
    )


coarse = st.integers(0, 4).map(float)
fine = st.floats(0, 1, width=32)
wild = st.sampled_from([0.0, 1e-45, 1e-38, 1e-30, 3e-30, 1.0, 2.5, 1e19, 1e30, 2e30, 3e38]).map(
    lambda value: float(np.float32(value))
)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("values", [coarse, fine, wild], ids=["ties", "fine", "extreme"])
def test_votes_are_the_definition_rounded_down(name: str, values: st.SearchStrategy[float]) -> None:
    mapping, literal = build(name), REAL[name]

    @given(rows=st.lists(st.lists(values, min_size=9, max_size=9), min_size=1, max_size=4))
    @settings(max_examples=150, deadline=None, derandomize=True)
    def check(rows: list[list[float]]) -> None:
        mapped = mapping(torch.tensor(rows, dtype=torch.float32))
        for row, votes, degenerate in zip(rows, mapped.votes.tolist(), mapped.degenerate.tolist(), strict=True):
            assert degenerate == (len(set(row)) == 1)
            assert all(0 <= vote <= RESOLUTION for vote in votes)
            assert not any(votes) if degenerate else agree(votes, literal(row))

    check()


@given(
    row=st.lists(coarse, min_size=1, max_size=40).filter(lambda row: len(set(row)) > 1),
    tau=st.floats(0.01, 1.0),
    share=st.floats(0.0, 1.0),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_relaxed_at_any_shares(row: list[float], tau: float, share: float) -> None:
    gamma = min(share * tau, 0.99)
    assert agree(votes_of(Relaxed(Shares(tau=tau, gamma=gamma)), [row])[0], oracle.relaxed(row, tau, gamma))


def test_relaxed_spans_from_sparsified_to_scaled() -> None:
    rows = np.random.default_rng(3).random((20, 50)).astype(np.float32).tolist()
    sparsified = MAPS.build(Method.model_validate({"name": "sparsified", "tau": 0.3}), "/spec/map")
    ones = np.array(votes_of(Relaxed(Shares(tau=0.3, gamma=0.3)), rows)) / RESOLUTION
    assert (ones == np.array(votes_of(sparsified, rows))).all()
    assert votes_of(Relaxed(Shares(tau=1.0, gamma=0.0)), rows) == votes_of(build("scaled"), rows)


def test_relaxed_leaves_zeros_zero() -> None:
    """Where fewer cells than the gamma share are not zero, the definition's threshold is zero and would mark all."""
    votes = votes_of(Relaxed(Shares(tau=0.9, gamma=0.5)), [[0.0, 0.0, 0.0, 2.0]])
    assert votes == [[0, 0, 0, RESOLUTION]]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_samples_without_a_ranking_have_no_votes(name: str, bad: float) -> None:
    mapped = build(name)(torch.tensor([[1.0, bad, 2.0], [0.0, 0.0, 0.0], [7.0, 7.0, 7.0], [1.0, 3.0, 2.0]]))
    assert mapped.degenerate.tolist() == [True, True, True, False]
    assert mapped.votes[:3].abs().sum() == 0 and mapped.votes[3].sum() > 0


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("factor", [1e-30, 1e-10, 1e10, 1e30])
def test_magnitude_does_not_matter(name: str, factor: float) -> None:
    """Powers of two exactly; others to the rounding of the cells themselves."""
    cells = torch.rand((5, 400), generator=torch.Generator().manual_seed(1))
    mapping = build(name)
    scale = 2.0 ** round(math.log2(factor))
    assert torch.equal(mapping(cells).votes, mapping(cells * scale).votes)
    assert int((mapping(cells).votes - mapping(cells * factor).votes).abs().max()) <= 1


@pytest.mark.parametrize("size", [4, 7, 4096, 150_528])
def test_unit_votes_have_a_norm_of_at_most_one_in_integers(size: int) -> None:
    """And of nearly one: what is cut off is below sqrt(cells) votes."""
    generator = torch.Generator().manual_seed(size)
    spread = torch.rand((6, size), generator=generator) ** torch.tensor([0.0, 0.1, 1.0, 4.0, 12.0, 30.0])[:, None]
    spread[0, 0] = 0.5
    for votes in build("unit")(spread).votes.tolist():
        squares = sum(vote * vote for vote in votes)
        assert squares <= RESOLUTION**2
        assert math.sqrt(squares) > RESOLUTION - math.sqrt(size)


@pytest.mark.parametrize("row", [[3.0, 4.0], [0.0, 1.0], [1.0] * 16 + [0.0], [5.0, 12.0], [2.0, 3.0, 6.0]])
def test_unit_is_safe_where_the_norm_is_a_whole_number(row: list[float]) -> None:
    votes = votes_of(build("unit"), [row])[0]
    assert sum(vote * vote for vote in votes) <= RESOLUTION**2
    assert agree(votes, oracle.unit(row))


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"tau": 0.1, "gamma": 0.2}, "/spec/map"),
        ({"tau": 0.0}, "/spec/map/tau"),
        ({"tau": 0.1, "gamma": -0.1}, "/spec/map/gamma"),
        ({"gamma": 0.1}, "/spec/map/tau"),
    ],
)
def test_relaxed_refuses_shares_that_make_no_sense(params: dict[str, float], pointer: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        MAPS.build(Method.model_validate({"name": "relaxed", **params}), "/spec/map")
    assert raised.value.pointer == pointer


@pytest.mark.parametrize("name", ["relaxed", "scaled", "quadratic", "unit"])
@pytest.mark.parametrize("interval", ["kl", "hoeffding"])
def test_every_map_goes_the_whole_way(network: nn.Module, image: Tensor, name: str, interval: str) -> None:
    spec = {
        "model": "m",
        "samples": 64,
        "map": {"name": name, **({"tau": 0.2} if name == "relaxed" else {})},
        "interval": {"name": interval},
        "granularity": {"name": "patch", "size": 3},
    }
    the_plan = plan(ExplanationSpec.model_validate(spec), network, image, ["a", "b", "c", "d"], 16)
    counts = sample(the_plan, Segments(), lambda counts: None).total
    evidence = certify(the_plan, counts).evidence
    assert evidence.cells == 16 and evidence.noun == "patches"
    assert ((evidence.bounds.lower <= evidence.mean) & (evidence.mean <= evidence.bounds.upper)).all()
    again = the_plan.sampler.empty()
    for block in (3, 1, 0, 2):
        again = the_plan.sampler.update(again, block)
    assert again.digest == counts.digest


def test_real_values_refuse_intervals_for_zeros_and_ones(network: nn.Module, image: Tensor) -> None:
    spec = ExplanationSpec.model_validate({"model": "m", "samples": 8, "map": {"name": "scaled"}})
    with pytest.raises(InvalidSpec, match="zeros and ones"):
        plan(spec, network, image, ["a", "b", "c", "d"], 8)
