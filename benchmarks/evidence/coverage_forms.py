"""Families of closed forms for the study of coverage, from easy to hard."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from benchmarks.evidence.closed_forms import Coordinate, HalfSpaces, Model, Steps

# SIGMA is the spread of the noise along every coordinate.
CELLS, SIZE, SIGMA = 24, 6, 0.25


class Given(NamedTuple):
    """What a model is made from: random numbers, the law of the noise, and what the certificate is asked for."""

    rng: Generator
    law: Coordinate
    rho: float
    failures: int


Make = Callable[[Given], Model]


class Form(NamedTuple):
    """A family of models, and what it is in words."""

    make: Make
    words: str


def _means(rng: Generator) -> np.ndarray:
    """Of the first SIZE cells 0.45 to 0.95, of the others 0.05 to 0.5: near ties are common."""
    return np.where(np.arange(CELLS) < SIZE, rng.uniform(0.45, 0.95, CELLS), rng.uniform(0.05, 0.5, CELLS))


def _opposed(given: Given) -> Model:
    sign = np.where(np.arange(CELLS) < SIZE, 1.0, -1.0)
    return HalfSpaces(given.law, np.zeros(CELLS, dtype=int), sign, given.law.border(_means(given.rng)))


def _independent(given: Given) -> Model:
    return HalfSpaces(given.law, np.arange(CELLS), np.ones(CELLS), given.law.border(_means(given.rng)))


def _meeting(given: Given) -> Model:
    return HalfSpaces(given.law, np.zeros(2, dtype=int), np.array([1.0, -1.0]), np.array([-given.rho, given.rho]))


def _coins(given: Given) -> Model:
    return HalfSpaces(given.law, np.arange(CELLS) // (given.failures + 1), np.ones(CELLS), np.zeros(CELLS))


def _threshold(given: Given) -> Model:
    return HalfSpaces(given.law, np.zeros(1, dtype=int), np.ones(1), given.law.border(given.rng.uniform(0.6, 0.95, 1)))


def _boundary(given: Given) -> Model:
    return HalfSpaces(given.law, np.zeros(1, dtype=int), np.ones(1), np.array([-given.rho]))


def _ladder(steps: int) -> Make:
    """Of ten cells in two rows four are marked; 4 / steps more of them are in the upper row with each step of z_0."""

    def make(given: Given) -> Model:
        upper = np.arange(steps + 1)[:, None] * (4 // steps)
        rows = np.hstack([np.arange(5) < upper, np.arange(5) < 4 - upper]).astype(np.float64)
        return Steps(given.law, np.sort(given.law.border(given.rng.uniform(0.3, 0.95, steps))), rows)

    return make


def _axes(count: int) -> Make:
    """Unit maps along `count` axes, by where z_0 lies among as many slabs."""

    def make(given: Given) -> Model:
        shares = (np.arange(1, count) + given.rng.uniform(-0.2, 0.2)) / count
        return Steps(given.law, np.sort(given.law.border(shares)), np.eye(count))

    return make


def _mixed(given: Given) -> Model:
    rows = given.rng.exponential(size=(8, 12)) ** 3
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Steps(given.law, np.sort(given.law.border(np.arange(1, 8) / 8)), rows)


def _disjoint(given: Given) -> Model:
    radius = float(given.law.noise.params.r)
    return Steps(given.law, np.array([given.rho - radius, radius]), np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]))


FORMS: dict[str, Form] = {
    "opposed": Form(
        _opposed, f"{SIZE} half-spaces along one direction, {CELLS - SIZE} against it: errors depend on each other"
    ),
    "independent": Form(_independent, f"{CELLS} half-spaces along axes of their own: errors are independent"),
    "meeting": Form(
        _meeting,
        "two opposed half-spaces whose means meet at rho exactly: to certify anything of the population is wrong",
    ),
    "coins": Form(
        _coins, f"{CELLS} cells of mean 1/2, in independent groups of f + 1 equal ones: worst for f allowed failures"
    ),
    "threshold": Form(_threshold, "one half-space, whose distance is the true radius of its class"),
    "boundary": Form(_boundary, "one half-space at distance rho exactly: to certify anything is wrong"),
    "ladder 1": Form(_ladder(1), "all marked cells change sides of the region together, at one half-space"),
    "ladder 4": Form(_ladder(4), "the marked cells change sides one by one, at four parallel half-spaces"),
    "axes 2": Form(_axes(2), "unit maps along two axes, changing at a half-space: the mean moves as far as it can"),
    "axes 10": Form(_axes(10), "unit maps along ten axes, one for each of ten slabs: much sampling error"),
    "mixed": Form(_mixed, "random real-valued unit maps of 12 cells, one for each of eight slabs"),
    "disjoint": Form(_disjoint, "e_1 on the ball at x alone, e_2 on that at x + d alone, else 0: the true cosine is 0"),
}
