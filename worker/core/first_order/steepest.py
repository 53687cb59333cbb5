"""The move that changes an attribution most, to first order: the largest singular value of its Jacobian."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

from worker.contract.errors import UnsupportedAttribution
from worker.core.first_order.differential import Differential

SEED = 0


class Steepest(NamedTuple):
    """`xi`: the largest singular value of J; `move`: its right singular vector, of norm 1 and either sign.

    `residual` is ||P v - xi^2 v|| / xi^2 for P = J^T J: some eigenvalue of P lies that near to xi^2, relatively.
    `products` counts the products with P, two Jacobian-vector products each.
    """

    xi: float
    move: Float[Tensor, "channels height width"]
    residual: float
    products: int


def steepest(differential: Differential, tolerance: float = 1e-5, restarts: int = 40) -> Steepest:
    """By implicitly restarted Lanczos (ARPACK) on P = J^T J: no more than products with J and J^T.

    A Lanczos value is at most the true one; it is within `tolerance` relatively unless the start has no share in the
    leading direction. Memory: 20 images in float64 beside the network's own; time: about 10 products a restart.
    Raises: UnsupportedAttribution if that does not settle within `restarts`.
    """
    products = 0

    def normal(flat: Float[ndarray, "..."]) -> Float[ndarray, " elements"]:
        nonlocal products
        products += 1
        move = torch.from_numpy(flat.reshape(1, *differential.image.shape)).to(differential.image)
        image: ndarray = differential.backwards(differential.forwards(move)).double().cpu().numpy().ravel()
        return image

    start = np.random.default_rng(SEED).standard_normal(differential.elements)
    if not normal(start).any():  # No curvature: every move is as good, and ARPACK needs a matrix other than zero.
        return Steepest(0.0, _image(start, differential), 0.0, products)
    operator = LinearOperator((start.size, start.size), matvec=normal, dtype=np.float64)
    try:
        values, vectors = eigsh(operator, k=1, which="LM", v0=start, tol=tolerance, maxiter=restarts)
    except ArpackNoConvergence:
        raise UnsupportedAttribution(
            f"The largest singular value did not settle within {products} products; allow more restarts or a larger "
            "tolerance, or take a smaller beta."
        ) from None
    square, vector = float(values[0]), vectors[:, 0]
    residual = float(np.linalg.norm(normal(vector) - square * vector)) / square
    return Steepest(square**0.5, _image(vector, differential), residual, products)


def _image(vector: Float[ndarray, " elements"], differential: Differential) -> Float[Tensor, "channels height width"]:
    unit = torch.from_numpy(vector / np.linalg.norm(vector))
    return unit.reshape(differential.image.shape).to(differential.image)
