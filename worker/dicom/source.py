"""The frame that was explained, as the objects about it refer to it."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, datetime, time

from highdicom.spatial import get_image_coordinate_system
from pydicom import DataElement, Dataset
from pydicom.valuerep import DA, TM

NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# Attributes that every object has, if only empty.
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)
_SEXES = ("M", "F", "O", "")
_TIMES = {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM}
_PLACES = ("PlaneOrientationSequence", "PixelMeasuresSequence")


def lacking(header: Dataset) -> list[str]:
    """What a source must say, and this one does not: without it an archive could not tell whose the objects are."""
    absent = [keyword for keyword in NEEDED if not header.get(keyword)]
    return absent if "PatientID" in header else [*absent, "PatientID"]


def placed(source: Dataset) -> bool:
    """Whether the frame has a position and an orientation in a Frame of Reference."""
    return get_image_coordinate_system(source) is not None


def single_frame(header: Dataset, frame: int | None) -> Dataset:
    """A copy of the header in which the one frame is all there is, and what objects want is there, if only empty: what
    is malformed is left out.

    `frame` counts from 1; None where the source has one frame.
    """
    source = deepcopy(header)
    for keyword in _MAY_BE_EMPTY:
        if keyword not in source:
            setattr(source, keyword, None)
    if source.PatientSex not in _SEXES:
        source.PatientSex = None
    for keyword, kind in _TIMES.items():
        try:
            kind(source[keyword].value)
        except (TypeError, ValueError):
            setattr(source, keyword, None)
    if "NumberOfFrames" in source:
        source.NumberOfFrames = 1
    _share_groups(source, frame or 1)
    return source


def _share_groups(source: Dataset, frame: int) -> None:
    """What the functional groups say of the frame is said for all; highdicom wants it there, if only empty."""
    shared = deepcopy((source.get("SharedFunctionalGroupsSequence") or [Dataset()])[0])
    if own := source.get("PerFrameFunctionalGroupsSequence"):
        source.PerFrameFunctionalGroupsSequence = [own[frame - 1]]
        shared.update({group: own[frame - 1][group] for group in _PLACES if group in own[frame - 1]})
    if "PixelMeasuresSequence" not in shared:
        shared.PixelMeasuresSequence = [Dataset()]
    source.SharedFunctionalGroupsSequence = [shared]


def name_frame(result: Dataset, frame: int) -> None:
    """Every reference of the result to its source images names the frame."""

    def name(_: Dataset, element: DataElement) -> None:
        if element.keyword == "SourceImageSequence":
            references = [deepcopy(reference) for reference in element.value]
            for reference in references:
                reference.ReferencedFrameNumber = frame
            element.value = references

    result.walk(name)


def moment(header: Dataset, otherwise: datetime) -> datetime:
    """When the source says it came to be; `otherwise` where it does not say."""
    for kind in ("Content", "Acquisition", "Series", "Study"):
        try:
            day, clock = DA(header.get(f"{kind}Date")), TM(header.get(f"{kind}Time"))
        except (TypeError, ValueError):
            continue
        if day:
            return datetime.combine(date(day.year, day.month, day.day), _whole_seconds(clock))
    return otherwise


def _whole_seconds(clock: TM | None) -> time:
    return time(clock.hour, clock.minute, clock.second) if clock else time()
