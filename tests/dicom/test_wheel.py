"""Every real DICOM file that comes with pydicom: decoded as its owner would expect, or refused by name."""

from __future__ import annotations

import io
import warnings
from fnmatch import fnmatchcase

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_modality_lut, apply_windowing

from tests.dicom.files import MAX_PIXELS, real, wheel
from worker.contract.errors import SuretyError
from worker.service.images import decode

# The stored size, and a step that only this file's attributes give; or the code of the refusal. First row that fits.
EXPECTED: dict[str, tuple[tuple[int, int, int], str] | str] = {
    "charset_files/chrSQ*": "dicom_no_picture",
    "charset_files/chrJapMulti*": "dicom_no_picture",
    "charset_files/chrKoreanMulti.dcm": "dicom_no_picture",
    "charset_files/chr*": ((1, 32, 32), "no window: 0 to 255"),
    "palettes/*": "dicom_no_picture",
    "test_files/693_J2KI.dcm": ((1, 512, 512), "padding -2000 to black"),
    "test_files/CT_small.dcm": ((1, 128, 128), "rescale slope 1 intercept -1024"),
    "test_files/ExplVR_BigEnd.dcm": ((3, 60, 80), "Explicit VR Big Endian"),
    "test_files/ExplVR_*NoMeta.dcm": "image_format",
    "test_files/GDCMJ2K_TextGBR.dcm": ((3, 400, 400), "YBR_RCT to RGB"),
    "test_files/J2K_pixelrep_mismatch.dcm": ((1, 512, 512), "window 40/100 LINEAR"),
    "test_files/JPEG-lossy.dcm": "dicom_transfer_syntax",
    "test_files/JPGExtended.dcm": "dicom_transfer_syntax",
    "test_files/JPEG2000-embedded-sequence-delimiter.dcm": "image_unreadable",
    "test_files/JPEG2000.dcm": ((1, 1024, 256), "no window: -30 to 245"),
    "test_files/JPEGLSNearLossless_08.dcm": ((1, 45, 10), "no window: 0 to 255"),
    "test_files/JPEGLSNearLossless_16.dcm": ((1, 50, 10), "no window: 0 to 65535"),
    "test_files/MR_truncated.dcm": "image_unreadable",
    "test_files/MR_small*": ((1, 64, 64), "window 600/1600 LINEAR"),
    "test_files/SC_jpeg_no_color_transform*.dcm": ((3, 256, 256), "8-bit / 255"),
    "test_files/SC_rgb_*2frame.dcm": "frame_required",
    "test_files/SC_rgb_rle_16bit.dcm": ((3, 100, 100), "16-bit / 65535"),
    "test_files/SC_rgb_rle_32bit.dcm": ((3, 100, 100), "32-bit / 4294967295"),
    "test_files/SC_rgb_jpeg_gdcm.dcm": "dicom_transfer_syntax",
    "test_files/SC_rgb_small_odd*.dcm": ((3, 3, 3), "8-bit / 255"),
    "test_files/SC_rgb_jpeg_app14_dcmd.dcm": ((3, 256, 256), "JPEG Baseline"),
    "test_files/SC_rgb_jpeg_dcmd.dcm": ((3, 256, 256), "Implicit VR Little Endian"),
    "test_files/SC_rgb_jpeg.dcm": ((3, 256, 256), "JPEG Baseline"),
    "test_files/SC_rgb_dcmtk_+eb+cy*": ((3, 100, 100), "to RGB"),
    "test_files/SC_rgb_*": ((3, 100, 100), "8-bit / 255"),
    "test_files/SC_ybr_full_422_uncompressed.dcm": ((3, 100, 100), "YBR_FULL_422 to RGB"),
    "test_files/UN_sequence.dcm": "dicom_transfer_syntax",
    "test_files/badVR.dcm": "image_unreadable",
    "test_files/dicomdirtests/*/CR?/*": ((1, 16, 16), "MONOCHROME1 inverted"),
    "test_files/dicomdirtests/*/CT5N/*": ((1, 16, 16), "window 40/400 LINEAR"),
    "test_files/dicomdirtests/*/[CM][TR]*/*": ((1, 16, 16), "LINEAR"),
    "test_files/dicomdirtests/DICOMDIR-nooffset": "image_unreadable",
    "test_files/dicomdirtests/*": "dicom_no_picture",
    "test_files/empty_charset_LEI.dcm": "dicom_no_picture",
    "test_files/examples_jpeg2k.dcm": ((3, 480, 640), "YBR_RCT to RGB"),
    "test_files/examples_overlay.dcm": ((1, 300, 484), "window 450/790 LINEAR"),
    "test_files/examples_palette.dcm": ((3, 350, 800), "palette applied"),
    "test_files/examples_rgb_color.dcm": ((3, 240, 320), "8-bit / 255"),
    "test_files/examples_ybr_color.dcm": "frame_required",
    "test_files/image_dfl.dcm": "dicom_transfer_syntax",
    "test_files/liver_*1frame.dcm": ((1, 512, 512), "no window: 0 to 1"),
    "test_files/meta_missing_tsyntax.dcm": "image_unreadable",
    "test_files/nested_priv_SQ.dcm": "image_unreadable",
    "test_files/no_meta.dcm": "image_format",
    "test_files/no_meta_group_length.dcm": "dicom_no_picture",
    "test_files/priv_SQ.dcm": "dicom_no_picture",
    "test_files/reportsi*.dcm": "dicom_no_picture",
    "test_files/rtdose*_1frame.dcm": ((1, 10, 10), "no window: 795000 to 1.254e+06"),
    "test_files/rtdose*.dcm": "frame_required",
    "test_files/rtplan_truncated.dcm": "image_unreadable",
    "test_files/rtplan.dcm": "dicom_no_picture",
    "test_files/rtstruct.dcm": "image_format",
    "test_files/test-SR.dcm": "dicom_no_picture",
    "test_files/waveform_ecg.dcm": "dicom_no_picture",
}
# Highdicom reads little endian only, and one file's references are not valid.
NOT_HIGHDICOM = ("ExplVR_BigEnd", "MR_small_bigendian", "_expb", "SC_rgb_small_odd.", "SC_rgb_small_odd_big")
# It scales the window by the slope, and so LINEAR's one less: off by up to (1 - slope) / width.
SLOPED = "/CR"


