"""Attacks: what the base decides, whatever an attack says; closed forms where the worst move is known."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.contract.errors import InvalidSpec, UnsupportedAttribution
from worker.contract.spec import Method
from worker.core.attacks import ATTACKS
from worker.core.attacks.ball import Ball, Norm
from worker.core.attacks.base import Attack
from worker.core.attacks.params import Common
from worker.core.attacks.search import Search
from worker.core.attacks.softened import Softened
from worker.core.attacks.subject import JUDGE, Smoothing, Subject
from worker.core.attributions import ATTRIBUTIONS
from worker.core.attributions.base import Images
from worker.core.distances import DISTANCES
from worker.core.distances.base import Distance
from worker.core.granularities import GRANULARITIES
from worker.core.maps import MAPS
from worker.core.noises import NOISES

QUICK: dict[str, dict[str, Any]] = {
    "ifia": {"steps": 4, "noisy": 4},
    "levine": {"steps": 4, "noisy": 4, "restarts": 2, "tries": 10},
    "manipulation": {"steps": 4, "noisy": 4, "target": [[0, 1], [0, 0]]},
    "pgd": {"steps": 4, "noisy": 4, "restarts": 2},
    "random_search": {"tries": 3},
}
CASES = [(name, norm) for name, norm in product(QUICK, ("l2", "linf")) if norm in ATTACKS.entries[name].norms]
RADIUS: dict[Norm, float] = {"l2": 0.4, "linf": 0.05}


def attack(name: str, **params: Any) -> Attack:
    return ATTACKS.build(Method.model_validate({"name": name, **params}), "/attack")


def distance(name: str = "topk_overlap") -> Distance:
    return DISTANCES.build(Method(name=name), "/distance")


def raw(network: nn.Module, count: int = 3, attribution: str = "gradient") -> Subject:
    images = torch.rand((count, 1, 10, 10), generator=torch.Generator().manual_seed(8))
    return Subject(
        model=network,
        images=images,
        classes=network(images).argmax(dim=1),
        attribution=ATTRIBUTIONS.build(Method(name=attribution), "/attribution"),
        granularity=GRANULARITIES.build(Method(name="pixel"), "/granularity"),
        seed=4,
    )


def smoothed(network: nn.Module, count: int = 2, tau: float = 0.2) -> Subject:
    noise = NOISES.build(Method.model_validate({"name": "gaussian", "sigma": 0.2}), "/noise")
    mapping = MAPS.build(Method.model_validate({"name": "sparsified", "tau": tau}), "/map")
    return replace(raw(network, count), map=mapping, smoothing=Smoothing(noise, 48), batch=32)


@pytest.mark.parametrize("make", [raw, smoothed])
@pytest.mark.parametrize(("name", "norm"), CASES)
def test_what_is_found_is_in_the_ball_keeps_the_class_and_is_what_the_real_network_says(
    name: str, norm: Any, make: Any, network: nn.Module
) -> None:
    subject, ball, overlap = make(network), Ball(norm, RADIUS[norm]), distance()
    found = attack(name, **QUICK[name])(subject, ball, overlap)
    moves = (found.moved.double() - subject.images.double()).flatten(1)
    lengths = moves.norm(dim=1) if norm == "l2" else moves.abs().amax(dim=1)
    assert bool((lengths <= ball.radius).all()) and found.lengths.tolist() == pytest.approx(lengths.tolist())
    assert network(found.moved).argmax(dim=1).tolist() == subject.predicted.tolist()
    assert torch.equal(found.after, subject.maps(found.moved, JUDGE))
    assert found.value.tolist() == overlap(subject.maps(subject.images, JUDGE), found.after).tolist()
    assert found.succeeded.tolist() == (found.value < 1).tolist() and bool(found.succeeded.any())
    again = attack(name, **QUICK[name])(subject, ball, overlap)
    assert torch.equal(again.moved, found.moved), "the same seed finds the same move"


def test_every_attack_is_tested() -> None:
    assert sorted(QUICK) == sorted(ATTACKS.entries)


class Liar(Attack):
    """Proposes moves far outside the ball, moves that are not finite, and the image itself as a success."""

    proposal = "far"

    def run(self, search: Search) -> Iterator[Images]:
        if self.proposal == "far":
            yield search.images + 100.0
        elif self.proposal == "broken":
            yield search.images / 0.0
        else:
            yield search.images


@pytest.mark.parametrize("proposal", ["far", "broken", "none"])
def test_an_attack_that_lies_is_found_out(proposal: str, network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Liar, "proposal", proposal)
    subject, ball = raw(network), Ball("l2", 0.01)
    found = Liar(Common())(subject, ball, distance())
    assert bool((found.lengths <= ball.radius).all())
    if proposal != "far":
        assert torch.equal(found.moved, subject.images)
        assert not found.succeeded.any() and found.value.tolist() == [1.0, 1.0, 1.0]


def test_an_attack_cannot_judge_itself() -> None:
    with pytest.raises(TypeError, match="would judge itself"):

        class Judge(Attack):
            def __call__(self, *_: Any, **__: Any) -> Any:  # type: ignore[misc]
                """Never called: the class itself is refused."""


def test_a_move_that_changes_the_class_counts_only_where_that_is_allowed(network: nn.Module) -> None:
    subject = raw(network, count=6)
    ball, tries = Ball("l2", 8.0), attack("random_search", tries=12)
    kept, free = (tries(subject, ball, distance("cosine"), keep_class=keep) for keep in (True, False))
    assert bool(kept.class_kept.all()) and not free.class_kept.all()
    assert bool((free.value <= kept.value).all())


def test_success_may_ask_for_more_than_any_harm(network: nn.Module) -> None:
    found = attack("random_search", tries=2)(raw(network), Ball("l2", 0.5), distance(), wanted=0.05)
    assert bool((found.value < 1).all()) and not found.succeeded.any()
    assert attack("random_search")(raw(network), Ball("l2", 0.5), distance("l2"), wanted=1e-3).succeeded.all()


class Ridges(nn.Module):
    """sum_j v_j softplus(w_j.(x - x0)) against a class of logit 0: with orthonormal w_j the gradient moves by
    v_j (sigmoid(t_j) - 1/2) along each w_j, where t_j = w_j.d."""

    def __init__(self, strengths: list[float]) -> None:
        super().__init__()
        drawn = torch.randn(16, 16, generator=torch.Generator().manual_seed(2))
        self.ways = torch.linalg.qr(drawn).Q.T[: len(strengths)]
        self.strengths = torch.tensor(strengths)

    def forward(self, images: Tensor) -> Tensor:
        worth = functional.softplus((images.flatten(1) - 0.5) @ self.ways.T) @ self.strengths
        return torch.stack([worth, torch.zeros_like(worth)], dim=1)


def ridges(strengths: list[float]) -> Subject:
    gradient = ATTRIBUTIONS.build(Method(name="gradient"), "/attribution")
    return Subject(Ridges(strengths), torch.full((1, 1, 4, 4), 0.5), torch.zeros(1, dtype=torch.int64), gradient)


def test_l2_pgd_finds_the_worst_direction() -> None:
    """||change||^2 = sum v_j^2 tanh(t_j / 2)^2 / 4 is concave in t_j^2; with v = 4, 1 and length 1 all of it belongs on
    the first direction, since 16 tanh(1/2) sech(1/2)^2 / 8 exceeds 1/16 of the second."""
    subject = ridges([4.0, 1.0])
    found = attack("pgd", steps=30, restarts=3)(subject, Ball("l2", 1.0), distance("l2"))
    assert abs((found.moved - 0.5).flatten() @ subject.model.ways[0]) > 0.999
    worst = 4 * torch.tanh(torch.tensor(0.5)).item() / 2
    assert 0.999 * worst < found.value.item() <= worst


def test_linf_pgd_finds_the_worst_corner() -> None:
    subject = ridges([2.0])
    found = attack("pgd", steps=20, restarts=2)(subject, Ball("linf", 0.1), distance("l2"))
    worst = torch.tanh(0.1 * subject.model.ways[0].abs().sum() / 2).item()
    assert 0.999 * worst < found.value.item() <= worst


@pytest.mark.parametrize("make", [raw, smoothed])
def test_attacks_that_look_beat_random_search(make: Any, network: nn.Module) -> None:
    subject, further = make(network), 1 if make is raw else 5
    for name, norm in (("ifia", "linf"), ("levine", "l2"), ("pgd", "l2")):
        ball, params = Ball(norm, further * RADIUS[norm]), {"steps": 12, "noisy": 32, "restarts": 2}
        found = attack(name, **params)(subject, ball, distance())
        blind = attack("random_search", tries=20)(subject, ball, distance())
        print(f"{make.__name__} {name}: overlap {found.value.mean():.3f}, random {blind.value.mean():.3f}")
        assert found.value.mean() < blind.value.mean() - 0.02


def test_ifia_and_manipulation_reach_what_they_aim_at(network: nn.Module) -> None:
    subject, ball = raw(network), Ball("linf", 0.05)
    shift = attack("ifia", objective="mass_centre", steps=20)(subject, ball, distance("mass_centre"))
    blind = attack("random_search", tries=20)(subject, ball, distance("mass_centre"))
    assert bool((shift.value > blind.value).all())
    aims = [attack("ifia", objective="target_region", region=[0, 0, 4, 4], steps=20)]
    aims.append(attack("manipulation", target=[[1, 0], [0, 0]], steps=20))
    for aimed in aims:
        found = aimed(subject, ball, distance())
        shares = [
            each[..., :4, :4].sum(dim=(1, 2, 3)) / each.sum(dim=(1, 2, 3)) for each in (found.before, found.after)
        ]
        assert bool((shares[1] > shares[0]).all())


def test_softplus_stands_for_every_relu_and_nothing_of_it_stays() -> None:
    class Functions(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            six = nn.ReLU6(inplace=True)(values * 3)
            return functional.relu(values, inplace=False) + torch.relu(values - 1) + values.relu() + six

    values = torch.linspace(-4, 4, 33)
    real, soft = Functions()(values), functional.softplus
    with Softened(5.0):
        seen = Functions()(values)
    six = soft(values * 3, 5.0) - soft(values * 3 - 6, 5.0)
    assert torch.allclose(seen, 2 * soft(values, 5.0) + soft(values - 1, 5.0) + six)
    assert torch.equal(Functions()(values), real) and not torch.allclose(seen, real)


def test_the_gradient_that_is_climbed_is_that_of_the_mean_map(network: nn.Module) -> None:
    """Against central differences of the objective, noisy images in several passes."""
    subject = smoothed(network, tau=0.6)
    subject = replace(subject, model=deepcopy(network).double(), images=subject.images.double(), batch=5)
    search = Search(
        subject=subject,
        ball=Ball("l2", 1.0),
        distance=distance(),
        reference=torch.zeros(2, 1, 10, 10),
        generator=torch.Generator(),
        keep_class=True,
        beta=3.0,
        noisy=12,
    )
    price = torch.rand((2, 1, 10, 10), generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def objective(maps: Tensor) -> Tensor:
        return (maps * price).sum(dim=(1, 2, 3)).square()

    value, gradient = search.climb(subject.images, objective)
    assert torch.equal(value, objective(search.maps(subject.images)))
    lengths = gradient.flatten(1).norm(dim=1)
    direction = gradient / lengths[:, None, None, None]
    ends = [objective(search.maps(subject.images + step * direction)) for step in (1e-6, -1e-6)]
    assert ((ends[0] - ends[1]) / 2e-6).tolist() == pytest.approx(lengths.tolist(), rel=1e-3)


def test_balls_hold_their_projections_to_the_last_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((50, 3, 20, 20), generator=generator)
    for norm, radius, pixels in product(("l2", "linf"), (1e-5, 1e-3, 0.1, 3.0), (False, True)):
        ball = Ball(norm, radius, pixels)
        moved = ball.project(images, images + 2 * ball.surface(images, generator))
        assert bool(ball.holds(images, moved).all())
        if radius >= 1e-3 and not pixels:
            assert bool((ball.lengths(moved - images) > 0.97 * radius).all())
        assert not pixels or (float(moved.min()) >= 0 and float(moved.max()) <= 1)
        assert torch.equal(ball.project(images, images), images)


def test_what_cannot_be_attacked_is_refused_with_a_way_out(network: nn.Module) -> None:
    with pytest.raises(UnsupportedAttribution, match="random_search"):
        attack("pgd")(raw(network, attribution="occlusion"), Ball("l2", 0.1), distance())
    assert attack("random_search")(raw(network, 1, "grad_cam"), Ball("l2", 1.0), distance("cosine")).value.item() < 1
    with pytest.raises(InvalidSpec, match="moves in linf, not in l2"):
        attack("ifia")(raw(network), Ball("l2", 0.1), distance())
    with pytest.raises(InvalidSpec, match="must lie inside the map of 10 x 10"):
        attack("ifia", objective="target_region", region=[0, 0, 11, 4])(raw(network), Ball("linf", 0.1), distance())
    for name, wrong in (("ifia", {"region": [0, 0, 2, 2]}), ("manipulation", {"target": [[0, 1], [0]]})):
        with pytest.raises(InvalidSpec, match="give"):
            attack(name, **wrong)
    with pytest.raises(InvalidSpec, match="granularity"):
        replace(smoothed(network), granularity=None)


@pytest.mark.parametrize("attribution", ["input_x_gradient", "integrated_gradients"])
def test_the_stand_in_is_the_attribution_itself_on_a_smooth_network(attribution: str) -> None:
    subject = ridges([4.0, 1.0])
    subject = replace(subject, attribution=ATTRIBUTIONS.build(Method(name=attribution), "/attribution"))
    search = Search(
        subject, Ball("l2", 1.0), distance(), subject.maps(subject.images, JUDGE), torch.Generator(), True, 5.0, 1
    )
    assert torch.allclose(search.maps(subject.images), search.reference, atol=1e-6)
    assert attack("pgd")(subject, Ball("l2", 1.0), distance("l2")).succeeded.all()
