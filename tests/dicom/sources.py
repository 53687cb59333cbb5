"""DICOM files that objects are made about: real ones from pydicom's wheel, and a chest film made here."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.data import get_testdata_file
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

PLANTED = "Planted-Name"


class Source(NamedTuple):
    """A file, which frame of it, and whether it says where in the patient that frame is."""

    data: bytes
    frame: int | None
    placed: bool


def sources() -> dict[str, Source]:
    """By name; several modalities, single and multi-frame, grey and colour."""
    return {
        "ct": Source(wheel("CT_small.dcm"), None, True),
        "mr": Source(wheel("MR_small.dcm"), None, True),
        "us-frames": Source(wheel("examples_ybr_color.dcm"), 3, False),
        "us-colour": Source(wheel("examples_rgb_color.dcm"), None, False),
        "sc-spacing": Source(wheel("JPEG2000.dcm"), None, False),
        "film": Source(film(), None, False),
    }


def wheel(name: str) -> bytes:
    """A file that comes with pydicom; never downloaded."""
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str), f"pydicom's wheel has no {name}"
    return Path(path).read_bytes()


def film(**changes: object) -> bytes:
    """A digital X-ray of 40 x 30 pixels of a patient with a name; `changes` set attributes, None deletes them."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    made.file_meta.MediaStorageSOPInstanceUID = "2.25.13"
    values = {
        "SOPClassUID": DigitalXRayImageStorageForPresentation,
        "SOPInstanceUID": "2.25.13",
        "SeriesInstanceUID": "2.25.12",
        "StudyInstanceUID": "2.25.11",
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientName": f"{PLANTED}^Jörg",
        "PatientID": "4711",
        "StudyDate": "20240229",
        "StudyTime": "101530.5",
        "Modality": "DX",
        "ImageLaterality": "R",
        "PatientOrientation": ["L", "F"],
        "BurnedInAnnotation": "NO",
        "PixelSpacing": [0.2, 0.2],
        "Rows": 40,
        "Columns": 30,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "WindowCenter": 2048,
        "WindowWidth": 4096,
        "PixelData": np.random.default_rng(0).integers(0, 4096, (40, 30), dtype=np.uint16).tobytes(),
    }
    for keyword, value in {**values, **changes}.items():
        if value is not None:
            setattr(made, keyword, value)
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