def row(name: str) -> str:
    return next((pattern for pattern in EXPECTED if fnmatchcase(name, pattern)), "")


def test_the_table_has_every_file_and_no_other() -> None:
    assert len(wheel()) > 150
    assert [name for name in wheel() if not row(name)] == []
    assert {row(name) for name in wheel()} == EXPECTED.keys()


@pytest.mark.parametrize("pattern", EXPECTED)
def test_it_is_decoded_as_expected_or_refused_by_name(pattern: str) -> None:
    expected = EXPECTED[pattern]
    for name in (name for name in wheel() if row(name) == pattern):
        if isinstance(expected, str):
            with pytest.raises(SuretyError) as refused:
                decode(wheel()[name], MAX_PIXELS)
            assert refused.value.code == expected, name
            continue
        decoded = decode(wheel()[name], MAX_PIXELS)
        pixels = decoded.pixels.numpy()
        assert (pixels.shape, expected[1] in "; ".join(decoded.steps)) == (expected[0], True), (name, decoded.steps)
        assert pixels.dtype == np.float32 and 0 <= pixels.min() <= pixels.max() <= 1
        assert (decoded.placement.rows, decoded.placement.columns) == pixels.shape[1:]


def test_it_is_equal_to_what_highdicom_shows() -> None:
    compared = 0
    for name in wheel():
        if isinstance(EXPECTED[row(name)], str) or any(part in name for part in NOT_HIGHDICOM):
            continue
        decoded = decode(wheel()[name], MAX_PIXELS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(io.BytesIO(wheel()[name]))
            shown = highdicom.Image.from_dataset(dataset).get_frame(
                1, apply_voi_transform=None, apply_icc_profile=False, voi_output_range=(0.0, 1.0), dtype=np.float64
            )
        pixels = decoded.pixels.numpy()
        real_values = np.ones(pixels.shape[1:], bool)
        if "PixelPaddingValue" in dataset:
            real_values = dataset.pixel_array != dataset.PixelPaddingValue
            assert (pixels[0][~real_values] == 0).all()
        if len(pixels) == 3:
            white = 65535 if "PALETTE" in dataset.PhotometricInterpretation else 2.0**dataset.BitsStored - 1
            shown = np.moveaxis(shown, -1, 0) / white
        elif "no window" in str(decoded.steps):
            low, high = shown[real_values].min(), shown[real_values].max()
            shown = (shown - low) / (high - low)
        off = np.abs(np.broadcast_to(shown, pixels.shape) - pixels)[:, real_values].max()
        assert off < (2e-4 if SLOPED in name else 1e-6), name
        compared += 1
    assert compared >= 70


def test_a_window_after_a_slope_is_that_of_pydicom() -> None:
    data = real("dicomdirtests/77654033/CR1/6154")
    dataset = pydicom.dcmread(io.BytesIO(data))
    shown = apply_windowing(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    low, high = 200.0, 4095 * 0.684 + 200
    assert np.abs(1 - (shown - low) / (high - low) - decode(data, MAX_PIXELS).pixels[0].numpy()).max() < 1e-6


def test_big_endian_and_every_codec_give_the_same_picture() -> None:
    plain = decode(real("MR_small.dcm"), MAX_PIXELS).pixels
    for name in ("bigendian", "expb", "implicit", "RLE", "jp2klossless", "jpeg_ls_lossless", "padded"):
        assert np.array_equal(decode(real(f"MR_small_{name}.dcm"), MAX_PIXELS).pixels, plain), name
    dose = decode(real("rtdose.dcm"), MAX_PIXELS, 3).pixels
    assert np.array_equal(decode(real("rtdose_expb.dcm"), MAX_PIXELS, 3).pixels, dose)
    assert np.array_equal(decode(real("rtdose_rle.dcm"), MAX_PIXELS, 3).pixels, dose)


@pytest.mark.parametrize("name", ["rtdose.dcm", "SC_rgb_rle_2frame.dcm", "examples_ybr_color.dcm"])
def test_one_frame_of_several(name: str) -> None:
    dataset = pydicom.dcmread(io.BytesIO(real(name)))
    frame = int(dataset.NumberOfFrames)
    decoded = decode(real(name), MAX_PIXELS, frame)
    assert f"frame {frame} of {frame}" in decoded.steps
    last = dataset.pixel_array[-1].astype(np.float64)
    last = np.moveaxis(last, -1, 0) / 255 if last.ndim == 3 else (last - last.min()) / np.ptp(last)
    assert np.abs(decoded.pixels.numpy() - last).max() < 1e-6
    with pytest.raises(SuretyError, match=f"{frame} frames") as refused:
        decode(real(name), MAX_PIXELS, frame + 1)
    assert (refused.value.code, refused.value.pointer) == ("frame_out_of_range", "/spec/frame")
