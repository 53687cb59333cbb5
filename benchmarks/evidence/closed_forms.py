"""Models whose smoothed map is known at every moved image: half-spaces, and steps along one line. The image is 0."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.special import betainc, betaincinv, ndtr, ndtri

from worker.core.noises.base import Noise
from worker.core.noises.uniform_ball import SHORTER, UniformBall

# How far along each direction moves are tried, as shares of rho.
SHARES = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Coordinate:
    """The law of one coordinate of the noise: normal, or for the ball (1 + z / r) / 2 ~ Beta((n+1)/2, (n+1)/2)."""

    noise: Noise
    elements: int

    def above(self, border: ndarray) -> ndarray:
        """The probability of a value above `border`."""
        if isinstance(self.noise, UniformBall):
            share = np.clip((1 - border / (self.noise.params.r * SHORTER)) / 2, 0.0, 1.0)
            return np.asarray(betainc(self._half, self._half, share))
        return np.asarray(ndtr(-border / self.noise.params.sigma))

    def border(self, mean: ndarray) -> ndarray:
        """The inverse of `above`."""
        if isinstance(self.noise, UniformBall):
            return np.asarray(self.noise.params.r * SHORTER * (1 - 2 * betaincinv(self._half, self._half, mean)))
        return np.asarray(-self.noise.params.sigma * ndtri(mean))

    @property
    def _half(self) -> float:
        return (self.elements + 1) / 2


class Model(ABC):
    """A map of every noisy image, and its mean at every moved image."""

    law: Coordinate

    @property
    @abstractmethod
    def cells(self) -> int:
        """How many."""

    @abstractmethod
    def values(self, noise: ndarray) -> ndarray:
        """The map of each row of `noise` [q, elements]: values in [0,1], [q, cells]."""

    @abstractmethod
    def mean(self, moves: ndarray) -> ndarray:
        """The population map at the image moved by each row of `moves` [k, elements]: [k, cells]."""

    @abstractmethod
    def directions(self, inside: ndarray) -> ndarray:
        """Where to move, [k, elements], so that the cells marked in `inside` lose to the others."""

    def moves(self, rho: float, inside: ndarray) -> ndarray:
        """The moves that are tried: none, and up to rho along every direction and against it."""
        along = self.directions(inside)
        lengths = np.linalg.norm(along, axis=1, keepdims=True)
        along = np.unique((along / np.maximum(lengths, 1e-300))[lengths[:, 0] > 0], axis=0)
        signed = np.concatenate([along, -along])
        return np.concatenate([np.zeros((1, self.law.elements)), *(share * rho * signed for share in SHARES)])


@dataclass(frozen=True)
class HalfSpaces(Model):
    """Cell i is marked where sign_i * z[axis_i] > border_i: under normal noise, of each axis on its own."""

    law: Coordinate
    axis: ndarray
    sign: ndarray
    border: ndarray

    @property
    def cells(self) -> int:
        return len(self.border)

    @property
    def distance(self) -> float:
        """How far the image may move before the first cell is marked no more than half of the time."""
        return -float(self.border[0])

    def values(self, noise: ndarray) -> ndarray:
        return np.asarray(self.sign * noise[:, self.axis] > self.border, dtype=np.float64)

    def mean(self, moves: ndarray) -> ndarray:
        return np.asarray(self.law.above(self.border - self.sign * moves[:, self.axis]))

    def directions(self, inside: ndarray) -> ndarray:
        """Against the j weakest cells inside and along the j strongest outside, equally, for every j."""
        hurt = self.sign[:, None] * np.eye(self.law.elements)[self.axis]
        rising = np.argsort(-self.border, kind="stable")
        weakest, strongest = rising[inside[rising]], rising[::-1][~inside[rising[::-1]]]
        most = min(len(weakest), len(strongest))
        if most == 0:
            return np.asarray(-hurt[weakest[:1]])
        return np.cumsum(hurt[strongest[:most]] - hurt[weakest[:most]], axis=0)


@dataclass(frozen=True)
class Steps(Model):
    """The map is row number #{borders below z_0} of `rows` [borders + 1, cells], so that only moves of z_0 count."""

    law: Coordinate
    borders: ndarray
    rows: ndarray

    @property
    def cells(self) -> int:
        return int(self.rows.shape[1])

    def values(self, noise: ndarray) -> ndarray:
        return np.asarray(self.rows[np.searchsorted(self.borders, noise[:, 0])])

    def mean(self, moves: ndarray) -> ndarray:
        above = self.law.above(self.borders - moves[:, :1])
        ends = np.ones((len(moves), 1)), np.zeros((len(moves), 1))
        return np.asarray(-np.diff(np.hstack([ends[0], above, ends[1]]), axis=1) @ self.rows)

    def directions(self, inside: ndarray) -> ndarray:
        return np.eye(self.law.elements)[:1]
