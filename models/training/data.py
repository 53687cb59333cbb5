"""Images with their labels, as training and measuring take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """`images` float32 [count, 1, height, width] in [0,1]; `labels` int64 [count]."""

    images: Tensor
    labels: Tensor

    @classmethod
    def from_bytes(cls, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> Split:
        """From grey images uint8 [count, height, width], the pixel 255 becoming 1.0, and labels [count]."""
        return cls(torch.from_numpy(images).unsqueeze(1) / 255.0, torch.from_numpy(labels.astype(np.int64)))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Splits:
    """Three disjoint sets: the network learns from `train`, is chosen on `validation`, and only measured on `test`."""

    train: Split
    validation: Split
    test: Split
