"""The formulas of first-order bounds, with dense matrices and by trying moves."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn


def attribution(kind: str, model: nn.Module, target: int, steps: int, baseline: float) -> Callable[[Tensor], Tensor]:
    """g as one differentiable function of an image, from its definition."""

    def slope(image: Tensor) -> Tensor:
        return torch.func.grad(lambda pixels: model(pixels[None])[0, target])(image)

    def integrated(image: Tensor) -> Tensor:
        start = torch.full_like(image, baseline)
        slopes = [slope(start + (j + 0.5) / steps * (image - start)) for j in range(steps)]
        return (image - start) * sum(slopes) / steps

    return {"gradient": slope, "input_x_gradient": lambda x: x * slope(x), "integrated_gradients": integrated}[kind]


def dense(g: Callable[[Tensor], Tensor], image: Tensor) -> ndarray:
    """The whole Jacobian of g, [elements, elements]."""
    matrix = torch.func.jacrev(g)(image)
    return matrix.reshape(image.numel(), image.numel()).numpy()


def greatest_in_ball(matrix: ndarray, rng: np.random.Generator) -> float:
    """max ||J d|| over ||d||_2 <= 1, by trying: of many directions the best, and then ever nearer to it."""
    best = np.zeros(matrix.shape[1])
    for width in [np.inf, *(0.5**n for n in range(24))]:
        tried = rng.standard_normal((4000, matrix.shape[1]))
        tried = np.vstack([best, tried if np.isinf(width) else best + width * tried])
        tried = tried / np.maximum(np.linalg.norm(tried, axis=1, keepdims=True), 1e-300)
        best = tried[np.argmax(np.linalg.norm(tried @ matrix.T, axis=1))]
    return float(np.linalg.norm(matrix @ best))


def greatest_in_box(matrix: ndarray) -> float:
    """max ||J d|| over ||d||_inf <= 1: a convex function is greatest in a corner, so all are tried."""
    return max(float(np.linalg.norm(matrix @ np.array(corner))) for corner in product((-1, 1), repeat=len(matrix)))


def absolute_sum(matrix: ndarray) -> float:
    """sqrt(sum |P_ij|), P_ij the product of the columns i and j."""
    n = len(matrix)
    return sum(abs(float(matrix[:, i] @ matrix[:, j])) for i in range(n) for j in range(n)) ** 0.5
