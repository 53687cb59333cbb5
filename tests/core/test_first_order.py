"""First-order bounds against dense Jacobians, and where first order is exact against moves that were tried."""

from __future__ import annotations

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.oracles import first_order as oracle
from worker.contract.errors import InvalidSpec, NonFiniteLogits, UnsupportedAttribution
from worker.core.first_order.absolute_sum import absolute_sum, jacobian
from worker.core.first_order.bound import FURTHEST, Bound, adaptive_factor, degrees, relaxed
from worker.core.first_order.deviation import FirstOrder
from worker.core.first_order.differential import Differential
from worker.core.first_order.label import label_kept
from worker.core.first_order.smooth import Smooth
from worker.core.first_order.steepest import steepest

KINDS = ("gradient", "input_x_gradient", "integrated_gradients")
STEPS, BASELINE = 3, 0.2


class Quadratic(nn.Module):
    """Logits x.Qx / 2 + b.x and 0 and b.x: the gradient of the first is linear in x."""

    def __init__(self, elements: int, *, nonnegative: bool) -> None:
        super().__init__()
        rng = np.random.default_rng(5)
        half = rng.random((elements, elements)) if nonnegative else rng.standard_normal((elements, elements))
        self.q = torch.from_numpy(half + half.T)
        self.b = torch.from_numpy(rng.standard_normal(elements))

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        linear = flat @ self.b
        return torch.stack([(flat @ self.q * flat).sum(1) / 2 + linear, 0 * linear, linear], dim=1)


def picture(height: int, width: int) -> Tensor:
    return torch.rand((1, height, width), generator=torch.Generator().manual_seed(9), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_products_and_singular_values_are_those_of_the_dense_jacobian(kind: str, network: nn.Module) -> None:
    soft, image = Smooth(deepcopy(network).double(), 5.0), picture(10, 10)
    near = Differential(soft, image, 2, kind, steps=STEPS, baseline=BASELINE, batch=7)
    g = oracle.attribution(kind, soft, 2, STEPS, BASELINE)
    dense = oracle.dense(g, image)
    torch.testing.assert_close(near.values, g(image))
    np.testing.assert_allclose(jacobian(near).numpy(), dense, atol=1e-10)
    found = steepest(near)
    left, values, right = np.linalg.svd(dense)
    assert found.xi == pytest.approx(values[0], rel=1e-6) and found.residual < 1e-4
    assert abs(found.move.numpy().ravel() @ right[0]) == pytest.approx(1, abs=1e-6)
    changes = torch.from_numpy(left[:, :2].T.copy()).reshape(2, *image.shape)
    np.testing.assert_allclose(near.backwards(changes).flatten(1).numpy(), values[:2, None] * right[:2], atol=1e-10)
    assert absolute_sum(jacobian(near)) == pytest.approx(oracle.absolute_sum(dense))
    # In single precision, as the service computes, to the stated accuracy.
    single = Differential(Smooth(network, 5.0), image.float(), 2, kind, steps=STEPS, baseline=BASELINE)
    assert steepest(single).xi == pytest.approx(values[0], rel=1e-4)


@pytest.mark.parametrize("nonnegative", [True, False])
def test_where_the_gradient_is_linear_the_bound_is_the_worst_that_can_be_tried(*, nonnegative: bool) -> None:
    model, image = Quadratic(6, nonnegative=nonnegative), picture(2, 3)
    near = Differential(model, image, 0, "gradient")
    found, eps = steepest(near), 0.3
    bound = Bound(found.xi, float(near.values.norm()))
    matrix = jacobian(near).numpy()
    worst = eps * oracle.greatest_in_ball(matrix, np.random.default_rng(1))
    assert bound.distance(eps) == pytest.approx(worst, rel=1e-6)
    moved = near.at((image + eps * found.move)[None])[0] - near.values
    assert float(moved.norm()) == pytest.approx(bound.distance(eps)), "and its own move reaches it"
    assert adaptive_factor(near, found, eps) == pytest.approx(1)
    box, corner = absolute_sum(jacobian(near)), oracle.greatest_in_box(matrix)
    assert box == pytest.approx(corner) if nonnegative else box > 1.01 * corner
    assert relaxed(found.xi, 6, math.inf) >= corner


@pytest.mark.parametrize("norm", [1.0, 1.5, 2.0, 3.0, 8.0, math.inf])
def test_the_relaxed_rate_holds_in_every_norm(norm: float) -> None:
    matrix = np.random.default_rng(2).standard_normal((5, 5))
    moves = np.random.default_rng(3).standard_normal((20000, 5)) ** 3
    moves = np.vstack([moves, np.linalg.svd(matrix)[2], np.sign(np.linalg.svd(matrix)[2])])
    moves /= np.linalg.norm(moves, ord=norm, axis=1, keepdims=True)
    rate = relaxed(float(np.linalg.norm(matrix, 2)), 5, norm)
    assert np.linalg.norm(moves @ matrix.T, axis=1).max() <= rate * (1 + 1e-12)
    # For a multiple of a rotation the bound is reached, so that a smaller factor would be wrong.
    flat = np.full(5, 5 ** (-1 / norm)) if norm > 2 else np.eye(5)[0]
    assert np.linalg.norm(flat) == pytest.approx(relaxed(1.0, 5, norm))


def test_the_cosine_bound_is_the_worst_angle_in_a_ball_around_the_map() -> None:
    bound, eps = Bound(2.0, 1.5), 0.4
    angles = np.linspace(0, 2 * np.pi, 200_001)
    there = np.array([1.5, 0.0]) + bound.distance(eps) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    cosines = there[:, 0] / np.linalg.norm(there, axis=1)
    assert bound.cosine(eps) == pytest.approx(1 - cosines.min(), abs=1e-8)
    assert degrees(bound.cosine(eps)) == pytest.approx(np.degrees(np.arccos(cosines.min())), abs=1e-3)
    assert bound.cosine(0.75) == bound.cosine(9.0) == FURTHEST and degrees(FURTHEST) == pytest.approx(180)
    assert bound.cosine(eps, factor=1.5) == pytest.approx(bound.cosine(1.5 * eps))


def test_the_dual_is_the_inverse_rounded_down() -> None:
    for rate, length, wanted in np.random.default_rng(4).uniform(1e-3, 10, (200, 3)):
        bound = Bound(float(rate), float(length))
        eps = bound.largest(float(wanted))
        assert bound.distance(eps) <= wanted == pytest.approx(bound.distance(eps), rel=1e-12)
        assert bound.cosine(bound.largest_for_cosine(wanted / 11)) == pytest.approx(wanted / 11, rel=1e-9)
    assert Bound(0.0, 1.0).largest(0.1) == math.inf


def test_the_label_stays_up_to_the_first_gap_that_both_signs_close() -> None:
    """Logits linear in x: steps along the move, in either direction, show where the label goes."""
    torch.manual_seed(3)
    for _ in range(20):
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, 5)).double().requires_grad_(False)
        image, move = torch.rand(1, 2, 2).double(), torch.nn.functional.normalize(torch.randn(4).double(), dim=0)
        move, target = move.reshape(1, 2, 2), int(model(image[None]).argmax())
        kept = label_kept(model, image, target, move)
        reach = min(kept, 50.0)
        assert any(int(model((image + s * reach * (1 - 1e-9) * move)[None]).argmax()) == target for s in (1, -1))
        if kept < math.inf:
            gone = [int(model((image + s * kept * (1 + 1e-9) * move)[None]).argmax()) != target for s in (1, -1)]
            assert all(gone)
        assert label_kept(model, image, (target + 1) % 5, move) == 0
    two = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).double()
    assert label_kept(two, image, int(two(image[None]).argmax()), move) == math.inf, "one rival, as in the paper"


