"""The real models and images of the studies. Photographs, films and SqueezeNet's weights lie beside the repository."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.evidence.study import shared
from models.cards import Entry, shipped
from models.registry import Registry, load
from worker.contract.model import ModelCard
from worker.service.images import decode, to_input

MAX_PIXELS = 64_000_000


class Subject(NamedTuple):
    """An image as its model takes it, [channels, height, width] in [0,1], and a name for tables."""

    name: str
    pixels: Tensor


class Subjects(NamedTuple):
    """A model, its card, and images it was not trained on."""

    card: ModelCard
    model: nn.Module
    images: list[Subject]


def squeezenet_card(weights: Path) -> ModelCard:
    """SqueezeNet v1.0 as its authors published it, for weights in this file."""
    classes = json.loads(shared("data/imagenet_classes.json").read_text(encoding="utf-8"))
    pixels = {"channels": 3, "height": 224, "width": 224, "resize": 256}
    scale = {"mean": [123 / 255, 117 / 255, 104 / 255], "std": [1 / 255] * 3}
    return ModelCard.model_validate(
        {
            "name": "squeezenet",
            "title": "SqueezeNet v1.0, ImageNet",
            "architecture": "squeezenet1_0",
            "weights": weights.name,
            "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "input": {**pixels, **scale},
            "classes": [entry["name"] for entry in classes],
            "licence": "BSD-2-Clause",
            "source": "Iandola et al. 2016, Deep Compression release",
            "intended_use": "Research use only.",
            "batch": 16,
        }
    )


def squeezenet() -> tuple[ModelCard, nn.Module]:
    """SqueezeNet with its published weights. Raises Missing."""
    weights = shared("weights/squeezenet1_0_imagenet.safetensors")
    card = squeezenet_card(weights)
    return card, load(Entry(card, weights.with_suffix(".yaml")))


def imagenet(count: int) -> Subjects:
    """The first `count` photographs, by file name, for SqueezeNet."""
    card, model = squeezenet()
    folder = shared("data/imagenet64")
    files = sorted(folder.glob("*.JPEG"))[:count]
    images = [Subject(file.stem, to_input(decode(file.read_bytes(), MAX_PIXELS), card.input).pixels) for file in files]
    return Subjects(card, model, images)


def pneumonia(count: int) -> Subjects:
    """The first `count` chest films of the test set."""
    with np.load(shared("data/pneumonia28.npz"), allow_pickle=False) as data:
        films = data["test_images"][:count]
    registry = Registry([shipped()])
    pixels = torch.from_numpy(films.astype(np.float32) / 255).reshape(-1, 1, 28, 28)
    images = [Subject(f"film {number}", film) for number, film in enumerate(pixels)]
    return Subjects(registry.cards["pneumonia"], registry.get("pneumonia"), images)


def digits(count: int) -> Subjects:
    """The first `count` of the shipped digits that the model was not trained on."""
    registry = Registry([shipped()])
    card = registry.cards["digits"]
    files = sorted((shipped() / "digits" / "samples").glob("*.png"))[:count]
    images = [Subject(file.stem, to_input(decode(file.read_bytes(), MAX_PIXELS), card.input).pixels) for file in files]
    return Subjects(card, registry.get("digits"), images)
