"""The study of attacks: its judge against brute force, its attacks against closed forms, and its small form."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.evidence.attack import look, maximise, on_sphere, slope, softened
from benchmarks.evidence.attacks import study
from benchmarks.evidence.attacks_judge import SEARCH, cosine_at_most, judge, overlap_at_most
from benchmarks.evidence.attacks_report import Broken, report, violated_at
from benchmarks.evidence.study import Arrays, run
from tests.conftest import shared
from tests.core.evidence import by_hand
from tests.oracles import similarity
from worker.contract.spec import ExplanationSpec
from worker.core.bounds.base import Bounds
from worker.core.noises.gaussian import Gaussian, Params
from worker.core.pipeline import plan
from worker.core.statistics.counts import Counts


def box(rng: np.random.Generator, cells: int) -> Bounds:
    ends = np.sort(rng.choice(np.arange(9) / 8, size=(2, cells)), axis=0)
    return Bounds(ends[0], ends[1], 0.05, 0.01, 0)


def test_the_most_overlap_is_that_of_the_best_vertex() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        bounds, inside = box(rng, 6), np.arange(6) < rng.integers(1, 5)
        size, best = int(inside.sum()), 0
        for vertex in product(*zip(bounds.lower, bounds.upper, strict=True)):
            order = sorted(range(6), key=lambda cell: (-vertex[cell], not inside[cell]))
            best = max(best, int(inside[order[:size]].sum()))
        assert overlap_at_most(inside, bounds) == best


def test_no_map_in_the_box_has_a_greater_cosine() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        bounds, observed = box(rng, 3), rng.uniform(0.05, 1.0, 3)
        if bounds.upper.max() == 0:
            continue
        values = [np.linspace(low, high, 25) for low, high in zip(bounds.lower, bounds.upper, strict=True)]
        maps = [list(each) for each in product(*values) if max(each) > 0]
        best = max(similarity.cosine(observed.tolist(), each) for each in maps)
        found = cosine_at_most(observed, bounds)
        assert best <= found <= best + 0.02 + SEARCH


def test_a_cell_is_surely_lost_only_when_its_interval_says_so() -> None:
    votes = np.array([90, 80, 10, 0])
    evidence = by_hand(votes, 100, Bounds(votes / 100, votes / 100, 0.05, 0.01, 0), Gaussian(Params(sigma=0.2)))
    marked = np.array([True, True, False, False])

    def lost(there: list[int], samples: int) -> tuple[int, int, int]:
        counts = Counts(np.array(there), samples, 0, np.ones(1, dtype=np.bool_))
        found = judge(evidence, 2, marked, counts)
        return found.overlap, found.marked_lost, found.marked_lost_at_least

    assert lost([9000, 100, 8000, 0], 10_000) == (1, 1, 1)
    assert lost([9, 7, 8, 0], 10) == (1, 1, 0), "ten samples leave doubt"
    assert lost([9, 8, 7, 0], 10) == (2, 0, 0)


def test_ascent_finds_the_best_point_of_the_ball() -> None:
    """Of a linear function the best point is known; every radius is a problem of its own."""
    slopes = torch.tensor([3.0, -4.0, 0.0, 0.0]).reshape(1, 1, 2, 2)
    radii = torch.tensor([0.1, 0.5])
    start = on_sphere(torch.randn(2, 1, 2, 2, generator=torch.Generator().manual_seed(1)), radii)

    def worth(moves: torch.Tensor, step: int = 0) -> torch.Tensor:
        return (moves * slopes).flatten(1).sum(dim=1)

    moves = maximise(worth, start, radii, steps=30)
    assert bool((worth(start) < 0.9 * 5 * radii).all()) and bool((worth(moves) > 0.99 * 5 * radii).all())
    assert bool((moves.flatten(1).norm(dim=1) <= radii * (1 + 1e-6)).all())


def test_the_slope_is_that_of_a_map_known_in_closed_form() -> None:
    """The logit z1^3 + 3 z2 has the gradient (3 z1^2, 3): cell 1 gets the vote where |z1| > 1. At z1 > 0 that is rarer
    the smaller z1 is, whatever z2."""

    class Cubic(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            cells = images.flatten(1)
            return (cells[:, :1] ** 3 + 3 * cells[:, 1:]).repeat(1, 2)

    spec = ExplanationSpec.model_validate(
        {
            "model": "cubic",
            "map": {"name": "sparsified", "tau": 0.5},
            "noise": {"name": "gaussian", "sigma": 0.3},
            "samples": 8192,
            "certificates": [{"name": "topk_overlap", "k": 0.5, "radii": [0.1]}],
        }
    )
    sampler = plan(spec, Cubic().eval(), torch.tensor([[[0.9, 0.2]]]), ["a", "b"], 1024).sampler
    _, votes = look(sampler)
    found = slope(sampler, votes, torch.tensor([-1.0, 0.0]))
    torch.testing.assert_close(found / found.norm(), torch.tensor([[[-1.0, 0.0]]]), atol=0.05, rtol=0)


def test_the_softened_network_bends_and_the_real_one_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 1), nn.ReLU()))
    soft = softened(model, beta=50.0)
    assert not any(isinstance(part, nn.ReLU) for part in soft.modules())
    assert sum(isinstance(part, nn.ReLU) for part in model.modules()) == 2
    points = torch.randn(20, 2, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(soft(points), model(points), atol=0.1, rtol=0)


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    shared("data/pneumonia28.npz")
    folder = tmp_path_factory.mktemp("attacks")
    run(study(quick=True), folder / "state", folder)
    assert (folder / "attacks.md").read_text().startswith("# Attacks") and (
        folder / "attacks.png"
    ).stat().st_size > 5000
    numbers = json.loads((folder / "attacks.json").read_text())
    assert numbers["pairs"] == 7 and numbers["planted"][0]["broken"] > 0
    assert all(kind["broken_beyond_doubt"] == 0 and kind["claims"] > 0 for kind in numbers["kinds"].values())
    kept: dict[str, Arrays] = {}
    for file in (folder / "state" / "attacks").glob("*.npz"):
        with np.load(file) as arrays:
            kept[file.stem] = dict(arrays)
    return kept


def test_every_judged_move_is_as_long_as_its_radius(units: dict[str, Arrays]) -> None:
    for unit in units.values():
        lengths = np.linalg.norm(unit["moves"].reshape(len(unit["radii"]), -1).astype(np.float64), axis=1)
        np.testing.assert_allclose(lengths, unit["radii"], rtol=1e-5)


def test_attacks_do_more_harm_than_sampling_error(units: dict[str, Arrays]) -> None:
    last = [unit for name, unit in units.items() if name.startswith("digits")]
    assert all(unit["overlap"][-1] < unit["still_overlap"] for unit in last)
    assert all((unit["overlap"] <= unit["overlap_at_most"]).all() for unit in units.values())


@pytest.mark.parametrize(
    ("field", "claim"), [("certified", "planted"), ("marked_lost_at_least", "failures"), ("cosine_certified", "ones")]
)
def test_a_broken_claim_stops_the_report(units: dict[str, Arrays], field: str, claim: str) -> None:
    name = "digits-0.15-00"
    false = {"planted": units[name]["planted"][:, 0], "failures": np.array([0, 1]), "ones": np.ones(2)}[claim]
    broken = {**units[name], field: false}
    assert bool(violated_at(broken)[-1]) and not violated_at(units[name]).any()
    with pytest.raises(Broken, match=r"digits-0\.15-00 at 0\.25"):
        report({**units, name: broken}, study(quick=True).settings)
