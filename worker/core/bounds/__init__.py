"""Intervals: from counts to simultaneous confidence intervals for the population means of all cells."""

from worker.core.bounds.base import Interval
from worker.core.registry import Registry

INTERVALS: Registry[Interval] = Registry("interval", __name__, Interval)
