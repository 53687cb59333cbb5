"""The study of coverage: what it measures is right, nothing is left out, and it refuses to report what is refuted."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence import coverage
from benchmarks.evidence.closed_forms import Coordinate
from benchmarks.evidence.coverage_bench import Bench
from benchmarks.evidence.coverage_forms import FORMS, Given
from benchmarks.evidence.coverage_report import Refuted, report
from benchmarks.evidence.coverage_settings import CONTROLS, Setting, settings
from benchmarks.evidence.coverage_truth import Compared, truth, wrong_marks
from benchmarks.evidence.study import Arrays, Study, run
from tests.core.evidence import by_hand
from worker.core.bounds import INTERVALS
from worker.core.bounds.base import Bounds
from worker.core.certificates import CERTIFICATES
from worker.core.noises import NOISES
from worker.core.noises.gaussian import Gaussian, Params
from worker.service.provenance import code_digest

# The counter-example is stated for the ball.
BALL_ONLY = ("disjoint", "gaussian")


@pytest.fixture(scope="module")
def study() -> Study:
    return coverage.study(quick=True)


@pytest.fixture(scope="module")
def folder(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("coverage")
    run(study, made / "state", made / "out")
    return made


def test_certificates_pass_and_controls_are_found_out(folder: Path) -> None:
    found = json.loads((folder / "out" / "coverage.json").read_text(encoding="utf-8"))
    assert {row["certificate"] for row in found["measured"]} >= _probabilistic()
    assert {row["control"] for row in found["controls"]} == set(CONTROLS)
    assert all(row["p"] > 1e-3 for row in found["measured"])
    assert all(row["p"] < 1e-3 and row["rate"] > row["alpha"] for row in found["controls"])
    for row in found["measured"]:
        assert row["rate_low"] <= row["rate"] <= row["rate_high"] and row["claimed"] <= row["true"]
    text = (folder / "out" / "coverage.md").read_text(encoding="utf-8")
    assert "coverage.png" in text and "make evidence-coverage" in text
    assert (folder / "out" / "coverage.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_was_cut_off_goes_on(study: Study, folder: Path, tmp_path: Path) -> None:
    """One unit is lost; only that one is computed again, to the same numbers."""
    first = next(iter(study.units))
    kept = folder / "state" / "coverage" / f"{first}.npz"
    before = kept.read_bytes()
    kept.unlink()

    def never() -> Arrays:
        raise AssertionError("a unit that was kept must not be computed again")

    units = {name: unit if name == first else never for name, unit in study.units.items()}
    run(replace(study, units=units), folder / "state", tmp_path)
    written = (folder / "out" / "coverage.md").read_bytes()
    assert (tmp_path / "coverage.md").read_bytes() == written
    document = json.loads((tmp_path / "coverage.json").read_text())
    assert document["made_with"]["code_digests"] == [code_digest()]
    with np.load(kept) as again:
        assert set(again.files) == {"claimed", "true", "broken", "made_with"} and kept.stat().st_size == len(before)


def test_fresh_runs_scatter_about_the_worst_move() -> None:
    """Values of a fresh run differ from run to run and from the population's; what is claimed stays below."""
    bench = Bench(Setting("cosine_norm_ball", "axes 2", samples=1000, rho=0.01, fresh=True), 1)
    found = [coverage.once(bench, number) for number in range(20)]
    assert len({each.true for each in found}) == 20 and not any(each.broken for each in found)
    alone = coverage.once(Bench(Setting("cosine_norm_ball", "axes 2", samples=1000, rho=0.01), 1), 0)
    assert found[0].claimed < alone.claimed, "a second run has sampling error too"


def test_paid_looks_stop_when_everything_is_certified() -> None:
    """A half-space far away is certified at the first look, one at rho at none; a look spends its share only."""
    far = Bench(Setting("prediction", "threshold", looks=2048, rho=0.001), 1)
    near = Bench(Setting("prediction", "boundary", looks=2048), 1)
    samples = {}
    for name, bench in (("far", far), ("near", near)):
        model = bench.model(0)
        evidence = bench.observed(model, bench.certifier(model.cells, 1), 0)
        samples[name] = evidence.samples
        assert evidence.share == dict(bench.schedule)[evidence.samples] < 0.1
    assert samples == {"far": 256, "near": 2048}
    assert sum(alpha for _, alpha in near.schedule) <= 0.1


def test_every_certificate_interval_and_noise_is_measured() -> None:
    measured = [setting for setting in settings(quick=False) if not setting.control]
    assert {setting.certificate for setting in measured} == _probabilistic()
    assert {setting.interval for setting in measured} == set(INTERVALS.entries)
    assert {setting.noise for setting in measured} == set(NOISES.entries)
    assert {setting.form for setting in measured} == set(FORMS)
    names = [setting.name for setting in settings(quick=False)]
    assert len(set(names)) == len(names), "two settings would share a unit"


