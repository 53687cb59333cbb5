"""What a certificate of cells, mass or class speaks of, at maps that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from worker.core.certificates.evidence import Evidence
from worker.core.certificates.pixel_status import not_salient_radius, salient_radius

# Means of 1/2 by construction must not count as more than half for a rounding error.
ROUNDING = 1e-12


class Compared(NamedTuple):
    """The observed map, K, and true maps [k, cells] to compare it with."""

    evidence: Evidence
    size: int
    maps: ndarray


def truth(certificate: str, compared: Compared) -> ndarray:
    """The true value of what the certificate bounds from below, for each of the true maps; ties count against it."""
    return TRUE[certificate](compared)


def wrong_marks(compared: Compared, rho: float) -> int:
    """Of the cells marked salient or marked not salient, whichever are more often wrong: how many, in the worst map."""
    evidence, size, maps = compared
    salient, outside = salient_radius(evidence, size) > rho, not_salient_radius(evidence, size) > rho
    lost = salient.sum() - _kept(maps, salient, size)
    gained = outside.sum() - _kept(-maps, outside, evidence.cells - size)
    return int(max(lost.max(), gained.max()))


def top(evidence: Evidence, size: int) -> ndarray:
    """The observed top-K set, as marks."""
    return np.isin(np.arange(evidence.cells), evidence.order[:size])


def _kept(maps: ndarray, inside: ndarray, size: int) -> ndarray:
    """How many of the cells `inside` are among the `size` largest of each map, last among equals."""
    order = np.lexsort((np.broadcast_to(inside, maps.shape), -maps), axis=-1)
    return np.asarray(inside[order[:, :size]].sum(axis=1))


def _overlap(compared: Compared) -> ndarray:
    evidence, size, maps = compared
    return _kept(maps, top(evidence, size), size) / size


def _rank(compared: Compared) -> ndarray:
    evidence, size, maps = compared
    return _kept(maps, top(evidence, size), min(2 * size, evidence.cells - 1)) / size


def _votes(compared: Compared) -> ndarray:
    evidence, size, maps = compared
    return np.asarray((maps[:, top(evidence, size)] > 0.5 + ROUNDING).sum(axis=1) / size)


def _kendall(compared: Compared) -> ndarray:
    evidence, _, maps = compared
    first, second = np.triu_indices(evidence.cells, 1)
    here = np.sign(evidence.votes[first] - evidence.votes[second])
    same = (here * np.sign(maps[:, first] - maps[:, second]) > 0).mean(axis=1)
    return np.asarray(2 * same - 1)


def _cosine(compared: Compared) -> ndarray:
    evidence, _, maps = compared
    lengths = np.linalg.norm(maps, axis=1) * np.linalg.norm(evidence.mean)
    return np.asarray(maps @ evidence.mean / np.where(lengths > 0, lengths, 1.0))


def _region(compared: Compared) -> ndarray:
    """The upper of two rows, in which all four marked cells may be."""
    return np.asarray(compared.maps[:, : compared.evidence.cells // 2].sum(axis=1) / 4)


def _class(compared: Compared) -> ndarray:
    return np.asarray(compared.maps[:, 0] > 0.5 + ROUNDING, dtype=np.float64)


TRUE: dict[str, Callable[[Compared], ndarray]] = {
    "topk_overlap": _overlap,
    "topk_overlap_as_printed": _overlap,
    "pixel_status": _overlap,
    "certified_rank": _rank,
    "vote_status": _votes,
    "kendall": _kendall,
    "cosine": _cosine,
    "cosine_norm_ball": _cosine,
    "wang_kong_2024_as_printed": _cosine,
    "region_mass": _region,
    "prediction": _class,
}
