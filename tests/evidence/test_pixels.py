"""The study of single pixels: its small form, the published rule it compares with, and its controls."""

from __future__ import annotations

import json
from itertools import pairwise
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import nn

from benchmarks.evidence.controls import FixedMasks, untrained
from benchmarks.evidence.pixels import study
from benchmarks.evidence.segcertify import Published, holm, segcertify
from benchmarks.evidence.study import run
from tests.conftest import shared
from worker.core.attributions.rise import Rise


def test_the_small_form(tmp_path: Path) -> None:
    shared("data/pneumonia28.npz")
    made = run(study(quick=True), tmp_path / "state", tmp_path / "out")
    assert {file.suffix for file in (tmp_path / "out").glob("pixels.*")} == {".json", ".md", ".png"}
    found = json.loads((tmp_path / "out" / "pixels.json").read_text(encoding="utf-8"))["found"]
    assert found == made.numbers["found"]
    for cases in found.values():
        for numbers in cases.values():
            for setting in ("ours", "published"):
                for rule in ("box", "vote", "segcertify"):
                    shares = [at["median"] for at in numbers[setting][rule].values()]
                    assert all(nearer >= further for nearer, further in pairwise(shares))
                assert numbers[setting]["segcertify"]["1.0"]["greatest"] == 0, "its radius is 0.6745 sigma"
                assert numbers[setting]["box"]["0.25"]["greatest"] <= 1
        assert cases["fixed positions"]["ours"]["box"]["1.0"]["least"] == 1
        assert cases["gradient"]["ours"]["box"]["0.25"]["median"] > 0


def literal(votes: np.ndarray, settings: Published) -> list[int]:
    """SegCertify as its definition reads, cell by cell, with p-values summed by hand."""
    tests = []
    for cell in range(votes.shape[1]):
        first, rest = votes[: settings.n0, cell].tolist(), votes[settings.n0 :, cell].tolist()
        chosen = sum(first) > settings.n0 - sum(first)
        n, k = len(rest), rest.count(int(chosen))
        t = settings.threshold
        tests.append((sum(comb(n, i) * t**i * (1 - t) ** (n - i) for i in range(k, n + 1)), cell, 1 if chosen else -1))
    status = [0] * votes.shape[1]
    for place, (p, cell, label) in enumerate(sorted(tests)):
        if p > settings.alpha / (len(tests) - place):
            break
        status[cell] = label
    return status


def test_segcertify_is_its_definition() -> None:
    rng = np.random.default_rng(8)
    settings, seen = Published(alpha=0.05), set()
    for _ in range(30):
        votes = (rng.random((60, 12)) < rng.beta(0.4, 0.4, 12)).astype(np.int64)
        status = segcertify(votes, settings).tolist()
        assert status == literal(votes, settings)
        seen |= set(status)
    assert seen == {-1, 0, 1}
    assert Published().radius(0.15) == pytest.approx(0.15 * 0.67449, abs=1e-6)


def test_segcertify_errs_at_most_alpha_of_the_time() -> None:
    """Shares just at the threshold are the worst case: no cell may be certified at all."""
    rng = np.random.default_rng(4)
    settings, runs = Published(alpha=0.1), 2000
    wrong = plain = 0
    for _ in range(runs):
        votes = (rng.random((110, 20)) < 0.75).astype(np.int64)
        wrong += bool(segcertify(votes, settings).any())
        plain += bool(segcertify(votes, settings._replace(alpha=0.1 * 20)).any())
    assert binomtest(wrong, runs, settings.alpha, alternative="greater").pvalue > 0.01
    assert plain > 0.3 * runs, "without the correction for many pixels the same count finds the errors"


def test_holm_rejects_at_least_what_bonferroni_rejects() -> None:
    rng = np.random.default_rng(1)
    more = 0
    for _ in range(200):
        p = rng.random(15) ** 4
        rejected = holm(p, 0.1)
        assert not (~rejected & (p <= 0.1 / 15)).any()
        more += int(rejected.sum()) > int((p <= 0.1 / 15).sum())
    assert more > 0
    assert holm(np.zeros(3), 0.05).all() and not holm(np.ones(3), 0.05).any()


def test_the_controls_change_one_thing_each() -> None:
    images, draws = torch.rand(3, 1, 14, 14), np.random.default_rng(2)
    fixed, fresh = (kind(Rise.Params()).draw(images, draws) for kind in (FixedMasks, Rise))
    assert torch.equal(fixed[0], fixed[1]) and not torch.equal(fresh[0], fresh[1])
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2)).eval()
    before = model(images)
    again = untrained(model, 5)(images)
    assert torch.equal(model(images), before) and torch.equal(untrained(model, 5)(images), again)
    assert not torch.allclose(again, before)
    assert not any(part.requires_grad for part in untrained(model, 5).parameters())
