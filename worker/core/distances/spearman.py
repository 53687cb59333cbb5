"""Spearman's rank correlation."""

from __future__ import annotations

from typing import ClassVar

import torch
from scipy.stats import rankdata

from worker.core.distances.base import Distance, Maps, Rows
from worker.core.distances.pearson import pearson


class Spearman(Distance):
    """The linear correlation of the cells' ranks, in [-1,1]; equal cells share their mean rank; 0 where either map is
    constant.

    Ranks have no derivative: attacks climb the correlation of the cells themselves.
    """

    name: ClassVar[str] = "spearman"
    summary: ClassVar[str] = "Correlation of the cells' ranks; equal cells share their mean rank"
    source: ClassVar[str] = "Spearman 1904"
    similarity: ClassVar[bool] = True

    def run(self, first: Maps, second: Maps) -> Rows:
        return pearson(_ranks(first), _ranks(second))

    def ascent(self, first: Maps, second: Maps) -> Rows:
        return -pearson(first.double(), second.double())


def _ranks(maps: Maps) -> Maps:
    ranks = rankdata(maps.detach().flatten(1).cpu().numpy(), axis=1)
    return torch.from_numpy(ranks).to(maps.device).reshape(maps.shape)
