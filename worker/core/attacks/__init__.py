"""Attacks on explanations: moves of the image inside a ball, searched for here and judged by the base alone."""

from worker.core.attacks.base import Attack
from worker.core.registry import Registry

ATTACKS: Registry[Attack] = Registry("attack", __name__, Attack)
