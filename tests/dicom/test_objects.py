"""The objects about an explanation, judged by dciodvfy, read back by highdicom, and compared with a slow oracle."""

from __future__ import annotations

import io
import shutil
import subprocess
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom.pm.sop import pmread
from pydicom import Dataset

from models.cards import shipped
from models.registry import Registry
from tests.conftest import REPOSITORY, missing
from tests.dicom.sources import PLANTED, Source, film, sources, wheel
from worker.contract.image import Placement
from worker.contract.result import Explanation
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.core.render.pictures import READABLE
from worker.dicom.codes import SCHEME, TABLE
from worker.dicom.maps import Maps
from worker.dicom.objects import objects
from worker.dicom.uids import made_by_us
from worker.service.explainer import Explained, Explainer

SPEC: dict[str, Any] = {
    "samples": 256,
    "certificates": [
        {"name": "topk_overlap", "k": 0.2, "radii": [0.1, 0.01]},
        {"name": "cosine", "radii": [0.01]},
    ],
}
RHO = 0.01
SIZE = (9, 7)
SOURCES = sources()


@pytest.fixture(scope="module")
def explained() -> Explained:
    """A computed tomogram under the digits model: nonsense in the clinic, and all the parts are real."""
    spec = ExplanationSpec.model_validate(SPEC)
    explainer = Explainer(Settings(), Registry([shipped()]))
    return explainer.explain(SOURCES["ct"].data, spec, None, lambda done, checkpoint: None)


@pytest.fixture(scope="module")
def claims(explained: Explained) -> Explanation:
    return explained.explanation


def maps() -> Maps:
    draw = np.random.default_rng(1)
    reach = draw.normal(0.0, 0.03, SIZE)
    return Maps(draw.random(SIZE), reach, -reach - 0.005, 12)


def placement(data: bytes) -> Placement:
    """A part of the frame that touches neither its left nor its upper edge."""
    header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    rows, columns = header.Rows, header.Columns
    return Placement(3, 5, rows - 4, columns - 7, rows, columns)


def written(source: Source, claims: Explanation) -> dict[str, bytes]:
    made = objects(source.data, source.frame, claims, maps(), placement(source.data))
    assert not made.notes
    return made.files


@pytest.fixture(scope="module")
def made(claims: Explanation) -> dict[str, dict[str, bytes]]:
    return {name: written(source, claims) for name, source in SOURCES.items()}


def opened(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def test_a_dicom_job_has_the_objects_as_artifacts(explained: Explained) -> None:
    names = {"overlay.dcm", "segmentation.dcm", "report.dcm", "map.dcm"}
    assert names <= explained.artifacts.keys() and names <= set(explained.explanation.artifacts)
    assert explained.explanation.notes == []
    arrays = np.load(io.BytesIO(explained.artifacts["map.npz"]))
    segments = hd.seg.segread(io.BytesIO(explained.artifacts["segmentation.dcm"])).pixel_array
    for segment, name in zip(segments, ("salient_radius", "not_salient_radius"), strict=False):
        certified = arrays[name][0] > RHO
        assert certified.any()
        np.testing.assert_array_equal(segment, certified.repeat(16, axis=0).repeat(16, axis=1))
    assert (segments.sum(axis=0) == 1).all()


@pytest.mark.parametrize("name", SOURCES)
def test_a_map_is_written_only_where_the_frame_has_a_place(name: str, made: dict[str, dict[str, bytes]]) -> None:
    assert ("map.dcm" in made[name]) == SOURCES[name].placed
    assert {"overlay.dcm", "segmentation.dcm", "report.dcm"} <= made[name].keys()


@pytest.mark.parametrize("name", SOURCES)
def test_dciodvfy_finds_no_error(name: str, made: dict[str, dict[str, bytes]], tmp_path: Path) -> None:
    if not shutil.which("dciodvfy"):
        missing("dciodvfy is not installed (Debian: dicom3tools): no object was judged.")
    for kind, data in made[name].items():
        path = tmp_path / kind
        path.write_bytes(data)
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, timeout=60)
        lines = (said.stdout + said.stderr).splitlines()
        assert not [line for line in lines if line.startswith("Error")], kind
        assert any(line in ("SCImage", "Segmentation", "ComprehensiveSR", "ParametricMap") for line in lines), lines


