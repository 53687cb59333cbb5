"""Which code and which libraries computed a result."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import models
import worker.contract
import worker.core
import worker.dicom
from worker.service import images

LIBRARIES = ("numpy", "pillow", "scipy", "torch", "torchvision")


def service_version() -> str:
    return version("surety")


@cache
def code_digest() -> str:
    """SHA-256 over the sources that decide numbers, names and contents in order: worker/contract, worker/core,
    worker/dicom, models, and the decoding of images."""
    folders = [Path(package.__path__[0]) for package in (worker.contract, worker.core, worker.dicom, models)]
    files = [(folder.name, folder, file) for folder in folders for file in sorted(folder.rglob("*.py"))]
    decoding = Path(images.__file__)
    digest = sha256()
    for name, folder, file in [*files, ("service", decoding.parent, decoding)]:
        digest.update(f"{name}/{file.relative_to(folder).as_posix()}\0".encode())
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def code() -> str:
    """Which code computes, in one word and a half: by this a result may be given again instead of computed again."""
    return f"{service_version()} {code_digest()}"


@cache
def library_versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}
