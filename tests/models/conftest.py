"""Small models written into a temporary folder, and the way to the real data beside the repository."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save

from models.networks import NETWORKS
from tests.conftest import shared as find_shared

Write = Callable[..., Path]


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Gives the path of something in `../shared`, or skips the test and says what is missing."""
    return find_shared


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an untrained `surety/four_conv` of two classes and its card, `fields` replacing the card's own.

    A field given as None is left out. `stored`, tensors or a file's bytes, replaces the network's own; the sha256 fits
    the file unless it is among `fields`. Gives the folder above the card's.
    """

    def write(stored: dict[str, torch.Tensor] | bytes | None = None, /, folder: str = "small", **fields: Any) -> Path:
        target = tmp_path / folder
        target.mkdir(exist_ok=True)
        if stored is None:
            stored = NETWORKS["surety/four_conv"](2, 1).state_dict()
        content = stored if isinstance(stored, bytes) else save(stored)
        (target / "w.safetensors").write_bytes(content)
        card = {
            "name": "small",
            "title": "A small network",
            "architecture": "surety/four_conv",
            "weights": "w.safetensors",
            "sha256": hashlib.sha256(content).hexdigest(),
            "input": {"channels": 1, "height": 8, "width": 8, "mean": [0.5], "std": [0.25]},
            "classes": ["no", "yes"],
            "licence": "Apache-2.0",
            "source": "a test",
            "intended_use": "tests",
        } | fields
        (target / "card.yaml").write_text(yaml.safe_dump({k: v for k, v in card.items() if v is not None}))
        return tmp_path

    return write
