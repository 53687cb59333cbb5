"""Torchvision's networks, and one of them on real photographs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

from models import vision
from models.cards import load_cards
from models.registry import load
from worker.contract.errors import ModelUnusable


def test_only_classification_networks_are_offered() -> None:
    assert {"resnet18", "squeezenet1_0", "vit_b_16"} <= set(vision.architectures())
    with pytest.raises(ModelUnusable, match="no classification network 'deeplabv3_resnet50'"):
        vision.build("deeplabv3_resnet50", 2, 3)


@pytest.mark.parametrize("architecture", ["resnet18", "squeezenet1_1", "mobilenet_v3_small", "densenet121"])
def test_a_network_takes_the_classes_and_channels_asked_for(architecture: str) -> None:
    network = vision.build(architecture, classes=5, channels=1).eval()
    assert network(torch.rand(2, 1, 64, 64)).shape == (2, 5)


@pytest.mark.parametrize("architecture", ["googlenet", "inception_v3"])
def test_a_network_with_auxiliary_heads_gives_plain_logits(architecture: str) -> None:
    network = vision.build(architecture, classes=5, channels=3).eval()
    assert network(torch.rand(1, 3, 96, 96)).shape == (1, 5)


def photograph(file: Path) -> Tensor:
    """[1, 3, 224, 224] in [0,1]: the shorter side scaled to 256, then the centre."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0)


def test_squeezenet_classifies_real_photographs(shared: Callable[[str], Path], tmp_path: Path) -> None:
    weights, photographs = shared("weights/squeezenet1_0_imagenet.safetensors"), shared("data/imagenet64")
    (tmp_path / "weights.safetensors").symlink_to(weights)
    card = {
        "name": "squeezenet",
        "title": "SqueezeNet 1.0 on ImageNet",
        "architecture": "squeezenet1_0",
        "weights": "weights.safetensors",
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "input": {
            "channels": 3,
            "height": 224,
            "width": 224,
            "resize": 256,
            "mean": [123 / 255, 117 / 255, 104 / 255],
            "std": [1 / 255] * 3,
        },
        "classes": [str(index) for index in range(1000)],
        "licence": "BSD-2-Clause",
        "source": "Iandola et al. 2016",
        "intended_use": "tests",
    }
    (tmp_path / "squeezenet.yaml").write_text(yaml.safe_dump(card))
    model = load(load_cards(tmp_path)["squeezenet"])
    assert not any(part.inplace for part in model.modules() if isinstance(part, nn.ReLU))
    labels = json.loads((photographs / "labels.json").read_text())
    right = [
        int(model(photograph(photographs / name)).argmax()) == label["class_index"] for name, label in labels.items()
    ]
    share = sum(right) / len(right)
    print(f"squeezenet1_0: top-1 right on {sum(right)} of {len(right)} photographs, {100 * share:.1f} %")
    assert 0.50 <= share <= 0.75
