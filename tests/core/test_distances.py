"""Distances against scipy and against their definitions written out, on maps with ties; faithfulness by loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from numpy import ndarray
from scipy import stats
from torch import Tensor, nn

from tests.oracles import similarity
from worker.contract.errors import DegenerateMap, InvalidSpec, NoCells
from worker.contract.spec import Method
from worker.core.distances import DISTANCES
from worker.core.distances.base import Distance
from worker.core.distances.deletion import area, certified_first, deletion, insertion, ranked
from worker.core.distances.sensitivity import sensitivity_max

SHAPE = (2, 12, 13)
NAMES = sorted(DISTANCES.entries)


def build(name: str, **params: object) -> Distance:
    return DISTANCES.build(Method.model_validate({"name": name, **params}), "/distance")


def overlap(one: ndarray, other: ndarray, k: float = 0.2) -> float:
    size = math.ceil(k * one.size)
    tops = [set(sorted(range(each.size), key=lambda i: (-abs(each.flat[i]), i))[:size]) for each in (one, other)]
    return len(tops[0] & tops[1]) / size


def tau_b(one: ndarray, other: ndarray) -> float:
    above, pairs = 0, list(combinations(zip(one.flat, other.flat, strict=True), 2))
    for first, second in pairs:
        above += int(np.sign(first[0] - second[0]) * np.sign(first[1] - second[1]))
    untied = [sum(first[side] != second[side] for first, second in pairs) for side in (0, 1)]
    return above / math.sqrt(untied[0] * untied[1])


def centre_shift(one: ndarray, other: ndarray) -> float:
    centres = []
    for each in (one, other):
        total, row, column = 0.0, 0.0, 0.0
        for (_, y, x), value in np.ndenumerate(each):
            total, row, column = total + abs(value), row + y * abs(value), column + x * abs(value)
        centres.append((row / total, column / total))
    return math.dist(*centres)


def ssim(one: ndarray, other: ndarray) -> float:
    """Window by window, pixel by pixel."""
    weights = [math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / 4.5) for i in range(11) for j in range(11)]
    weights = [weight / sum(weights) for weight in weights]
    found = []
    first, second = one / abs(one).max(), other / abs(other).max()
    for layer in range(one.shape[0]):
        for y in range(one.shape[1] - 10):
            for x in range(one.shape[2] - 10):
                a, b = (each[layer, y : y + 11, x : x + 11].ravel() for each in (first, second))
                m, n = (sum(w * v for w, v in zip(weights, each, strict=True)) for each in (a, b))
                va, vb = (
                    sum(w * (v - mean) ** 2 for w, v in zip(weights, each, strict=True))
                    for each, mean in ((a, m), (b, n))
                )
                cov = sum(w * (v - m) * (u - n) for w, v, u in zip(weights, a, b, strict=True))
                found.append((2 * m * n + 1e-4) * (2 * cov + 9e-4) / ((m * m + n * n + 1e-4) * (va + vb + 9e-4)))
    return sum(found) / len(found)


ORACLES: dict[str, list[Callable[[ndarray, ndarray], float]]] = {
    "topk_overlap": [overlap],
    "kendall": [tau_b, lambda a, b: stats.kendalltau(a.ravel(), b.ravel()).statistic],
    "spearman": [lambda a, b: stats.spearmanr(a.ravel(), b.ravel()).statistic],
    "pearson": [lambda a, b: stats.pearsonr(a.ravel(), b.ravel()).statistic],
    "cosine": [lambda a, b: similarity.cosine(a.ravel().tolist(), b.ravel().tolist())],
    "angle": [lambda a, b: math.degrees(math.acos(similarity.cosine(a.ravel().tolist(), b.ravel().tolist())))],
    "l2": [lambda a, b: math.dist(a.ravel(), b.ravel())],
    "mass_centre": [centre_shift],
    "ssim": [ssim],
}


def maps(kind: str, rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(11)
    if kind == "ties":
        return torch.randint(0, 4, (rows, *SHAPE), generator=generator).float()
    return torch.randn((rows, *SHAPE), generator=generator) * (1e-20 if kind == "tiny" else 1.0)


@pytest.mark.parametrize("kind", ["ties", "signed", "tiny"])
@pytest.mark.parametrize("name", NAMES)
def test_distances_are_their_definitions(name: str, kind: str) -> None:
    first, second = maps(kind, 4).split(2)
    second = 0.5 * first + second if kind == "signed" else second
    for oracle in ORACLES[name]:
        expected = [oracle(a.double().numpy(), b.double().numpy()) for a, b in zip(first, second, strict=True)]
        assert build(name)(first, second).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-26)


def test_kendall_with_ties_discordant_is_the_number_that_is_certified() -> None:
    first, second = maps("ties", 4).split(2)
    expected = [
        similarity.kendall(a.flatten().tolist(), b.flatten().tolist()) for a, b in zip(first, second, strict=True)
    ]
    assert build("kendall", ties="discordant")(first, second).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_harm_rises_along_the_ascent_and_is_least_at_the_map_itself(name: str) -> None:
    distance, first = build(name), maps("signed", 2).abs()
    same = distance.harm(first, first)
    assert same.tolist() == pytest.approx([-1.0 if distance.similarity else 0.0] * 2, abs=1e-5)
    at_itself = first.clone().requires_grad_()
    assert bool(torch.isfinite(torch.autograd.grad(distance.ascent(first, at_itself).sum(), at_itself)[0]).all())
    moved = first + 0.05 * maps("signed", 4)[2:].abs()
    for _ in range(10):
        moved = moved.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(distance.ascent(first, moved).sum(), moved)
        moved = (moved + 0.1 * gradient / gradient.flatten(1).norm(dim=1)[:, None, None, None]).clamp(min=0)
    assert bool((distance.harm(first, moved.detach()) > same + 1e-3).all())


def test_a_constant_map_is_like_no_other_and_a_broken_one_is_refused() -> None:
    first = maps("signed", 1)
    for name in ("cosine", "pearson", "spearman", "kendall"):
        assert build(name)(first, torch.zeros_like(first)).item() == 0.0
        assert build(name)(torch.zeros_like(first), torch.zeros_like(first)).item() == 0.0
    for name in ("pearson", "spearman", "kendall"):
        assert build(name)(first, torch.full_like(first, 0.1)).item() == 0.0
    assert build("angle")(first, torch.zeros_like(first)).item() == pytest.approx(90.0)
    middle = torch.zeros_like(first)
    middle[..., 5:7, 6] = 1.0
    assert build("mass_centre")(torch.zeros_like(first), middle).item() == pytest.approx(0.0)
    assert build("kendall", ties="discordant")(first, torch.ones_like(first)).item() == -1.0
    with pytest.raises(DegenerateMap, match="not finite"):
        build("l2")(first, first / 0)
    with pytest.raises(NoCells, match=r"the smallest k here is 0\.0032"):
        build("topk_overlap", k=0.001)(first, first)


class Share(nn.Module):
    """Class 0's logit is the weighted sum of the pixels, class 1's is zero."""

    def forward(self, images: Tensor) -> Tensor:
        worth = (images * torch.tensor([[1.0, -2.0, 0.5], [4.0, 0.0, 3.0]])).sum(dim=(1, 2, 3))
        return torch.stack([worth, torch.zeros_like(worth)], dim=1)


def test_deletion_and_insertion_are_the_loop_written_out() -> None:
    image, blank = torch.rand((2, 2, 3), generator=torch.Generator().manual_seed(5)), torch.zeros(2, 2, 3)
    saliency = np.array([[0.1, 0.7, 0.1], [0.9, 0.0, 0.7]])
    order = ranked(saliency)
    assert order.tolist() == [3, 1, 5, 0, 2, 4]
    expected = []
    for gone in (0, 2, 3, 5, 6):
        copy = image.clone()
        for pixel in order[:gone]:
            copy[:, pixel // 3, pixel % 3] = 0
        expected.append(torch.softmax(Share()(copy[None]).double(), dim=1)[0, 0].item())
    curve = deletion(Share(), image, 0, order, blank, steps=4, batch=2)
    assert curve.tolist() == pytest.approx(expected)
    assert area(curve) == pytest.approx(sum((a + b) / 8 for a, b in pairwise(expected)))
    back = insertion(Share(), image, 0, order[::-1].copy(), blank, steps=6)
    assert back.tolist() == pytest.approx(deletion(Share(), image, 0, order, blank, steps=6)[::-1].tolist())
    radii = np.array([[0.0, 0.2, 0.3], [0.2, 0.0, 0.0]])
    assert certified_first(radii, saliency).tolist() == [2, 3, 1, 5, 0, 4]
    with pytest.raises(InvalidSpec, match="each of the 6 pixels once"):
        deletion(Share(), image, 0, order[:5], blank)


def test_a_constant_map_cannot_win_on_deletion() -> None:
    image, blank, weights = torch.ones(1, 2, 3), torch.zeros(1, 2, 3), np.array([[1.0, -2.0, 0.5], [4.0, 0.0, 3.0]])
    areas = [area(deletion(Share(), image, 0, ranked(each), blank, 6)) for each in (weights, np.ones((2, 3)), -weights)]
    assert areas[0] < areas[1] < areas[2]


def test_sensitivity_max_of_a_linear_map_stays_below_its_bound() -> None:
    weights = torch.tensor([1.0, -3.0, 2.0]).reshape(1, 1, 1, 3)
    images = torch.tensor([[1.0, 2.0, 0.5], [0.0, 1.0, 1.0]]).reshape(2, 1, 1, 3)
    few, many = (sensitivity_max(lambda each: each * weights, images, 0.1, draws, seed=3) for draws in (1, 400))
    bound = 0.1 * weights.norm() / (images * weights).flatten(1).norm(dim=1)
    assert bool((few < many).all() and (many <= bound).all() and (many > 0.9 * bound).all())
    assert sensitivity_max(torch.zeros_like, images, 0.1).tolist() == [0.0, 0.0]