def cell(at: int, begin: int, length: int, cells: int) -> int | None:
    """Which of the equal cells over [begin, begin + length) the centre of pixel `at` lies in."""
    centre = Fraction(2 * at + 1, 2) - begin
    for number in range(cells):
        if Fraction(length * number, cells) <= centre < Fraction(length * (number + 1), cells):
            return number
    return None


@pytest.mark.parametrize("name", SOURCES)
def test_segments_are_the_cells_of_the_radius_maps(name: str, made: dict[str, dict[str, bytes]]) -> None:
    source, found = SOURCES[name], maps()
    where = placement(source.data)
    expected = np.zeros((where.rows, where.columns, 3), dtype=np.uint8)
    across = [cell(at, where.left, where.width, SIZE[1]) for at in range(where.columns)]
    for row in range(where.rows):
        down = cell(row, where.top, where.height, SIZE[0])
        for column in range(where.columns):
            right = across[column]
            if down is not None and right is not None:
                kept, gone = found.salient[down, right] > RHO, found.not_salient[down, right] > RHO
                expected[row, column, 0 if kept else 1 if gone else 2] = 1
    assert expected.any(axis=(0, 1)).all()
    read = hd.seg.segread(io.BytesIO(made[name]["segmentation.dcm"]))
    uid = opened(source.data).SOPInstanceUID
    if source.frame:
        references = [
            item.SourceImageSequence[0] for item in read.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence
        ]
        assert [(item.ReferencedSOPInstanceUID, item.ReferencedFrameNumber) for item in references] == [(uid, 3)]
        shown = np.moveaxis(read.pixel_array, 0, -1)
    else:
        shown = read.get_pixels_by_source_instance([uid])[0]
    np.testing.assert_array_equal(shown, expected)
    for number in (1, 2, 3):
        said = read.get_segment_description(number)
        assert "Research use only" in said.SegmentDescription and "0.01" in said.SegmentLabel
        assert said.algorithm_identification.name == "Surety"


def test_the_report_says_what_the_certificates_say(claims: Explanation, made: dict[str, dict[str, bytes]]) -> None:
    report = hd.sr.srread(io.BytesIO(made["us-frames"]["report.dcm"]))
    assert (report.VerificationFlag, report.PreliminaryFlag, report.CompletionFlag) == (
        "UNVERIFIED",
        "PRELIMINARY",
        "COMPLETE",
    )
    groups = report.content.get_image_measurement_groups()
    expected = [(item, at) for item in claims.certificates for at in item.radii]
    assert len(groups) == len(expected) == 3
    for group, (certificate, at) in zip(groups, expected, strict=True):
        values = {item.name.value: item.value for item in group.get_measurements()}
        name = "OVERLAP" if certificate.name == "topk_overlap" else "VALUE"
        numbers = {name: at.value, "RADIUS": at.rho, "SAMPLES": 256, "CONFIDENCE": 0.95}
        assert values == pytest.approx(numbers, rel=1e-9)
        outcomes = {item.name.value: item.value.value for item in group.get_qualitative_evaluations()}
        assert outcomes["OUTCOME"] == at.outcome.upper()
        texts = {item.ConceptNameCodeSequence[0].CodeValue: item.get("TextValue") for item in group[0].ContentSequence}
        assert texts["STATEMENT"] == at.text and texts["CLASS"] == claims.target.label
        (image,) = group.source_images
        reference = image.ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == opened(SOURCES["us-frames"].data).SOPInstanceUID
        assert reference.ReferencedFrameNumber == 3
    assert report.ContentSequence[-1].TextValue.startswith("Research use only")


