"""Folding batch norm changes how a network is computed, not what it computes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models import vision
from models.folding import fold
from models.networks import six_conv


def with_statistics(network: nn.Module) -> nn.Module:
    """Batch norms as training leaves them: nothing at its default."""
    torch.manual_seed(5)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -1, 1)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -1, 1)
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in network.modules())


@pytest.mark.parametrize(
    ("network", "channels"),
    [(six_conv(2, 1), 1), (vision.build("resnet18", 5, 3), 3), (vision.build("mobilenet_v3_small", 5, 3), 3)],
    ids=["six_conv", "resnet18", "mobilenet_v3_small"],
)
def test_a_folded_network_gives_the_same_logits_and_gradients(network: nn.Module, channels: int) -> None:
    network = with_statistics(network)
    names = [name for name, _ in network.named_modules()]
    images = torch.rand((2, channels, 48, 48), requires_grad=True)
    before = network(images)
    (gradient,) = torch.autograd.grad(before[:, 1].sum(), images)
    assert norms(network) > 0
    fold(network)
    assert norms(network) == 0
    assert [name for name, _ in network.named_modules()] == names
    after = network(images)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.autograd.grad(after[:, 1].sum(), images)[0], gradient, rtol=1e-3, atol=1e-4)
    assert not any(part.training for part in network.modules())


class Twice(nn.Module):
    """One convolution under two batch norms, and one whose own output is used too."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.open = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.first, self.second, self.third = nn.BatchNorm2d(2), nn.BatchNorm2d(2), nn.BatchNorm2d(2)

    def forward(self, images: Tensor) -> Tensor:
        both = self.first(self.shared(images)) + self.second(self.shared(images.flip(2)))
        seen = self.open(both)
        return (self.third(seen) + seen).mean(dim=(2, 3))


class Branching(nn.Sequential):
    """A network that looks at values while it computes, which cannot be traced."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images if images.sum() > 0 else -images)


@pytest.mark.parametrize(
    ("network", "left"), [(Twice(), 3), (Branching(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten()), 1)]
)
def test_what_cannot_be_folded_is_left_as_it_is(network: nn.Module, left: int) -> None:
    network = with_statistics(network)
    images = torch.rand((2, 1, 8, 8))
    before = network(images)
    fold(network)
    assert norms(network) == left
    assert torch.equal(network(images), before)
