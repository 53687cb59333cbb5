"""From the decoded picture to the tensor a model takes."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from tests.images.files import MAX_PIXELS, encode, smooth
from worker.contract.errors import ImagePixelFormat
from worker.contract.model import ModelInput
from worker.service.images import Decoded, decode, to_input, whole


def wanted(channels: int, height: int, width: int, resize: int | None = None) -> ModelInput:
    return ModelInput(channels=channels, height=height, width=width, resize=resize, mean=(0.0,), std=(1.0,))


def decoded(height: int, width: int) -> Decoded:
    return decode(encode(smooth(height, width), "PNG"), MAX_PIXELS)


def resize_then_crop(pixels: Tensor, resize: int, side: int) -> Tensor:
    """As torchvision's Resize and CenterCrop, with which networks are trained."""
    rows, columns = pixels.shape[1:]
    short = min(rows, columns)
    size = [rows * resize // short, columns * resize // short]
    scaled = interpolate(pixels[None], size=size, mode="bilinear", antialias=True, align_corners=False)[0]
    top, left = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return scaled[:, top : top + side, left : left + side]


def test_an_image_of_the_right_size_is_not_touched() -> None:
    image = decoded(32, 24)
    fitted = to_input(image, wanted(3, 32, 24))
    assert torch.equal(fitted.pixels, image.pixels) and fitted.steps == image.steps


def test_colour_to_grey_is_bt601_and_grey_to_colour_repeats() -> None:
    colour = decoded(8, 8)
    grey = to_input(colour, wanted(1, 8, 8))
    expected = np.tensordot([0.299, 0.587, 0.114], colour.pixels.numpy().astype(float), axes=1)
    assert np.allclose(grey.pixels[0].numpy(), expected, atol=1e-6)
    assert grey.steps[-1] == "colour to grey (BT.601)"
    again = to_input(grey, wanted(3, 8, 8))
    assert all(torch.equal(channel, grey.pixels[0]) for channel in again.pixels)
    assert torch.allclose(to_input(again, wanted(1, 8, 8)).pixels, grey.pixels, atol=1e-6)


def test_a_model_of_two_channels_takes_no_image_file() -> None:
    with pytest.raises(ImagePixelFormat, match="takes 2 channels"):
        to_input(decoded(8, 8), wanted(2, 8, 8))


@pytest.mark.parametrize(("height", "width"), [(300, 200), (200, 300), (600, 640), (100, 100), (41, 977)])
@pytest.mark.parametrize("resize", [None, 72])
def test_scaling_is_that_of_torchvision(height: int, width: int, resize: int | None) -> None:
    """We cut first, which may differ by a fraction of a pixel."""
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 3, width), indexing="ij")
    image = whole(torch.stack([y.sin(), x.cos(), (x + y).sin()]) / 2 + 0.5, [])
    side = 64
    reference = resize_then_crop(image.pixels, resize or side, side)
    pixels = to_input(image, wanted(3, side, side, resize)).pixels
    assert pixels.shape == (3, side, side)
    difference = (pixels - reference).abs()
    assert difference.mean() < 0.01 and difference.max() < 0.06


def test_scaling_of_the_cut_is_the_antialiased_triangle_filter() -> None:
    """By hand: halving with a triangle of radius two weighs four neighbours 1 3 3 1."""
    row = torch.tensor([0.0, 0.2, 1.0, 0.4, 0.0, 0.6, 0.8, 0.1])
    image = whole(row.expand(1, 8, 8).clone(), [])
    pixels = to_input(image, wanted(1, 4, 4)).pixels
    weights = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    for column in (1, 2):
        expected = (row[2 * column - 1 : 2 * column + 3] * weights).sum()
        assert torch.allclose(pixels[0, :, column], expected.expand(4), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(1, 60000), (60000, 1), (1, 1), (2, 30000)])
def test_a_sliver_stays_small(height: int, width: int) -> None:
    image = decode(encode(np.zeros((height, width, 3), np.uint8), "PNG"), MAX_PIXELS)
    started = time.monotonic()
    fitted = to_input(image, wanted(3, 224, 224, 256))
    assert fitted.pixels.shape == (3, 224, 224)
    assert time.monotonic() - started < 1.0


def test_a_large_image_is_decoded_without_copies_to_spare() -> None:
    """Peak of NumPy's and Python's memory: the bytes and one float image beside Pillow's own."""
    data = encode(np.zeros((2000, 2000), np.uint16), "PNG")
    tracemalloc.start()
    decode(data, MAX_PIXELS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * 2000 * 4 * 2.5


def test_values_stay_in_the_unit_interval() -> None:
    edges = np.kron(np.indices((40, 40)).sum(axis=0) % 2 * 255, np.ones((3, 3))).astype(np.uint8)
    pixels = to_input(decode(encode(edges, "PNG"), MAX_PIXELS), wanted(1, 97, 97)).pixels
    assert pixels.min() >= 0 and pixels.max() <= 1