def test_the_picture_tints_what_the_model_saw(made: dict[str, dict[str, bytes]]) -> None:
    overlay, where = opened(made["film"]["overlay.dcm"]), placement(SOURCES["film"].data)
    factor = READABLE // max(where.rows, where.columns)
    pixels = overlay.pixel_array[: where.rows * factor : factor, ::factor].astype(int)
    assert pixels.shape == (where.rows, where.columns, 3) and overlay.Rows > where.rows * factor
    coloured = np.ptp(pixels, axis=2) > 0
    inside = np.zeros_like(coloured)
    inside[where.top : where.top + where.height, where.left : where.left + where.width] = True
    assert not coloured[~inside].any() and coloured[inside].mean() > 0.9
    assert overlay.pixel_array[where.rows * factor :].max() > 200, "no legend"
    assert (overlay.BurnedInAnnotation, overlay.Laterality, list(overlay.PatientOrientation)) == ("NO", "R", ["L", "F"])
    assert "Research use only" in overlay.ImageComments and "research use only" in overlay.SeriesDescription


def test_the_map_has_the_means_where_the_model_saw_something(made: dict[str, dict[str, bytes]]) -> None:
    read, where = pmread(io.BytesIO(made["ct"]["map.dcm"])), placement(SOURCES["ct"].data)
    values = opened(made["ct"]["map.dcm"]).pixel_array
    seen = values[where.top : where.top + where.height, where.left : where.left + where.width]
    assert np.array_equal(np.unique(seen), np.unique(maps().mean.astype(np.float32)))
    assert (values == read.FloatPixelPaddingValue).sum() == values.size - seen.size
    assert read.FrameOfReferenceUID == opened(SOURCES["ct"].data).FrameOfReferenceUID


def test_the_same_explanation_is_written_the_same_to_the_byte(
    claims: Explanation, made: dict[str, dict[str, bytes]]
) -> None:
    provenance = claims.provenance
    later = provenance.model_copy(update={"finished_at": provenance.finished_at + timedelta(days=400)})
    assert written(SOURCES["film"], claims.model_copy(update={"provenance": later})) == made["film"]
    other = provenance.model_copy(update={"counts_sha256": "0" * 64})
    changed = written(SOURCES["film"], claims.model_copy(update={"provenance": other}))
    for name, data in made["film"].items():
        one, two = opened(data), opened(changed[name])
        assert one.SOPInstanceUID != two.SOPInstanceUID and one.SeriesInstanceUID != two.SeriesInstanceUID


def test_objects_carry_the_patient_and_say_who_wrote_them(made: dict[str, dict[str, bytes]]) -> None:
    source = opened(SOURCES["film"].data)
    results = [opened(data) for data in made["film"].values()]
    assert not made_by_us(source)
    assert len({result.SeriesInstanceUID for result in results} | {source.SeriesInstanceUID}) == len(results) + 1
    for result in results:
        assert made_by_us(result)
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "StudyTime"):
            assert result[keyword].value == source[keyword].value
        assert (result.ContentDate, result.ContentTime) == ("20240229", "101530")


@pytest.mark.parametrize("keyword", ["PatientID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_without_what_an_archive_needs_there_are_no_objects_and_a_note(keyword: str, claims: Explanation) -> None:
    data = film(**{keyword: None})
    made = objects(data, None, claims, maps(), placement(data))
    assert made.files == {} and keyword in made.notes[0]


def test_odd_attributes_cost_one_object_at_most_and_nobody_reads_the_name(
    claims: Explanation, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    odd = film(PatientName=PLANTED, PatientSex="MALE", StudyDate="yesterday", AccessionNumber="A" * 90)
    made = objects(odd, None, claims, maps(), placement(odd))
    assert made.files.keys() == {"overlay.dcm", "segmentation.dcm", "report.dcm"}
    unplaced = pydicom.dcmread(io.BytesIO(wheel("CT_small.dcm")))
    del unplaced.FrameOfReferenceUID
    unplaced.PatientName = PLANTED
    buffer = io.BytesIO()
    unplaced.save_as(buffer)
    made = objects(buffer.getvalue(), None, claims, maps(), placement(buffer.getvalue()))
    assert made.files.keys() == {"overlay.dcm", "report.dcm"} and "segmentation.dcm" in made.notes[0]
    assert PLANTED not in " ".join([*made.notes, caplog.text, *(str(item.message) for item in recwarn)])


def test_the_published_table_is_the_one_in_use() -> None:
    lines = (REPOSITORY / "docs" / "codes.md").read_text().splitlines()
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    assert {row[0]: row[1] for row in rows} == {value: code.meaning for value, code in TABLE.items()}
    assert all(code.scheme_designator == SCHEME for code in TABLE.values())