def test_what_is_refuted_is_not_reported(study: Study) -> None:
    good, control = Setting("kendall"), Setting("kendall", control="no width")
    never, often = np.zeros(200, dtype=bool), np.arange(200) < 60
    every = {"a": good, "b": control}
    zeros = {"claimed": np.zeros(200), "true": np.zeros(200)}
    report(every, {"a": {**zeros, "broken": never}, "b": {**zeros, "broken": often}})
    with pytest.raises(Refuted, match=good.name):
        report(every, {"a": {**zeros, "broken": often}, "b": {**zeros, "broken": often}})
    with pytest.raises(Refuted, match=control.name):
        report(every, {"a": {**zeros, "broken": never}, "b": {**zeros, "broken": never}})


@pytest.mark.parametrize(
    ("form", "noise"),
    [(form, noise) for form in sorted(FORMS) for noise in ("gaussian", "uniform_ball") if (form, noise) != BALL_ONLY],
)
def test_means_are_those_of_draws(form: str, noise: str) -> None:
    """At the image and at two moves, within five standard errors of 20,000 draws."""
    bench = Bench(Setting("cosine", form, noise), 1)
    given = Given(np.random.default_rng(3), Coordinate(bench.noise, bench.elements), 0.1, 2)
    model = FORMS[form].make(given)
    drawn = bench.noise.draw(1, 2, (20_000, bench.elements)).double().numpy()
    moves = np.zeros((3, bench.elements))
    moves[1, 0], moves[2] = -0.1, 0.1 / np.sqrt(bench.elements)
    for move, mean in zip(moves, model.mean(moves), strict=True):
        values = model.values(drawn + move)
        assert (np.abs(values.mean(axis=0) - mean) <= 5 * np.sqrt(mean * (1 - mean) / 20_000) + 1e-4).all()


@pytest.mark.parametrize("form", ["opposed", "independent", "meeting", "ladder 4"])
def test_no_move_is_longer_than_rho_and_some_hurts(form: str) -> None:
    bench = Bench(Setting("topk_overlap", form, rho=0.2), 1)
    model = bench.model(0)
    inside = np.argsort(np.argsort(-model.mean(np.zeros((1, 24)))[0])) < max(1, model.cells // 4)
    moves = model.moves(0.2, inside)
    lengths = np.linalg.norm(moves, axis=1)
    assert lengths.min() == 0 and lengths.max() == pytest.approx(0.2)
    gaps = model.mean(moves)[:, inside].mean(axis=1) - model.mean(moves)[:, ~inside].mean(axis=1)
    assert gaps.min() < gaps[0] - 0.05


def test_truths_are_those_of_all_ways_to_break_ties() -> None:
    """Against every top-K set that an order of the cells can give, on maps of few levels."""
    rng = np.random.default_rng(5)
    for _ in range(100):
        votes, maps = rng.integers(0, 100, 6), rng.integers(0, 4, (3, 6)) / 4
        wide = Bounds(np.zeros(6), np.ones(6), 0.1, 0.1, 0)
        compared = Compared(by_hand(votes, 100, wide, Gaussian(Params(sigma=0.25))), 2, maps)
        best = set(compared.evidence.order[:2].tolist())
        for name, wanted in (("topk_overlap", 2), ("certified_rank", 4)):
            least = [min(len(best & top) for top in _tops(each, wanted)) / 2 for each in maps]
            assert truth(name, compared).tolist() == least
        pairs = list(combinations(range(6), 2))
        same = [sum((votes[i] - votes[j]) * (each[i] - each[j]) > 0 for i, j in pairs) for each in maps]
        assert truth("kendall", compared) == pytest.approx([2 * number / 15 - 1 for number in same])
        assert wrong_marks(compared, 0.01) == 0, "nothing is marked"


def test_wrong_marks_are_counted_on_either_side() -> None:
    """The first cell is surely the most salient; the true map says the last is, so that both are marked wrongly."""
    lower, upper = np.array([0.9, 0.1, 0.1, 0.1]), np.array([0.95, 0.2, 0.2, 0.2])
    seen = by_hand(np.array([92, 15, 15, 15]), 100, Bounds(lower, upper, 0.1, 0.1, 0), Gaussian(Params(sigma=0.25)))
    right, wrong = np.array([0.92, 0.15, 0.15, 0.15]), np.array([0.92, 0.15, 0.15, 0.99])
    assert wrong_marks(Compared(seen, 1, right[None]), 0.01) == 0
    assert wrong_marks(Compared(seen, 1, np.stack([right, wrong])), 0.01) == 1


def _tops(values: np.ndarray, size: int) -> list[set[int]]:
    """All sets of so many cells none of which is less than a cell outside."""
    cells = range(len(values))
    every = (set(chosen) for chosen in combinations(cells, size))
    return [top for top in every if min(values[list(top)]) >= max(values[[c for c in cells if c not in top]])]


def _probabilistic() -> set[str]:
    return {name for name, entry in CERTIFICATES.entries.items() if entry.guarantee == "probabilistic"}
