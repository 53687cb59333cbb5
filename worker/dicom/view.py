"""The picture that a clinician sees: modality, window, inversion and padding applied once, and each written down."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from worker.contract.dicom import DicomHeader, read_header
from worker.contract.elements import damaged
from worker.contract.transfer_syntax import COMPRESSED, UNCOMPRESSED
from worker.dicom.groups import Groups, first_item, integer, number
from worker.dicom.lut import Lut, palette
from worker.dicom.read import stored_values
from worker.dicom.window import shown

Values = NDArray[np.float64]
Stored = NDArray[np.integer]


class Picture(NamedTuple):
    """Pixels in [0,1], [1 or 3, rows, columns], and the steps in words, which name no patient and no instance."""

    pixels: NDArray[np.float32]
    steps: list[str]


def picture(data: bytes, max_pixels: int, frame: int) -> Picture:
    """Frame `frame`, counted from 1, of a DICOM file. Raises an ImageError for a file that is not read."""
    claimed = read_header(data, max_pixels)
    dataset, stored = stored_values(data, claimed, frame - 1)
    steps = [_opened(dataset, claimed)]
    if claimed.frames > 1:
        steps.append(f"frame {frame} of {claimed.frames}")
    with np.errstate(all="ignore"):  # looked at below
        pixels = _shown(dataset, claimed, stored, frame, steps)
    if not np.isfinite(pixels).all():
        raise damaged("its window or rescaling gives values that are not finite")
    return Picture(np.ascontiguousarray(pixels, dtype=np.float32), steps)


def _shown(
    dataset: Dataset, claimed: DicomHeader, stored: Stored, frame: int, steps: list[str]
) -> NDArray[np.floating]:
    if claimed.samples == 3:
        return _colour(dataset, claimed, stored, steps)
    if claimed.photometric == "PALETTE COLOR":
        steps.append("palette applied")
        return palette(dataset, stored)
    return _grey(Groups.of(dataset, frame - 1), stored, steps)[None]


def _opened(dataset: Dataset, claimed: DicomHeader) -> str:
    modality = str(dataset.get("Modality", ""))
    known = modality if re.fullmatch("[A-Z]{2,16}", modality) else "OT"
    syntax = {**UNCOMPRESSED, **COMPRESSED}[claimed.syntax]
    size = f"{claimed.columns}x{claimed.rows} {claimed.photometric}, {int(dataset.BitsStored)} bits"
    return f"decoded DICOM {known} {size}, {syntax} ({claimed.syntax})"


def _colour(dataset: Dataset, claimed: DicomHeader, stored: Stored, steps: list[str]) -> NDArray[np.float32]:
    if claimed.photometric != "RGB":
        steps.append(f"{claimed.photometric} to RGB")
    white = 2 ** int(dataset.BitsStored) - 1
    steps.append(f"{int(dataset.BitsStored)}-bit / {white}")
    colours: NDArray[np.float32] = np.clip(np.moveaxis(stored, -1, 0).astype(np.float32) / white, 0, 1)
    return colours


def _grey(groups: Groups, stored: Stored, steps: list[str]) -> Values:
    dataset = groups.dataset
    padding, name = _padding(dataset, stored)
    bright = shown(groups, _modality(groups, stored, steps), padding, steps)
    if "PresentationLUTShape" in dataset:
        inverted = dataset.PresentationLUTShape == "INVERSE"
    else:
        inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    if inverted:
        steps.append(f"{dataset.PhotometricInterpretation} inverted")
        bright = 1.0 - bright
    if padding is not None:
        steps.append(f"padding {name} to black")
        bright[padding] = 0.0
    return bright


def _padding(dataset: Dataset, stored: Stored) -> tuple[NDArray[np.bool_] | None, str]:
    """Where the picture was filled up, if it was, and with what."""
    if dataset.get("PixelPaddingValue") in (None, ""):
        return None, ""
    first = integer(dataset.PixelPaddingValue, dataset)
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((first, first if limit in (None, "") else integer(limit, dataset)))
    where = (stored >= low) & (stored <= high)
    return (where, f"{low}" if low == high else f"{low} to {high}") if where.any() else (None, "")


def _modality(groups: Groups, stored: Stored, steps: list[str]) -> Values:
    """From stored values to those of the modality, for instance Hounsfield units."""
    if item := first_item(groups.dataset, "ModalityLUTSequence"):
        steps.append("modality LUT")
        return Lut.of(item, groups.dataset).apply(stored)
    values = stored.astype(np.float64)
    found = groups.holding("PixelValueTransformationSequence", "RescaleSlope", "RescaleIntercept")
    if found is not None:
        slope, intercept = number(found, "RescaleSlope", 1.0), number(found, "RescaleIntercept", 0.0)
        steps.append(f"rescale slope {slope:g} intercept {intercept:g}")
        values *= slope
        values += intercept
    return values
