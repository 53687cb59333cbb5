"""Moves of the image inside the radius never break a certificate: population maps by sampling, on a small network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.oracles import similarity
from worker.contract.errors import InvalidSpec
from worker.contract.spec import ExplanationSpec
from worker.core.pipeline import certify, plan, sample
from worker.core.statistics.segments import Segments

RADII = [0.02, 0.1, 0.25]
CERTIFICATES = [
    {"name": "certified_rank", "k": 0.1, "factor": 2.0, "radii": RADII},
    {"name": "vote_status", "k": 0.1, "radii": RADII},
    {"name": "kendall", "radii": RADII},
    {"name": "cosine", "radii": RADII},
    {"name": "region_mass", "radii": RADII, "region": {"box": [0, 0, 7, 10]}},
    {"name": "prediction", "radii": RADII},
]
MOVES, SAMPLES = 40, 256


def test_random_moves_inside_the_radius_break_nothing(network: nn.Module, image: Tensor) -> None:
    spec = ExplanationSpec.model_validate(
        {
            "model": "m",
            "samples": 2048,
            "noise": {"name": "gaussian", "sigma": 0.5},
            "map": {"name": "sparsified", "tau": 0.15},
            "certificates": CERTIFICATES,
        }
    )
    generator = torch.Generator().manual_seed(19)
    claimed = 0
    for turn in range(2):
        ready = plan(spec, network, image if turn == 0 else image.flip(1), ["a", "b", "c", "d"], batch=256)
        findings = certify(ready, sample(ready, Segments(), lambda counts: None).total)
        rank, votes, kendall, cosine, mass, prediction = findings.certificates
        target = findings.evidence.target
        shown, size = findings.evidence.mean, 10
        chosen = findings.evidence.order[:size].tolist()
        claimed += sum(at.outcome == "certified" for item in findings.certificates for at in item.radii)
        for number, rho in enumerate(RADII):
            for move in range(MOVES):
                direction = torch.randn(image.shape, generator=generator)
                moved = ready.sampler.image + rho * direction / direction.norm()
                other = replace(ready.sampler, image=moved, samples=SAMPLES, seed=1000 + move)
                counts = other.empty()
                for block in range(other.blocks):
                    counts = other.update(counts, block)
                there = counts.votes / SAMPLES
                order = np.argsort(-there, kind="stable")[: 2 * size].tolist()
                assert len(set(chosen) & set(order)) >= (rank.radii[number].certified or 0)
                assert int((there[chosen] > 0.5).sum()) >= (votes.radii[number].certified or 0)
                assert similarity.cosine(shown.tolist(), there.tolist()) >= cosine.radii[number].value
                signs = np.sign(np.subtract.outer(shown, shown)) * np.sign(np.subtract.outer(there, there))
                assert there.reshape(10, 10)[:, :7].sum() / there.sum() >= mass.radii[number].value
                assert counts.tallies["5.prediction"][target] / SAMPLES > 0.5 * prediction.radii[number].value
                pairs = len(shown) * (len(shown) - 1)
                assert (2 * (signs > 0).sum() - pairs) / pairs >= kendall.radii[number].value
    assert claimed > 20, "certificates that say nothing cannot be broken"
    print(f"{2 * MOVES * len(RADII)} moves; {claimed} of 36 claims said something")


def test_unit_maps_of_moved_images_stay_within_both_cosines(network: nn.Module, image: Tensor) -> None:
    radii = [0.002, 0.02, 0.1]
    names = ["cosine", "cosine_norm_ball", "wang_kong_2024_as_printed"]
    spec = ExplanationSpec.model_validate(
        {
            "model": "m",
            "samples": 1024,
            "noise": {"name": "gaussian", "sigma": 0.5},
            "map": {"name": "unit"},
            "interval": {"name": "hoeffding"},
            "certificates": [{"name": name, "radii": radii} for name in names],
        }
    )
    ready = plan(spec, network, image, ["a", "b", "c", "d"], batch=256)
    findings = certify(ready, sample(ready, Segments(), lambda counts: None).total)
    box, ball, printed = findings.certificates
    assert ball.alpha_spent == box.alpha_spent == spec.alpha / 2, "the norm ball has a share of its own"
    assert ball.outcome == "certified" and printed.outcome == "unproven"
    generator = torch.Generator().manual_seed(23)
    for number, rho in enumerate(radii):
        for move in range(10):
            direction = torch.randn(image.shape, generator=generator)
            moved = ready.sampler.image + rho * direction / direction.norm()
            other = replace(ready.sampler, image=moved, samples=SAMPLES, seed=2000 + move)
            there = other.update(other.empty(), 0).votes
            found = similarity.cosine(findings.evidence.mean.tolist(), there.tolist())
            assert found >= max(box.radii[number].value, ball.radii[number].value)


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"target": "per-sample", "certificates": [{"name": "prediction"}]}, "/spec/target"),
        ({"certificates": [{"name": "cosine_norm_ball"}]}, "/spec/map/name"),
        ({"certificates": [{"name": "region_mass"}]}, "/spec/certificates/0/region"),
        ({"certificates": [{"name": "region_mass", "region": {}}]}, "/spec/certificates/0/region"),
        (
            {"certificates": [{"name": "region_mass", "region": {"box": [0, 0, 11, 5]}}]},
            "/spec/certificates/0/region/box",
        ),
        ({"certificates": [{"name": "certified_rank", "k": 0.5}]}, "/spec/certificates/0/factor"),
    ],
)
def test_certificates_that_do_not_fit_are_refused_before_sampling(
    network: nn.Module, image: Tensor, spec: dict[str, object], pointer: str
) -> None:
    with pytest.raises(InvalidSpec) as raised:
        plan(ExplanationSpec.model_validate({"model": "m", **spec}), network, image, ["a", "b", "c", "d"], batch=8)
    assert raised.value.pointer == pointer
