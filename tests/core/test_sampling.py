"""Blocks, counts and the pipeline: repeatable, mergeable, honest about what cannot be computed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor, nn

from worker.contract.errors import (
    ClassOutOfRange,
    DegenerateMap,
    InvalidSpec,
    ModelInTrainMode,
    NoCells,
    NonFiniteLogits,
    SuretyError,
    UnknownMethod,
)
from worker.contract.spec import ExplanationSpec
from worker.core.attributions.gradient import Gradient
from worker.core.noises.gaussian import Gaussian, Params
from worker.core.pipeline import Plan, certify, plan, sample
from worker.core.registry import NoParams
from worker.core.statistics.counts import Counts
from worker.core.statistics.segments import Segments

CLASSES = ["a", "b", "c", "d"]
DRAWS = np.random.default_rng(0)


def ready(network: nn.Module, image: Tensor, *, batch: int = 8, **spec: object) -> Plan:
    return plan(ExplanationSpec.model_validate({"model": "m", "samples": 60, **spec}), network, image, CLASSES, batch)


def everything(the_plan: Plan) -> Counts:
    return sample(the_plan, Segments(), lambda counts: None).total


def test_gradient_is_the_derivative(network: nn.Module, image: Tensor) -> None:
    """Against central differences, in double precision, element by element."""
    double, point = network.double(), image.double()[None]
    values = Gradient(NoParams())(double, point, 2, DRAWS).values[0, 0]
    step = 1e-6
    for row, column in [(0, 0), (3, 7), (9, 9), (5, 2)]:
        up, down = point.clone(), point.clone()
        up[0, 0, row, column] += step
        down[0, 0, row, column] -= step
        slope = float((double(up)[0, 2] - double(down)[0, 2]) / (2 * step))
        assert float(values[row, column]) == pytest.approx(slope, abs=1e-6)
    network.float()


def test_per_sample_target_explains_each_images_own_class(network: nn.Module, image: Tensor) -> None:
    images = torch.stack([image, 1 - image, image * 3])
    own = Gradient(NoParams())(network, images, None, DRAWS)
    for row, index in enumerate(own.logits.argmax(dim=1).tolist()):
        assert torch.allclose(own.values[row], Gradient(NoParams())(network, images, index, DRAWS).values[row])


def test_noise_is_normal_and_keyed_by_seed_and_block() -> None:
    noise = Gaussian(Params(sigma=0.3))
    first = noise.draw(1, 0, (20_000, 1, 2, 2))
    assert kstest(first.numpy().ravel() / 0.3, "norm").pvalue > 0.001
    assert torch.equal(first, noise.draw(1, 0, (20_000, 1, 2, 2)))
    assert not torch.equal(first, noise.draw(1, 1, (20_000, 1, 2, 2)))
    assert not torch.equal(first, noise.draw(0, 1, (20_000, 1, 2, 2)))


def test_counts_do_not_depend_on_order_workers_or_restarts(network: nn.Module, image: Tensor) -> None:
    the_plan = ready(network, image)
    whole = everything(the_plan)
    backwards = the_plan.sampler.empty()
    for block in reversed(range(the_plan.sampler.blocks)):
        backwards = the_plan.sampler.update(backwards, block)
    shards = [the_plan.sampler.empty() for _ in range(3)]
    for block in range(the_plan.sampler.blocks):
        shards[block % 3] = the_plan.sampler.update(shards[block % 3], block)
    merged = shards[2].merge(shards[0]).merge(shards[1])
    seen: list[Segments] = []
    sample(the_plan, Segments(), seen.append)
    half = Segments.joined(Counts.from_bytes(part.to_bytes()) for part in seen[3].parts)
    resumed = sample(ready(network, image), half, lambda counts: None).total
    assert {whole.digest, backwards.digest, merged.digest, resumed.digest} == {whole.digest}
    assert whole.samples == 60 and not whole.missing


def test_fewer_samples_are_a_prefix_and_the_last_block_counts_only_its_rows(network: nn.Module, image: Tensor) -> None:
    """Votes of 60 samples: the seven full blocks of 56 and four rows of the eighth, whose batch is computed whole."""
    long, short = ready(network, image, samples=64), ready(network, image)
    part = Counts.empty(100, 8)
    for block in range(7):
        part = long.sampler.update(part, block)
    last = short.sampler.update(short.sampler.empty(), 7)
    assert last.samples == 4
    assert part.merge(last).digest == everything(short).digest


def test_counts_refuse_a_block_twice_and_other_shapes() -> None:
    one = Counts.empty(4, 2).update(0, np.array([1, 0, 0, 1]), 1, 0)
    with pytest.raises(ValueError, match="twice"):
        one.merge(one)
    with pytest.raises(ValueError, match="different jobs"):
        one.merge(Counts.empty(5, 2))


def test_counts_add_up(network: nn.Module, image: Tensor) -> None:
    """Every sample gives exactly ceil(tau m) votes, so the total is known."""
    counts = everything(ready(network, image, map={"name": "sparsified", "tau": 0.07}))
    assert counts.votes.sum() == 60 * math.ceil(0.07 * 100) and counts.degenerate == 0


def test_seed_model_image_and_spec_decide_the_counts(network: nn.Module, image: Tensor) -> None:
    base = everything(ready(network, image)).digest
    assert everything(ready(network, image)).digest == base
    assert everything(ready(network, image, seed=1)).digest != base
    assert everything(ready(network, image.flip(1))).digest != base
    assert (
        everything(ready(network, image, target={"class": 1})).digest
        != everything(ready(network, image, target={"class": 2})).digest
    )


class _Poisoned(nn.Module):
    """NaN logits on noisy images only; or on all."""

    def __init__(self, inner: nn.Module, when: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.when = inner, when

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.inner(images)
        return torch.where(self.when(images)[:, None], torch.nan, logits)


def test_a_model_in_train_mode_is_refused(network: nn.Module, image: Tensor) -> None:
    with pytest.raises(ModelInTrainMode):
        ready(nn.Sequential(network, nn.Dropout()).train(), image)
    network.eval()


def test_non_finite_logits_at_the_image_are_refused(network: nn.Module, image: Tensor) -> None:
    poisoned = _Poisoned(network, lambda images: torch.ones(len(images), dtype=torch.bool)).eval()
    with pytest.raises(NonFiniteLogits):
        ready(poisoned, image)


def test_non_finite_samples_are_counted_and_vote_for_nothing(network: nn.Module, image: Tensor) -> None:
    poisoned = _Poisoned(network, lambda images: images[:, 0, 0, 0] > image[0, 0, 0]).eval()
    counts = everything(ready(poisoned, image))
    assert 15 < counts.degenerate < 45
    assert counts.votes.sum() == (60 - counts.degenerate) * 10


def test_a_constant_attribution_has_no_result(image: Tensor) -> None:
    """A linear model that weighs all pixels alike ranks none above another."""
    flat = nn.Sequential(nn.Flatten(), nn.Linear(100, 4)).requires_grad_(False).eval()
    flat[1].weight.fill_(0.5)
    the_plan = ready(flat, image)
    with pytest.raises(DegenerateMap):
        certify(the_plan, everything(the_plan))


@pytest.mark.parametrize(
    ("spec", "error", "pointer"),
    [
        ({"target": {"class": 4}}, ClassOutOfRange, "/spec/target/class"),
        ({"noise": {"name": "laplace"}}, UnknownMethod, "/spec/noise/name"),
        ({"noise": {"name": "gaussian", "sigma": -1.0}}, InvalidSpec, "/spec/noise/sigma"),
        ({"noise": {"name": "gaussian"}}, InvalidSpec, "/spec/noise/sigma"),
        ({"map": {"name": "sparsified", "tau": 1.0}}, InvalidSpec, "/spec/map/tau"),
        ({"map": {"name": "sparsified", "tau": 0.1, "gamma": 1}}, InvalidSpec, "/spec/map/gamma"),
        ({"certificates": [{"name": "topk_overlap", "k": 0.009}]}, NoCells, "/spec/certificates/0/k"),
        ({"certificates": [{"name": "topk_overlap", "radii": []}]}, InvalidSpec, "/spec/certificates/0/radii"),
        ({"certificates": [{"name": "nothing"}]}, UnknownMethod, "/spec/certificates/0/name"),
        (
            {"interval": {"name": "clopper_pearson", "allowed_failures": -1}},
            InvalidSpec,
            "/spec/interval/allowed_failures",
        ),
    ],
)
def test_a_bad_spec_is_refused_before_sampling(
    network: nn.Module, image: Tensor, spec: dict[str, object], error: type[SuretyError], pointer: str
) -> None:
    with pytest.raises(error) as raised:
        ready(network, image, **spec)
    assert raised.value.pointer == pointer


def test_findings_say_the_same_thing_everywhere(network: nn.Module, image: Tensor) -> None:
    """Values, curve, status and sentences of one result agree with one another."""
    certificates = [{"name": name, "k": 0.2, "radii": [0.001, 0.01, 5.0]} for name in ("topk_overlap", "pixel_status")]
    the_plan = ready(
        network, image, samples=800, batch=32, certificates=certificates, noise={"name": "gaussian", "sigma": 0.3}
    )
    findings = certify(the_plan, everything(the_plan))
    overlap, status = findings.certificates
    near, _, far = overlap.radii
    assert near.k == 20 and near.certified > 0 and near.outcome == "certified"
    assert f"at least {near.certified} of the 20 most salient pixels" in near.text and "95 %" in near.text
    assert far.certified == 0 and far.outcome == "vacuous" and "Nothing is certified" in far.text
    assert overlap.outcome == "certified"
    assert [at.certified for at in status.radii] == [int((findings.salient > at.rho).sum()) for at in status.radii]
    assert all(a.certified <= b.certified for a, b in zip(status.radii, overlap.radii, strict=True))
    falling = [point.overlap for point in findings.curve]
    assert falling == sorted(falling, reverse=True) and findings.curve[0].rho == 0.0
    assert all((point.overlap_as_printed or 0) <= point.overlap for point in findings.curve)
