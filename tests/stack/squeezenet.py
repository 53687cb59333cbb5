"""A torchvision architecture registered by a card alone: SqueezeNet v1.0 with real ImageNet weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import yaml

from tests.conftest import SHARED

WEIGHTS = SHARED / "weights" / "squeezenet1_0_imagenet.safetensors"


def write_card(folder: Path) -> None:
    """Write card and weights into `folder`, if the weights are there."""
    if not WEIGHTS.exists():
        return
    shutil.copy(WEIGHTS, folder / "squeezenet.safetensors")
    classes = json.loads((SHARED / "data" / "imagenet_classes.json").read_text())
    names = [entry["name"] for entry in classes]
    card = {
        "name": "squeezenet",
        "title": "SqueezeNet v1.0, ImageNet",
        "architecture": "squeezenet1_0",
        "weights": "squeezenet.safetensors",
        "sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest(),
        "input": {
            "channels": 3,
            "height": 224,
            "width": 224,
            "resize": 256,
            "mean": [123 / 255, 117 / 255, 104 / 255],
            "std": [1 / 255, 1 / 255, 1 / 255],
        },
        "classes": names,
        "licence": "BSD-2-Clause",
        "source": "Iandola et al. 2016, Deep Compression release",
        "intended_use": "Research use only.",
        "batch": 16,
    }
    (folder / "squeezenet.yaml").write_text(yaml.safe_dump(card))
