"""The l-infinity bound from the magnitudes of P = J^T J, which needs the whole Jacobian."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from worker.contract.errors import InvalidSpec
from worker.core.first_order.differential import Differential

# J takes 64 MiB in float32 then; P is never held, only a block of its rows.
MOST_ELEMENTS = 4096
ROWS = 256


def jacobian(differential: Differential) -> Float[Tensor, "elements elements"]:
    """J[i, j], the derivative of g_i by x_j, a block of columns at a time.

    Raises: InvalidSpec for images of more than 4,096 elements, before anything is computed.
    """
    elements, shape = differential.elements, differential.image.shape
    if elements > MOST_ELEMENTS:
        raise InvalidSpec(
            f"The absolute sum needs the whole Jacobian and is offered for images of up to {MOST_ELEMENTS} elements; "
            f"this one has {elements}. Use the method spectral, which is looser.",
            pointer="/spec/bounds/method",
        )
    axes = torch.eye(elements, device=differential.image.device, dtype=differential.image.dtype)
    columns = [differential.forwards(block.reshape(-1, *shape)).flatten(1) for block in torch.split(axes, ROWS)]
    return torch.cat(columns).T


def absolute_sum(matrix: Float[Tensor, "elements elements"]) -> float:
    """sqrt(sum |P_ij|): for ||d||_inf <= 1, ||J d||_2 is at most this.

    It is reached where some signs s make every s_i s_j P_ij >= 0.
    Source: Wang and Kong 2023, Theorem 2, which claims equality in every corner of the box; that is not so.
    """
    return math.sqrt(math.fsum(float((block.T @ matrix).abs().sum()) for block in torch.split(matrix, ROWS, dim=1)))
