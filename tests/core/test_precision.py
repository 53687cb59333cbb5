"""Reduced precision: another function, explained as exactly, and measured against float32."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from worker.contract.spec import ExplanationSpec
from worker.core.agreement import agreement
from worker.core.attributions import ATTRIBUTIONS
from worker.core.pipeline import plan, sample
from worker.core.sampler import Sampler
from worker.core.statistics.segments import Segments


def sampler(network: nn.Module, image: Tensor, precision: str, **more: object) -> Sampler:
    spec = ExplanationSpec.model_validate({"samples": 40, "precision": precision, **more})
    return plan(spec, network, image, list("abcd"), 16).sampler


def test_the_votes_are_those_of_the_network_in_bfloat16(network: nn.Module, image: Tensor) -> None:
    """Against a literal loop: autocast around the forward pass, the gradient in float32, one image at a time."""
    ready = sampler(network, image, "bfloat16")
    noise = ready.noise.draw(ready.seed, 0, (16, *image.shape))
    cells, logits = ready.cells(0)
    assert cells.dtype == logits.dtype == torch.float32
    for row in range(4):
        noisy = (image + noise[row])[None].requires_grad_(True)
        with torch.autocast("cpu", torch.bfloat16):
            answer = network(noisy)
        assert answer.dtype == torch.bfloat16
        (gradient,) = torch.autograd.grad(answer[0, ready.target], noisy)
        torch.testing.assert_close(cells[row], gradient.abs().flatten(), rtol=0.05, atol=1e-3)
        torch.testing.assert_close(logits[row], answer[0].float(), rtol=0.02, atol=0.02)


def test_a_run_in_bfloat16_repeats_and_is_another_than_in_float32(network: nn.Module, image: Tensor) -> None:
    spec = ExplanationSpec.model_validate({"samples": 40, "precision": "bfloat16"})
    first, again = (
        sample(plan(spec, network, image, list("abcd"), 16), Segments(), lambda _: None).total for _ in range(2)
    )
    assert first.digest == again.digest
    full = spec.model_copy(update={"precision": "float32"})
    assert sample(plan(full, network, image, list("abcd"), 16), Segments(), lambda _: None).total.digest != first.digest


def test_the_agreement_is_the_share_of_votes_that_both_precisions_give(network: nn.Module, image: Tensor) -> None:
    ready = sampler(network, image, "bfloat16")
    found = agreement(ready)
    assert found is not None and found.samples == 16
    each = [part.map(part.cells(0)[0]).votes for part in (ready, replace(ready, precision="float32"))]
    shared = (each[0] & each[1]).sum(dim=1) / each[0].sum(dim=1)
    assert np.isclose(found.cosine, float(shared.mean()))
    assert 0.7 < found.cosine < 1.0
    assert agreement(sampler(network, image, "float32")) is None


def test_every_attribution_works_in_bfloat16(network: nn.Module, image: Tensor) -> None:
    torch.manual_seed(2)
    relu = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU())
    relu = nn.Sequential(*relu, nn.Flatten(), nn.Linear(4 * 9, 4)).eval().requires_grad_(False)
    for name in ATTRIBUTIONS.entries:
        close = agreement(
            sampler(relu, image, "bfloat16", attribution={"name": name}, map={"name": "unit"}, interval={"name": "kl"})
        )
        assert close is not None and close.cosine > 0.9, name
