"""The map in colour over the source frame, with a legend burnt in: a picture that every viewer shows."""

from __future__ import annotations

import textwrap

import numpy as np
from highdicom.sc import SCImage
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset

from worker.contract.archive import MANUFACTURER
from worker.core.certificates.words import down
from worker.core.render import pictures
from worker.dicom import codes
from worker.dicom.case import RESEARCH, Case
from worker.dicom.maps import nearest

Picture = Float[ndarray, "channels rows columns"]
Rgb = UInt8[ndarray, "rows columns 3"]

# What the source says of its pixels is true of these as well.
_KEPT = (
    *("BurnedInAnnotation", "RecognizableVisualFeatures"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
_BAND = 256
_INK, _PAPER = (255, 255, 255), (0, 0, 0)


def secondary_capture(case: Case, picture: Picture) -> Dataset:
    """`picture` is the frame as it was decoded, in [0,1]. The legend stands below it and covers none of it."""
    source = case.source
    colours = _with_legend(_overlay(case, picture), _legend(case))
    identity = case.identity("overlay", 9001)
    result = SCImage(
        pixel_array=colours,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),  # SCImage wants one; the source's follows
        study_instance_uid=source.StudyInstanceUID,
        patient_id=source.PatientID,
        patient_name=source.PatientName,
        patient_birth_date=source.PatientBirthDate,
        patient_sex=source.PatientSex,
        accession_number=source.AccessionNumber,
        study_id=source.StudyID,
        study_date=source.StudyDate,
        study_time=source.StudyTime,
        referring_physician_name=source.ReferringPhysicianName,
        **identity,
    )
    result.copy_patient_and_study_information(source)
    result.PatientOrientation = source.get("PatientOrientation")
    result.Laterality = case.laterality
    result.ConversionType = "WSD"
    result.ImageComments = f"{RESEARCH}. {case.certificate.statement}"
    result.DerivationDescription = f"Saliency map of {case.claims.provenance.model} in colour over the source frame"
    result.DerivationCodeSequence = [codes.VISUAL_EXPLANATION]
    for keyword in _KEPT:
        if keyword in source:
            setattr(result, keyword, source[keyword].value)
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.SOPClassUID
    reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
    reference.PurposeOfReferenceCodeSequence = [codes.SOURCE_IMAGE]
    result.SourceImageSequence = [reference]
    return result


def _overlay(case: Case, picture: Picture) -> Rgb:
    """The frame in grey, tinted where the model saw it. In bands of rows: frames may be large."""
    placement, mean = case.placement, case.maps.mean
    pixels = np.repeat(_bytes(picture.mean(axis=0) * 255)[..., None], 3, axis=2)
    colour, weight = pictures.tint(mean, case.claims.spec.render.palette)
    rows, columns = nearest(mean.shape, placement)
    for start in range(0, len(rows), _BAND):
        cells = np.ix_(rows[start : start + _BAND], columns)
        band = pixels[placement.top + start :, placement.left :][: len(cells[0]), : len(columns)]
        band[:] = _bytes((1 - weight[cells]) * band + weight[cells] * colour[cells])
    factor = max(1, pictures.READABLE // max(pixels.shape[:2]))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _bytes(values: Float[ndarray, "*axes"]) -> UInt8[ndarray, "*axes"]:
    whole: UInt8[ndarray, "*axes"] = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return whole


def _legend(case: Case) -> list[str]:
    claims, certificate = case.claims, case.certificate
    said = next(at for at in certificate.radii if at.rho == case.rho)
    return [
        f"{MANUFACTURER} {claims.provenance.service_version}: {RESEARCH.upper()}",
        f"Model {claims.provenance.model}, {claims.target.label}",
        f"rho = {said.rho:g} (l2, pixels in [0,1]), confidence {claims.spec.confidence:g}, {certificate.name} "
        f"{down(said.value)}: {said.outcome}",
        said.text,
    ]


def _with_legend(pixels: Rgb, lines: list[str]) -> Rgb:
    columns = pixels.shape[1]
    size = min(max(12, columns // 64), 48)
    font = ImageFont.load_default(size)
    letters = max(8, int((columns - size) / font.getlength("n")))
    text = "\n".join(part for line in lines for part in textwrap.wrap(line, letters))
    step = size * 3 // 2
    strip = Image.new("RGB", (columns, step * (text.count("\n") + 1) + size), _PAPER)
    ImageDraw.Draw(strip).multiline_text((size // 2, size // 2), text, fill=_INK, font=font, spacing=step - size)
    return np.concatenate([pixels, np.asarray(strip)])
