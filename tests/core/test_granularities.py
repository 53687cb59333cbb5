"""Cells: their values, their grid, and what they refuse."""

from __future__ import annotations

import pytest
import torch

from tests.oracles import maps as oracle
from worker.contract.errors import InvalidSpec, UnsupportedAttribution
from worker.contract.spec import Method
from worker.core.granularities import GRANULARITIES
from worker.core.granularities.base import Granularity
from worker.core.granularities.patch import Params, Patch


def build(name: str, **params: int) -> Granularity:
    return GRANULARITIES.build(Method.model_validate({"name": name, **params}), "/spec/granularity")


def elements(height: int, width: int, channels: int = 3) -> torch.Tensor:
    return torch.randn((2, channels, height, width), generator=torch.Generator().manual_seed(height * 100 + width))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9, 64])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 10), (1, 9), (5, 3), (1, 1)])
def test_patches_are_means_of_what_is_there(height: int, width: int, size: int) -> None:
    values = elements(height, width)
    patch = Patch(Params(size=size))
    cells = patch(values)
    layers, rows, columns = patch.grid(3, height, width)
    assert layers == 1 and cells.shape == (2, rows * columns)
    for image, row in zip(values, cells, strict=True):
        pixels = image.abs().amax(dim=0).tolist()
        literal = [float(mean) for line in oracle.patches(pixels, size) for mean in line]
        assert len(literal) == rows * columns
        assert row.tolist() == pytest.approx(literal, rel=1e-6)


def test_patches_of_one_pixel_are_pixels() -> None:
    values = elements(6, 7)
    assert torch.equal(build("patch", size=1)(values), build("pixel")(values))
    assert build("patch", size=1).grid(3, 6, 7) == build("pixel").grid(3, 6, 7)


def test_attributions_per_pixel_make_the_same_patches() -> None:
    values = elements(9, 9, channels=1)
    patch = build("patch", size=4)
    assert torch.equal(patch(values), patch(values[:, 0]))


def test_signs_do_not_cancel_inside_a_patch() -> None:
    values = torch.tensor([[[[1.0, -1.0], [-1.0, 1.0]]]])
    assert build("patch", size=2)(values).tolist() == [[1.0]]


def test_patches_of_one_image_do_not_depend_on_its_batch() -> None:
    values = elements(10, 11)
    patch = build("patch", size=3)
    assert torch.equal(patch(values)[1:], patch(values[1:]))


def test_what_is_not_finite_stays_visible() -> None:
    values = elements(4, 4)
    values[0, 1, 2, 2], values[1, 0, 0, 0] = float("nan"), float("inf")
    assert (~torch.isfinite(build("patch", size=2)(values))).sum(dim=1).tolist() == [1, 1]


@pytest.mark.parametrize("size", [0, -2, 2.5, "3"])
def test_sizes_are_whole_numbers(size: object) -> None:
    with pytest.raises(InvalidSpec) as raised:
        GRANULARITIES.build(Method.model_validate({"name": "patch", "size": size}), "/spec/granularity")
    assert raised.value.pointer == "/spec/granularity/size"


def test_elements_need_a_value_per_channel() -> None:
    values = elements(3, 4)
    assert torch.equal(build("element")(values), values.abs().flatten(1))
    assert build("element").grid(3, 3, 4) == (3, 3, 4)
    with pytest.raises(UnsupportedAttribution):
        build("element")(values[:, 0])
