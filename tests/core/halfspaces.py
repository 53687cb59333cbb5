"""A model whose smoothed map is known in closed form: cell i votes when w_i . z > b_i.

Its population mean at x is Phi((w_i . x - b_i) / sigma) for unit w_i, so that the worst perturbation is known too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.stats import norm


@dataclass(frozen=True)
class HalfSpaces:
    """Unit normals [cells, n], offsets [cells]; the image is the origin."""

    normals: ndarray
    offsets: ndarray
    sigma: float

    def votes(self, noise: ndarray) -> ndarray:
        """Votes per cell over the rows of `noise` [q, n]."""
        return ((noise @ self.normals.T) > self.offsets).sum(axis=0)

    def mean(self, move: ndarray) -> ndarray:
        """The population map at the image moved by `move`."""
        return np.asarray(norm.cdf((self.normals @ move - self.offsets) / self.sigma))

    @classmethod
    def opposed(
        cls, rng: np.random.Generator, cells: int, size: int, n: int, sigma: float, *, tilt: float, least: float = 0.45
    ) -> HalfSpaces:
        """The first `size` cells look along one direction, the rest against it, so that one move hurts all at once.

        `tilt` mixes in a direction of its own for each cell, which makes their votes less dependent. `least` is the
        least mean of the first cells; the others have means up to one half.
        """
        normals = rng.normal(size=(cells, n)) * tilt
        normals[:, 0] = np.where(np.arange(cells) < size, 1.0, -1.0)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        means = np.where(np.arange(cells) < size, rng.uniform(least, 0.95, cells), rng.uniform(0.05, 0.5, cells))
        return cls(normals, -norm.ppf(means) * sigma, sigma)
