"""Certificates: what follows from the intervals for every perturbed image within a radius. One file each."""

from worker.core.certificates.base import Certifier
from worker.core.registry import Registry

CERTIFICATES: Registry[Certifier] = Registry("certificate", __name__, Certifier)
