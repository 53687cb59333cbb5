"""The DICOM objects that tell an archive of an explanation."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import NamedTuple

from pydicom import Dataset

from worker.contract.dicom import MOST_VALUES
from worker.contract.image import Placement, quietly
from worker.contract.result import Claims
from worker.dicom.case import Case
from worker.dicom.maps import Maps
from worker.dicom.parametric_map import parametric_map
from worker.dicom.read import header
from worker.dicom.report import report
from worker.dicom.secondary_capture import secondary_capture
from worker.dicom.segmentation import segmentation
from worker.dicom.source import lacking, moment, name_frame, placed, single_frame
from worker.dicom.view import picture

# Attributes that highdicom fills with the time of writing.
_NOW = ("InstanceCreationDate", "InstanceCreationTime", "DateOfSecondaryCapture", "TimeOfSecondaryCapture")
# It quotes names of patients in what it logs.
logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)


class Objects(NamedTuple):
    """The objects' files by name, and why others are missing."""

    files: dict[str, bytes]
    notes: list[str]


def objects(data: bytes, frame: int | None, claims: Claims, maps: Maps, placement: Placement) -> Objects:
    """What can be written about frame `frame` (counted from 1) of the file, which was decoded before.

    Never raises for what the file says: an explanation without objects is better than none.
    """
    with quietly():
        try:
            head = header(data)
            if missing := lacking(head):
                return Objects({}, [f"No DICOM objects were written: the file has no {', '.join(missing)}."])
            of_many = (frame or 1) if int(head.get("NumberOfFrames") or 1) > 1 else None
            source, when = single_frame(head, of_many), moment(head, claims.provenance.finished_at)
            case = Case(source, of_many, when, claims, maps, placement)
            makers = _makers(case, data)
        except Exception as error:  # noqa: BLE001 - a parser of untrusted bytes
            return Objects({}, [f"No DICOM objects were written: {_unfit(error)}"])
        files, notes = {}, []
        for name, make in makers.items():
            try:
                files[name] = _file(make(), case)
            except Exception as error:  # noqa: BLE001 - as above
                notes.append(f"{name} was not written: {_unfit(error)}")
    return Objects(files, notes)


def _makers(case: Case, data: bytes) -> dict[str, Callable[[], Dataset]]:
    frame = picture(data, MOST_VALUES, case.frame or 1).pixels
    makers: dict[str, Callable[[], Dataset]] = {
        "overlay.dcm": lambda: secondary_capture(case, frame),
        "segmentation.dcm": lambda: segmentation(case),
        "report.dcm": lambda: report(case),
    }
    return makers | ({"map.dcm": lambda: parametric_map(case)} if placed(case.source) else {})


def _unfit(error: Exception) -> str:
    """What the library says may quote the patient's name; the kind of error does not."""
    return f"the file's attributes do not allow it ({type(error).__name__})."


def _file(result: Dataset, case: Case) -> bytes:
    """The object as a Part 10 file, without anything in it that depends on when it was written."""
    if case.frame:
        name_frame(result, case.frame)
    for keyword in _NOW:
        if keyword in result:
            delattr(result, keyword)
    for equipment in result.get("ContributingEquipmentSequence") or ():
        equipment.pop("ContributionDateTime", None)
    for group in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in result.get(group) or ():
            item.DimensionOrganizationUID = case.uid("dimensions", str(result.SOPInstanceUID))
    buffer = io.BytesIO()
    result.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