def test_softening_reaches_modules_functions_and_operations_in_place() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.ReLU(inplace=True)

        def forward(self, images: Tensor) -> Tensor:
            shown = self.first(images - 0.1).relu() + torch.relu(images - 0.2)
            return nn.functional.relu(shown.flatten(1) - 0.1)

    image = torch.linspace(-1, 1, 7).double().reshape(1, 1, 7)

    def smooth(pixels: Tensor) -> Tensor:
        return (1 + (10 * pixels).exp()).log() / 10

    expected = smooth(smooth(smooth(image - 0.1)) + smooth(image - 0.2) - 0.1)
    torch.testing.assert_close(Smooth(Mixed(), 10.0)(image[None]), expected.reshape(1, 7))
    torch.testing.assert_close(Mixed()(image[None]), Smooth(Mixed(), 1e6)(image[None]), atol=1e-5, rtol=0)
    for kinked in (nn.LeakyReLU(), nn.PReLU(), nn.Hardswish()):
        with pytest.raises(UnsupportedAttribution, match="curvature"):
            Smooth(kinked, 10.0)(image[None].float())


def test_the_method_says_what_it_is_and_adds_up(network: nn.Module, image: Tensor) -> None:
    target = int(network(image[None]).argmax())
    found = FirstOrder(FirstOrder.Params(radii=(0.02, 2.0), wanted=0.1, wanted_cosine=0.05))(network, image, target)
    assert found.guarantee == "first_order" and "not proven" in found.within[0].text
    assert "certif" not in " ".join(within.text for within in found.within)
    near = found.within[0]
    assert near.distance == pytest.approx(found.steepest.xi * 0.02) and near.adapted >= near.distance
    assert near.attained and near.cosine < 1 and 0 < found.departure < 1
    assert found.largest == pytest.approx(0.1 / found.steepest.xi)
    assert Bound(found.bound.rate, found.bound.length).cosine(found.largest_for_cosine) == pytest.approx(0.05)
    boxed = FirstOrder(FirstOrder.Params(norm="inf", radii=(0.02,)))(network, image, target)
    summed = FirstOrder(FirstOrder.Params(norm="inf", method="absolute_sum", radii=(0.02,)))(network, image, target)
    assert near.distance < summed.within[0].distance < boxed.within[0].distance == pytest.approx(10 * near.distance)
    assert summed.within[0].adapted is None and summed.within[0].attained is None


def test_a_model_without_curvature_has_the_bound_zero() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).requires_grad_(False)
    found = FirstOrder(FirstOrder.Params(wanted=1.0))(model, torch.rand(1, 2, 2), 0)
    assert found.steepest.xi == 0 and found.within[-1].adapted == 0 and found.largest == math.inf


def test_what_cannot_be_bounded_is_refused_with_advice(network: nn.Module, image: Tensor) -> None:
    large = torch.rand(3, 64, 64)
    with pytest.raises(InvalidSpec, match="4096 elements; this one has 12288"):
        FirstOrder(FirstOrder.Params(norm="inf", method="absolute_sum"))(Mean(), large, 0)
    with pytest.raises(InvalidSpec, match="norm inf"):
        FirstOrder(FirstOrder.Params(method="absolute_sum"))(network, image, 0)
    with pytest.raises(UnsupportedAttribution, match="did not settle"):
        steepest(
            Differential(Quadratic(400, nonnegative=False), picture(20, 20), 0, "gradient"), tolerance=1e-9, restarts=1
        )
    with pytest.raises(NonFiniteLogits):
        Differential(network, torch.full_like(image, math.nan), 0, "gradient")


class Mean(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return (images**3).mean(dim=(2, 3))
