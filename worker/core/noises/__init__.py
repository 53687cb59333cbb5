"""Noise laws: how samples are drawn around the image, and how far a mean can move when the image moves."""

from worker.core.noises.base import Noise
from worker.core.registry import Registry

NOISES: Registry[Noise] = Registry("noise", __name__, Noise)
