"""Granularities: what one cell of the map is."""

from worker.core.granularities.base import Granularity
from worker.core.registry import Registry

GRANULARITIES: Registry[Granularity] = Registry("granularity", __name__, Granularity)
