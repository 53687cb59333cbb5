"""The real DICOM files in pydicom's wheel, and made ones."""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from worker.contract.transfer_syntax import COMPRESSED

MAX_PIXELS = 64_000_000
WHEEL = Path(pydicom.data.__file__).parent


@cache
def wheel() -> dict[str, bytes]:
    """Every DICOM file that comes with pydicom, by its path; nothing is downloaded."""
    files = {str(path.relative_to(WHEEL)): path.read_bytes() for path in sorted(WHEEL.rglob("*")) if path.is_file()}
    return {name: data for name, data in files.items() if data[128:132] == b"DICM" or name.endswith(".dcm")}


def real(name: str) -> bytes:
    return wheel()[f"test_files/{name}"]


def dataset(pixels: NDArray[np.integer], **attributes: Any) -> Dataset:
    """A grey or RGB image with these stored values, [(frames,) rows, columns (, 3)], and attributes by keyword."""
    colour = pixels.ndim > 2 and pixels.shape[-1] == 3
    rows, columns = (pixels[..., 0] if colour else pixels).shape[-2:]
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid(entropy_srcs=["made"])
    made.StudyInstanceUID, made.SeriesInstanceUID = (generate_uid(entropy_srcs=[level]) for level in ("a", "b"))
    made.PatientID, made.PatientName, made.Modality = "4711", "Doe^Jane", "OT"
    made.StudyID, made.SeriesNumber, made.InstanceNumber = "1", 1, 1
    made.Rows, made.Columns, made.SamplesPerPixel = rows, columns, 3 if colour else 1
    made.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8 * pixels.itemsize
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(pixels.dtype.kind == "i")
    if colour:
        made.PlanarConfiguration = 0
    if pixels.ndim - colour > 2:
        made.NumberOfFrames = len(pixels)
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW" if pixels.itemsize > 1 else "OB"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def part10(made: Dataset, syntax: str = ExplicitVRLittleEndian, frames: list[bytes] | None = None) -> bytes:
    """The data set as a file; with `frames`, codestreams instead of its pixels."""
    if frames is not None:
        made.PixelData = encapsulate(frames)
        made["PixelData"].VR = "OB"
    assert frames is not None or syntax not in COMPRESSED
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # made wrong on purpose
        pydicom.dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()
