"""The parameters that attacks share."""

from __future__ import annotations

from pydantic import Field

from worker.contract.spec import Frozen


class Common(Frozen):
    """restarts: independent searches for each image, side by side."""

    restarts: int = Field(ge=1, le=64, default=1, strict=True)


class Climbing(Common):
    """steps: of each search. beta: of the softplus in place of ReLU while searching. noisy: noisy images of the
    smoothed map's stand-in while searching."""

    steps: int = Field(ge=1, le=1000, default=20, strict=True)
    beta: float = Field(gt=0.0, le=1000.0, default=30.0)
    noisy: int = Field(ge=1, le=8192, default=32, strict=True)
