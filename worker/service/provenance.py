"""Which code and which libraries computed a result."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import worker.contract
import worker.core

LIBRARIES = ("numpy", "pillow", "scipy", "torch", "torchvision")


def service_version() -> str:
    return version("surety")


@cache
def code_digest() -> str:
    """SHA-256 over the sources that decide numbers: worker/contract and worker/core, names and contents in order."""
    digest = sha256()
    for package in (worker.contract, worker.core):
        folder = Path(package.__path__[0])
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"{folder.name}/{file.relative_to(folder).as_posix()}\0".encode())
            digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def library_versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}
