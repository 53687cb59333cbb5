"""Which pixels of the source frame are certified salient, certified not salient, and neither."""

from __future__ import annotations

from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom import Dataset

from worker.contract.archive import MANUFACTURER
from worker.core.render import pictures
from worker.dicom import codes
from worker.dicom.case import RESEARCH, Case
from worker.dicom.maps import segments
from worker.dicom.source import placed

_GREY = (128, 128, 128)


def segmentation(case: Case) -> Dataset:
    """Three binary segments at the frame's size, at the smallest asked radius; each is there even if it is empty.

    Every pixel that the model saw is in exactly one, a pixel that it did not see is in none.
    """
    parts = segments(case.maps, case.rho, case.placement)
    result = Segmentation(
        source_images=[case.source],
        pixel_array=parts[None],
        segmentation_type="BINARY",
        segment_descriptions=_descriptions(case),
        omit_empty_frames=False,
        content_label="SALIENCY",
        content_description=f"Certified saliency within rho {case.rho:g}; {RESEARCH.lower()}",
        **case.identity("segmentation", 9002),
    )
    if not placed(case.source):
        result.PatientOrientation = case.source.get("PatientOrientation")
    shared = result.SharedFunctionalGroupsSequence[0]
    # Spacing is not allowed without a thickness, which a projection does not have.
    if "PixelMeasuresSequence" in shared and "SliceThickness" not in shared.PixelMeasuresSequence[0]:
        del shared.PixelMeasuresSequence
    return result


def _descriptions(case: Case) -> list[SegmentDescription]:
    claims = case.claims
    failures = case.certificate.interval.allowed_failures
    rerun = claims.spec.compare == "observed"
    which = "a fresh run's map" if rerun else "the smoothed map"
    within = (
        f"for {'any one' if rerun or failures else 'every'} change of the image as the model receives it with an l2 "
        f"norm of at most rho = {case.rho:g} in [0,1] pixel units, with confidence {claims.spec.confidence:g} over the "
        f"random sampling{f'; at most {failures} of these cells may be marked wrongly' if failures else ''}"
    )
    among = f"among the {case.maps.size} most salient cells of {which} for {claims.target.label} {within}"
    algorithm = AlgorithmIdentificationSequence(
        name=MANUFACTURER,
        family=codes.ARTIFICIAL_INTELLIGENCE,
        version=claims.provenance.service_version,
        source=MANUFACTURER,
        parameters={"model": claims.provenance.model, "rho": f"{case.rho:g}", "samples": str(claims.samples)},
    )

    def described(number: int, concept: CodedConcept, text: str, rgb: tuple[float, ...]) -> SegmentDescription:
        segment = SegmentDescription(
            segment_number=number,
            segment_label=f"{concept.meaning}, rho {case.rho:g}",
            segmented_property_category=codes.SPATIAL_CONCEPT,
            segmented_property_type=concept,
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
            display_color=CIELabColor.from_rgb(*rgb),
        )
        segment.SegmentDescription = f"{text}. {RESEARCH}."
        return segment

    neither = f"Cells of which neither is certified {within}"
    return [
        described(1, codes.CERTIFIED_SALIENT, f"Cells that stay {among}", tuple(pictures.SALIENT[2])),
        described(2, codes.CERTIFIED_NOT_SALIENT, f"Cells that never come {among}", tuple(pictures.NOT_SALIENT)),
        described(3, codes.UNDECIDED, neither, _GREY),
    ]
