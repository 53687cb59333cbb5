"""What every attribution of the registry must do, whatever it computes; a new one is tested here without a line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from worker.contract.spec import Method
from worker.core.attributions import ATTRIBUTIONS
from worker.core.attributions.base import Attributed

ALL = sorted(ATTRIBUTIONS.entries)
RANDOM = ["rise"]
CLASSES = 4


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(3)
    first = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
    second = [nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Dropout(0.5), nn.Linear(32, CLASSES)).eval()


@pytest.fixture
def images() -> Tensor:
    return torch.rand((6, 3, 12, 10), generator=torch.Generator().manual_seed(4))


def attribute(name: str, model: nn.Module, images: Tensor, target: int | None = 2, seed: int = 0) -> Attributed:
    method = ATTRIBUTIONS.build(Method(name=name), "/spec/attribution")
    return method(model, images, target, np.random.default_rng(seed))


def same(one: Tensor, other: Tensor) -> bool:
    """Equal but for the last bits, which depend on how a batch is divided among threads and vector lanes."""
    return torch.allclose(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max()))


def hooks(model: nn.Module) -> int:
    stores = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, store)) for module in model.modules() for store in stores)


def state(model: nn.Module) -> dict[str, Any]:
    """All that a method could leave changed, by name."""
    tensors = {f"tensor {name}": tensor.clone() for name, tensor in model.state_dict().items()}
    flags = {f"training {name}": torch.tensor(module.training) for name, module in model.named_modules()}
    wants = {f"grad {name}": torch.tensor(part.requires_grad) for name, part in model.named_parameters()}
    members = {f"members {name}": torch.tensor(len(vars(module))) for name, module in model.named_modules()}
    return {**tensors, **flags, **wants, **members}


def unchanged(model: nn.Module, before: dict[str, Any]) -> bool:
    after = state(model)
    gradients = [parameter.grad for parameter in model.parameters()]
    kept = before.keys() == after.keys() and all(torch.equal(after[key], value) for key, value in before.items())
    return kept and hooks(model) == 0 and gradients == [None] * len(gradients)


def test_the_registry_is_whole() -> None:
    expected = {"gradient", "input_x_gradient", "integrated_gradients", "guided_backprop", "grad_cam"}
    expected |= {"grad_cam_plus_plus", "lrp_epsilon", "occlusion", "rise"}
    assert set(ALL) >= expected


@pytest.mark.parametrize("name", ALL)
def test_finite_signed_values_per_cell_and_the_logits_of_the_images(
    name: str, model: nn.Module, images: Tensor
) -> None:
    result = attribute(name, model, images)
    assert result.values.shape in (images.shape, (6, 12, 10))
    assert bool(result.values.isfinite().all()) and bool(result.values.flatten(1).any(dim=1).all())
    assert not result.values.requires_grad and not result.logits.requires_grad
    assert same(result.logits, model(images).detach())


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("name", ALL)
def test_the_model_is_left_as_it_was(name: str, frozen: bool, model: nn.Module, images: Tensor) -> None:
    model.requires_grad_(not frozen)
    before = state(model)
    values = attribute(name, model, images).values
    assert unchanged(model, before) and not images.requires_grad
    assert torch.equal(values, attribute(name, model.requires_grad_(frozen), images).values)


class Failing(nn.Module):
    """Raises at its n-th forward pass, or at every backward pass, and passes its input on otherwise."""

    def __init__(self, forward: int | None = None) -> None:
        super().__init__()
        self.left = forward

    def forward(self, x: Tensor) -> Tensor:
        if self.left is None:
            return _FailingBackward.apply(x)
        self.left -= 1
        if self.left == 0:
            raise MemoryError("no more")
        return x


class _FailingBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        raise MemoryError("no more")


@pytest.mark.parametrize("passes", [1, 2, None])
@pytest.mark.parametrize("name", ALL)
def test_the_model_is_left_as_it_was_after_an_error(
    name: str, passes: int | None, model: nn.Module, images: Tensor
) -> None:
    """In the first or second forward pass or in the backward pass, in the middle of the network."""
    broken = nn.Sequential(*model[:5], Failing(passes), *model[5:]).eval()
    before = state(broken)
    try:
        attribute(name, broken, images)
    except Exception:  # noqa: BLE001  # whichever it is, and methods without such a pass have none
        failed = True
    else:
        failed = False
    assert failed or passes != 1
    assert unchanged(broken, before)


@pytest.mark.parametrize("name", ALL)
def test_an_image_does_not_depend_on_the_others(name: str, model: nn.Module, images: Tensor) -> None:
    """Others replaced, by ordinary ones, by black ones and by bright ones; and all of them in another order."""
    for target in (2, None):
        whole = attribute(name, model, images, target).values
        for others in (images.flip(0), torch.zeros_like(images), 100 * images):
            changed = torch.cat([images[:1], others[1:]])
            assert same(attribute(name, model, changed, target).values[0], whole[0])
        if name not in RANDOM:
            order = torch.tensor([3, 0, 5, 1, 4, 2])
            assert same(attribute(name, model, images[order], target).values, whole[order])


@pytest.mark.parametrize("name", ALL)
def test_per_sample_explains_each_images_own_class(name: str, model: nn.Module, images: Tensor) -> None:
    varied = torch.cat([images[:3], 1 - images[:2] * 3, -8 * images[5:]])
    own = attribute(name, model, varied, None)
    classes = own.logits.argmax(dim=1).tolist()
    assert len(set(classes)) > 1
    for row, chosen in enumerate(classes):
        assert same(own.values[row], attribute(name, model, varied, chosen).values[row])


@pytest.mark.parametrize("name", ALL)
def test_the_class_matters(name: str, model: nn.Module, images: Tensor) -> None:
    assert not same(attribute(name, model, images, 0).values, attribute(name, model, images, 1).values)


@pytest.mark.parametrize("name", ALL)
def test_it_repeats_bit_for_bit_under_deterministic_algorithms(name: str, model: nn.Module, images: Tensor) -> None:
    torch.use_deterministic_algorithms(True)
    try:
        first, again = (attribute(name, model, images).values for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(first, again)
    assert torch.equal(first, attribute(name, model, images, seed=1).values) is (name not in RANDOM)


@pytest.mark.parametrize("name", ALL)
def test_no_more_than_one_batch_is_in_the_network_at_once(name: str, model: nn.Module, images: Tensor) -> None:
    seen: list[int] = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    attribute(name, model, images)
    assert seen and max(seen) == len(images)


@pytest.mark.parametrize("name", ALL)
def test_the_order_of_memory_does_not_matter(name: str, model: nn.Module, images: Tensor) -> None:
    values = attribute(name, model, images).values
    rearranged = attribute(
        name, model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    )
    assert same(rearranged.values, values)


@pytest.mark.parametrize("name", ALL)
def test_half_precision_in_the_network_keeps_the_map_whole(name: str, model: nn.Module, images: Tensor) -> None:
    values = attribute(name, model, images).values
    with torch.autocast("cpu", torch.bfloat16):
        short = attribute(name, model, images).values
    assert short.dtype == torch.float32
    assert float(torch.cosine_similarity(short.flatten(1), values.flatten(1)).mean()) > 0.95


@pytest.mark.parametrize("name", ALL)
def test_double_precision_stays_double(name: str, model: nn.Module, images: Tensor) -> None:
    single = attribute(name, model, images).values
    double = attribute(name, model.double(), images.double()).values
    assert double.dtype == torch.float64 and same(single.double(), double)
