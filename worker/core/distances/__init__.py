"""Distances between maps, behind a registry; beside them, measures of how faithful one map is to the model."""

from worker.core.distances.base import Distance
from worker.core.registry import Registry

DISTANCES: Registry[Distance] = Registry("distance", __name__, Distance)
