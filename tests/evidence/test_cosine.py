"""The study of cosines: its small form, its judge on maps with a known mean, and its attack."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.evidence.attack import maximise, on_sphere, softened
from benchmarks.evidence.cosine import study
from benchmarks.evidence.cosine_judge import cosine
from benchmarks.evidence.cosine_plans import Question, counted
from benchmarks.evidence.inputs import digits
from benchmarks.evidence.study import kept, run
from benchmarks.evidence.turned import Effort, Turned, turn
from tests.conftest import shared
from worker.core.statistics.counts import Counts


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the small form left its `state` and what it found, `out`."""
    shared("data/pneumonia28.npz")
    folder = tmp_path_factory.mktemp("cosine")
    run(study(quick=True), folder / "state", folder / "out")
    return folder


def test_the_small_form(small: Path) -> None:
    assert {file.suffix for file in (small / "out").glob("cosine.*")} == {".json", ".md", ".png"}
    numbers = json.loads((small / "out" / "cosine.json").read_text(encoding="utf-8"))
    assert numbers["tally"]["broken"] == 0 and numbers["tally"]["proven"] > 4
    for radii in numbers["found"]["pneumonia"].values():
        for spreads in radii.values():
            assert spreads["unit.cosine_norm_ball"]["greatest"] < spreads["unit.wang_kong_2024_as_printed"]["least"]
    example = numbers["counterexample"]
    assert example["exact"] == pytest.approx(1 / math.sqrt(5))
    assert example["wang_kong_2024_as_printed"] > example["ceiling"] > 0, "the printed formula is refuted"
    assert example["found"] == example["cosine_norm_ball"] == example["cosine"] == 0


def test_a_broken_certificate_stops_the_study(small: Path) -> None:
    """The same units, with a certificate that says too much."""
    done = {file.stem: dict(kept(file)[0]) for file in (small / "state" / "cosine").glob("*.npz")}
    study(quick=True).report(done)
    done["pneumonia-00"]["gaussian.sparsified.cosine"] += 1
    with pytest.raises(RuntimeError, match="broken"):
        study(quick=True).report(done)


@pytest.mark.parametrize("unit", [True, False])
def test_the_judge_knows_the_cosine_of_maps_with_a_known_mean(*, unit: bool) -> None:
    """Maps that are e_i with probability p_i, or ones in either half of the cells: the true cosine is known."""
    rng = np.random.default_rng(6)
    q, scale = 200, 2**20 if unit else 1
    observed = rng.random(8)
    estimates, plain, low = [], [], 0
    p = rng.dirichlet(np.ones(8))
    true_mean = p if unit else np.repeat([0.8, 0.2], 4)
    truth = float(observed @ true_mean / (np.linalg.norm(observed) * np.linalg.norm(true_mean)))
    for _ in range(400):
        if unit:
            votes = rng.multinomial(q, p)
        else:
            first = int(rng.binomial(q, 0.8))
            votes = np.repeat([first, q - first], 4)
        found = cosine(observed, Counts(votes * scale, q, 0, np.ones(1, dtype=bool)), scale)
        estimates.append(found.estimate)
        plain.append(float(observed @ votes) / (np.linalg.norm(observed) * np.linalg.norm(votes)))
        low += bool(found.ceiling < truth)
    assert low == 0
    assert abs(np.mean(estimates) - truth) < 4 * np.std(estimates) / math.sqrt(400) + 1e-4
    assert not unit or abs(np.mean(plain) - truth) > 2 * abs(np.mean(estimates) - truth), "the length is corrected"


def test_the_ceiling_comes_down_with_more_samples() -> None:
    """Orthogonal maps: a ceiling that never fell below one could refute nothing."""
    ceilings = []
    for q in (100, 10_000):
        votes = np.array([0, q], dtype=np.int64)
        ceilings.append(cosine(np.array([1.0, 0.0]), Counts(votes, q, 0, np.ones(1, dtype=bool)), 1).ceiling)
    assert 0 < ceilings[1] < 0.1 < ceilings[0] < 0.6


def test_the_attack_turns_the_map_and_stays_inside_the_ball() -> None:
    subjects = digits(1)
    radii = (0.1, 0.4)
    ready = Question(0.25, radii, 256, "float32").plans(subjects, subjects.images[0].pixels, "gaussian", 3)["unit"]
    sampler = ready.sampler
    counts = counted([sampler])[0]
    observed = counts.votes / (counts.samples * sampler.map.scale)
    moves = turn(sampler, observed, radii, Effort(6, 32, 1024, 10.0))
    assert [float(each.move.norm()) <= rho for each, rho in zip(moves, radii, strict=True)] == [True, True]
    assert all(each.ascended for each in moves), "the ascent beats random directions on so small a network"


def test_the_objective_is_one_minus_the_cosine() -> None:
    """With the real network, on noise of its own: that of the sampler's maps of the same noisy images."""
    subjects = digits(1)
    ready = Question(0.25, (0.1,), 64, "float32").plans(subjects, subjects.images[0].pixels, "gaussian", 3)["unit"]
    sampler = ready.sampler
    noise = sampler.noise.draw(sampler.seed, 0, (sampler.batch, *sampler.image.shape))
    observed = torch.nn.functional.normalize(torch.rand(64, generator=torch.Generator().manual_seed(1)), dim=0)
    of = (sampler.image, sampler.target or 0, sampler.granularity, observed, lambda _: noise)
    value = float(Turned(sampler.model, *of)(torch.zeros(1, *sampler.image.shape), 0))
    mean = counted([sampler])[0].votes.astype(float)
    assert value == pytest.approx(1 - float(observed.numpy() @ mean) / np.linalg.norm(mean), abs=1e-4)
    objective = Turned(softened(sampler.model, 10.0), *of)
    rho = torch.tensor([0.3])
    start = on_sphere(torch.randn(1, *sampler.image.shape, generator=torch.Generator().manual_seed(2)), rho)
    assert float(objective(maximise(objective, start, rho, 4), 0)) > float(objective(start, 0))
