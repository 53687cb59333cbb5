"""Maps: from magnitudes to values in [0,1] per cell, one map per sample."""

from worker.core.maps.base import SampleMap
from worker.core.registry import Registry

MAPS: Registry[SampleMap] = Registry("map", __name__, SampleMap)
