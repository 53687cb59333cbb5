"""A small network that is quick, smooth, and has nothing random at evaluation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(scope="session")
def network() -> nn.Module:
    torch.manual_seed(7)
    body = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.Softplus(), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(6 * 64, 4)).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def image() -> Tensor:
    return torch.rand((1, 10, 10), generator=torch.Generator().manual_seed(3))
