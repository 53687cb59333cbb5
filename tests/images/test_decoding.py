"""Every kind of file that must be read gives the picture its owner sees."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.images.files import (
    GREY,
    GREY_ALPHA,
    MAX_PIXELS,
    PALETTE,
    RGB,
    RGBA,
    encode,
    exif,
    png,
    samples,
    smooth,
    tiff,
)
from worker.contract.image import inspect
from worker.service.images import decode

LOSSLESS = [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True})]
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
DEEP = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
# The rows of a 2 x 3 picture as it is stored (0 1 2 / 3 4 5) and as it is to be seen, for each EXIF orientation.
UPRIGHT = {
    1: [[0, 1, 2], [3, 4, 5]],
    2: [[2, 1, 0], [5, 4, 3]],
    3: [[5, 4, 3], [2, 1, 0]],
    4: [[3, 4, 5], [0, 1, 2]],
    5: [[0, 3], [1, 4], [2, 5]],
    6: [[3, 0], [4, 1], [5, 2]],
    7: [[5, 2], [4, 1], [3, 0]],
    8: [[2, 5], [1, 4], [0, 3]],
}


def read(data: bytes) -> NDArray[np.float32]:
    """The pixels, [rows, columns] or [rows, columns, 3]."""
    pixels = decode(data, MAX_PIXELS).pixels.numpy()
    assert pixels.dtype == np.float32 and pixels.flags.c_contiguous
    return pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)


@pytest.mark.parametrize("name", samples())
def test_every_kind_is_read_and_its_header_is_accepted(name: str) -> None:
    data = samples()[name]
    header = inspect(data, MAX_PIXELS)
    assert {header.width, header.height} == {10, 12}
    pixels = read(data)
    assert np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1 and pixels.std() > 0.01


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_8_bit_colour_is_exact(kind: str, options: dict[str, object]) -> None:
    colour = smooth(20, 30)
    assert np.array_equal(read(encode(colour, kind, **options)), colour.astype(np.float32) / 255)


@pytest.mark.parametrize(("kind", "options"), LOSSLESS[:3])
def test_8_bit_grey_is_exact_and_has_one_channel(kind: str, options: dict[str, object]) -> None:
    assert np.array_equal(read(encode(RAMP, kind, **options)), RAMP.astype(np.float32) / 255)


@pytest.mark.parametrize(
    "data",
    [
        encode(DEEP, "PNG"),
        encode(DEEP, "TIFF"),
        encode(DEEP, "TIFF", compression="tiff_lzw"),
        tiff(16, 16, DEEP.astype("<u2").tobytes(), {258: 16}),
        tiff(16, 16, DEEP.astype(">u2").tobytes(), {258: 16}, ">"),
    ],
    ids=["png", "tiff", "lzw", "little-endian", "big-endian"],
)
def test_16_bit_grey_keeps_every_bit(data: bytes) -> None:
    assert np.array_equal(read(data), DEEP.astype(np.float32) / 65535)
    assert "16-bit grey / 65535" in decode(data, MAX_PIXELS).steps


def test_12_bit_grey_fills_the_range() -> None:
    data = tiff(2, 1, bytes([0x00, 0x0F, 0xFF]), {258: 12})
    assert read(data).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("bits", [8, 16])
def test_white_is_zero_is_inverted(bits: int) -> None:
    dtype = np.dtype("<u2" if bits == 16 else "u1")
    strip = np.array([0, 2**bits - 1], dtype).tobytes()
    assert read(tiff(2, 1, strip, {258: bits, 262: 0})).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(("bits", "packed"), [(1, 0b01_000000), (2, 0b0011_0000), (4, 0x0F)])
def test_few_bits_fill_the_range(bits: int, packed: int) -> None:
    assert read(png(2, 1, bits, GREY, [bytes([packed])])).tolist() == [[0.0, 1.0]]


def test_palette_is_resolved() -> None:
    colours = bytes([255, 0, 0, 0, 0, 51])
    data = png(2, 1, 8, PALETTE, [bytes([1, 0])], (b"PLTE", colours))
    assert np.array_equal(read(data), np.float32([[[0, 0, 51], [255, 0, 0]]]) / 255)


def test_alpha_is_over_white_exactly() -> None:
    rgba = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [200, 100, 0, 0], [200, 100, 0, 255]]], np.uint8)
    expected = np.float32([[[1, 1, 1], [0, 0, 0], [1, 1, 1], [200 / 255, 100 / 255, 0]]])
    data = png(4, 1, 8, RGBA, [rgba.tobytes()])
    assert np.array_equal(read(data), expected)
    assert "transparency over white" in decode(data, MAX_PIXELS).steps


def test_every_alpha_is_within_half_a_step_of_the_blend() -> None:
    grey, alpha = np.meshgrid(np.arange(256), np.arange(256))
    la = np.dstack([grey, alpha]).astype(np.uint8)
    data = png(256, 256, 8, GREY_ALPHA, [row.tobytes() for row in la])
    blend = (grey * alpha + 255 * (255 - alpha)) / 255 / 255
    pixels = read(data)
    assert pixels.ndim == 2, "grey with alpha stays grey"
    assert abs(pixels - blend).max() <= 0.501 / 255


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(2, 1, 8, GREY, [bytes([7, 9])], (b"tRNS", b"\0\7")), [1.0, 9 / 255]),
        (png(2, 1, 2, GREY, [bytes([0b01_10_0000])], (b"tRNS", b"\0\1")), [1.0, 170 / 255]),
        (png(2, 1, 4, GREY, [bytes([0x12])], (b"tRNS", b"\0\1")), [1.0, 34 / 255]),
        (png(2, 1, 1, GREY, [bytes([0])], (b"tRNS", b"\0\0")), [1.0, 1.0]),
        (png(2, 1, 16, GREY, [struct.pack(">HH", 5, 6)], (b"tRNS", b"\0\5")), [1.0, 6 / 65535]),
    ],
    ids=["8", "2", "4", "1", "16"],
)
def test_transparent_grey_level_is_white_at_every_depth(data: bytes, expected: list[float]) -> None:
    assert np.array_equal(read(data), np.float32([expected]))


def test_transparent_colour_and_transparent_palette_entry_are_white() -> None:
    key = (b"tRNS", struct.pack(">HHH", 1, 2, 3))
    assert read(png(2, 1, 8, RGB, [bytes([1, 2, 3, 1, 2, 4])], key))[0].tolist()[0] == [1.0, 1.0, 1.0]
    palette = (b"PLTE", bytes([9, 9, 9, 0, 51, 255]))
    pixels = read(png(2, 1, 8, PALETTE, [bytes([0, 1])], palette, (b"tRNS", bytes([0, 255]))))
    assert np.array_equal(pixels, np.float32([[[255, 255, 255], [0, 51, 255]]]) / 255)


def test_16_bit_colour_is_read_at_8_bits_and_says_so() -> None:
    """Pillow has no 16-bit colour. The certificate is about the image that the model receives, so this is recorded."""
    rows = [struct.pack(">6H", 0x1234, 0xFFFF, 0, 0xABCD, 0x0100, 0x00FF)]
    decoded = decode(png(2, 1, 16, RGB, rows), MAX_PIXELS)
    assert "16-bit channels read at 8 bits" in decoded.steps
    exact = np.array([[0x1234, 0xABCD], [0xFFFF, 0x0100], [0, 0x00FF]]) / 65535
    assert abs(decoded.pixels.numpy()[:, 0] - exact).max() <= 1 / 255
    clear = png(2, 1, 16, RGB, rows, (b"tRNS", rows[0][:6]))
    assert decode(clear, MAX_PIXELS).pixels[:, 0, 0].tolist() == [1.0, 1.0, 1.0]
    assert "16-bit channels" not in str(decode(png(1, 1, 8, RGB, [b"abc"]), MAX_PIXELS).steps)


def test_cmyk_and_ycbcr_become_rgb() -> None:
    red = Image.new("RGB", (16, 16), (250, 20, 30))
    for data in (
        encode(red.convert("CMYK"), "JPEG", quality=100),
        encode(red.convert("CMYK"), "TIFF"),
        encode(red.convert("YCbCr"), "TIFF"),
    ):
        assert np.allclose(read(data), np.float32([250, 20, 30]) / 255, atol=3 / 255)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(
    ("kind", "options", "bits"),
    [(*one, bits) for one in LOSSLESS for bits in (8, 16) if (one[0], bits) != ("WEBP", 16)],
)
def test_every_exif_orientation_is_upright(orientation: int, kind: str, options: dict[str, object], bits: int) -> None:
    stored = np.arange(6, dtype=np.uint16 if bits == 16 else np.uint8).reshape(2, 3) * (9000 if bits == 16 else 40)
    pixels = stored if kind != "WEBP" else np.dstack([stored] * 3)
    decoded = decode(encode(pixels, kind, exif=exif(orientation), **options), MAX_PIXELS)
    unit = stored[0, 1] / (2**bits - 1)
    assert np.allclose(decoded.pixels[0].numpy(), np.array(UPRIGHT[orientation]) * unit, atol=1e-6)
    assert ("turned as EXIF says" in decoded.steps) == (orientation != 1)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_exif_orientation_of_a_jpeg_and_of_a_big_endian_tiff(orientation: int) -> None:
    stored = np.kron(np.arange(6).reshape(2, 3) * 40, np.ones((16, 16))).astype(np.uint8)
    upright = np.kron(np.array(UPRIGHT[orientation]) * 40, np.ones((16, 16))) / 255
    jpeg = read(encode(stored, "JPEG", quality=95, exif=exif(orientation)))
    assert jpeg.shape == upright.shape and np.allclose(jpeg, upright, atol=0.02)
    strip = np.arange(6).astype(">u2").tobytes()
    pixels = read(tiff(3, 2, strip, {258: 16, 274: orientation}, ">"))
    assert np.array_equal(pixels, np.float32(UPRIGHT[orientation]) / 65535)


def test_damaged_metadata_do_not_spoil_the_picture() -> None:
    """Viewers show such files; so do we. An orientation that does not exist turns nothing."""
    upright = read(encode(RAMP, "PNG"))
    for odd in (b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"junk", b"", b"MM\0*" + b"\xff" * 40):
        assert np.array_equal(read(encode(RAMP, "PNG", exif=odd)), upright)
        encode_jpeg = encode(RAMP, "JPEG", quality=100, subsampling=0, exif=odd)
        assert np.allclose(read(encode_jpeg), upright, atol=3 / 255)
    for orientation in (0, 9, 65535):
        decoded = decode(encode(RAMP, "PNG", exif=exif(orientation)), MAX_PIXELS)
        assert decoded.pixels.shape == (1, 16, 16) and "turned as EXIF says" not in decoded.steps


def test_what_follows_a_picture_is_not_looked_at() -> None:
    """A PNG with a zip behind it, a JPEG with a film behind it: the picture is read, the rest is not."""
    tail = b"PK\3\4" + bytes(1000) + b"\xff\xda" * 20
    for name in ("png-rgb", "jpeg-rgb", "webp"):
        assert np.array_equal(read(samples()[name] + tail), read(samples()[name]))


def test_jpeg_with_an_embedded_preview_is_one_picture() -> None:
    first, preview = Image.fromarray(smooth(32, 32)), Image.fromarray(smooth(8, 8))
    data = encode(first, "MPO", save_all=True, append_images=[preview])
    assert inspect(data, MAX_PIXELS).format == "MPO"
    assert read(data).shape == (32, 32, 3)


def test_png_with_one_animation_frame_is_a_picture() -> None:
    frame = struct.pack(">IIIIIHHBB", 0, 2, 1, 0, 0, 1, 10, 0, 0)
    data = png(2, 1, 8, GREY, [b"ab"], (b"acTL", struct.pack(">II", 1, 0)), (b"fcTL", frame))
    assert read(data).shape == (1, 2)
