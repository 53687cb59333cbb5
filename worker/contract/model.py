"""A model's card: what it is, where its weights are, what it may be used for, how well it was measured to do."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from worker.contract.spec import Frozen

Unit = Annotated[float, Field(ge=0.0, le=1.0)]


class ModelInput(Frozen):
    """What the network takes: [0,1] pixels of this shape; `mean` and `std` are applied inside the model.

    An image is scaled so that its shorter side is `resize` (default: just enough to cover height x width), then the
    centre is cut out. An image that already has the right size is not resampled.
    """

    channels: int = Field(ge=1, le=4)
    height: int = Field(ge=1, le=4096)
    width: int = Field(ge=1, le=4096)
    resize: int | None = Field(default=None, ge=1, le=8192)
    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0.0)], ...]


class Accuracy(Frozen):
    """Share of `images` of a split classified correctly under Gaussian noise of standard deviation `sigma`."""

    split: str
    sigma: float = Field(ge=0.0)
    value: Unit
    images: int = Field(ge=1)


class ModelCard(Frozen):
    """One registered model, as its YAML file describes it and `GET /v1/models` shows it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    title: str
    architecture: str
    weights: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    input: ModelInput
    classes: tuple[str, ...] = Field(min_length=2)
    licence: str
    source: str
    intended_use: str
    accuracy: tuple[Accuracy, ...] = ()
    cam_layer: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="module that Grad-CAM looks at; null: the last with maps",
    )
    batch: int = Field(default=32, ge=1, le=1024, description="samples per block: one forward and backward pass")
