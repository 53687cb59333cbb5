"""The vote rule of Anani et al. (ICML 2025) as published: SegCertify of Fischer et al. (ICML 2021) for two classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy.special import ndtri
from scipy.stats import binom


class Published(NamedTuple):
    """Their settings: samples that choose a cell's class, the threshold (their tau), and the error of the whole map."""

    n0: int = 10
    threshold: float = 0.75
    alpha: float = 0.001

    def radius(self, sigma: float) -> float:
        """One radius for every cell that is not abstained on: sigma * Phi^-1(tau)."""
        return float(sigma * ndtri(self.threshold))


def segcertify(votes: ndarray, settings: Published) -> ndarray:
    """1 for cells certified salient, -1 for certified not salient, 0 where it abstains, from votes [samples, cells].

    The first n0 samples choose each cell's class by majority, a tie counting as not salient. The others test whether
    that class has a share above the threshold: exact one-sided binomial tests, of all cells at once by Holm's method
    (the paper allows Bonferroni's too, which never certifies more). With probability at least 1 - alpha every class
    given is that of more than half of the noisy images around x + d, for every ||d||_2 <= `radius`.
    """
    salient = votes[: settings.n0].mean(axis=0) > 0.5
    tested = votes[settings.n0 :]
    counts = tested.sum(axis=0, dtype=np.int64)
    agreeing = np.where(salient, counts, len(tested) - counts)
    rejected = holm(binom.sf(agreeing - 1, len(tested), settings.threshold), settings.alpha)
    return np.where(rejected, np.where(salient, 1, -1), 0).astype(np.int8)


def holm(p: ndarray, alpha: float) -> ndarray:
    """Which hypotheses are rejected: the smallest p-values, up to the first above alpha over those still left."""
    order = np.argsort(p, kind="stable")
    kept = p[order] > alpha / np.arange(len(p), 0, -1)
    rejected = np.zeros(len(p), dtype=bool)
    rejected[order[: int(kept.argmax()) if kept.any() else len(p)]] = True
    return rejected
