"""The radius map as JSON, for viewers: up to where each cell is certified salient, and up to where not salient."""

from __future__ import annotations

import json
import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

# Radii are written as multiples of 1 / STEPS.
STEPS = 10_000
UNIT = "l2 norm in [0,1] pixel units"

Cells = Float[ndarray, "rows columns"]


def radii(salient: Cells, not_salient: Cells, k: int, failures: int, noun: str) -> bytes:
    """The greatest multiple of 0.0001 at which each cell is still certified; 0: not certified; null: at any radius.

    `k` is the size of the top-K set that the radii speak of. Of the cells marked at one radius all but at most
    `allowed_failures` are rightly so, among the salient and among the others.
    """
    rows, columns = salient.shape
    document = {
        "rows": rows,
        "columns": columns,
        "cells": noun,
        "k": k,
        "allowed_failures": failures,
        "rho_unit": UNIT,
        "salient": _written(salient),
        "not_salient": _written(not_salient),
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _written(radii: Cells) -> list[list[float | int | None]]:
    steps = np.floor(np.clip(radii, 0.0, np.finfo(np.float64).max / STEPS) * STEPS)
    # A cell is certified below its radius, not at it.
    steps = np.maximum(np.where(steps / STEPS < radii, steps, steps - 1), 0.0) / STEPS
    shown = np.where(np.isposinf(radii), np.inf, steps)
    return [[None if math.isinf(radius) else radius or 0 for radius in row] for row in shown.tolist()]
