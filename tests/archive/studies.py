"""DICOM images as a modality would send them, with planted patient data."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.conftest import REPOSITORY
from worker.contract.archive import Reference

ARCHIVE = "pacs"
# No log and no error of ours may hold any of these.
PLANTED = ("Planted", "MRN-4711", "19500102", "ACC-0815")


class Made(NamedTuple):
    """An instance and its file."""

    study: str
    series: str
    instance: str
    data: bytes

    @property
    def reference(self) -> Reference:
        return Reference(archive=ARCHIVE, study=self.study, series=self.series, instance=self.instance)


def make(seed: str, number: int = 0, study: str | None = None) -> Made:
    """A computed radiograph of a handwritten digit; the same seed gives the same file."""
    data = Dataset()
    data.SOPClassUID = ComputedRadiographyImageStorage
    data.SOPInstanceUID = generate_uid(entropy_srcs=[seed, "instance"])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=[seed, "series"])
    data.StudyInstanceUID = study or generate_uid(entropy_srcs=[seed, "study"])
    data.PatientName, data.PatientID, data.PatientBirthDate = "Planted^Patient", "MRN-4711", "19500102"
    data.PatientSex, data.AccessionNumber, data.StudyID = "O", "ACC-0815", "1"
    data.StudyDate = data.SeriesDate = data.ContentDate = "20260102"
    data.StudyTime = data.SeriesTime = data.ContentTime = "101112"
    data.ReferringPhysicianName, data.Manufacturer, data.Modality = "", "A Modality", "CR"
    data.SeriesNumber, data.InstanceNumber = 1, 1
    data.BodyPartExamined, data.ViewPosition, data.Laterality, data.PatientOrientation = "CHEST", "PA", "", ""
    digit = np.asarray(Image.open(REPOSITORY / "models" / "digits" / "samples" / f"digit-{number}-0.png").convert("L"))
    data.Rows, data.Columns = digit.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.PixelData = digit.tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return Made(data.StudyInstanceUID, data.SeriesInstanceUID, data.SOPInstanceUID, file.getvalue())
