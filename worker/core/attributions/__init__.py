"""Attributions: for each noisy image, how much each element matters for the fixed target class."""

from worker.core.attributions.base import Attribution
from worker.core.registry import Registry

ATTRIBUTIONS: Registry[Attribution] = Registry("attribution", __name__, Attribution)
