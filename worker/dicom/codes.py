"""The concepts that the objects name: standard codes where they say what is meant, our own table for the rest.

docs/codes.md publishes the table; a code that was ever published keeps its meaning.
"""

from __future__ import annotations

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

from worker.contract.result import Outcome

SCHEME = "99SURETY"

VISUAL_EXPLANATION = CodedConcept.from_code(codes.DCM.VisualExplanation)  # 130401
SALIENCY = CodedConcept.from_code(codes.DCM.Saliency)  # 130404
COMMENT = CodedConcept.from_code(codes.DCM.Comment)
IMAGING_PROCEDURE = CodedConcept.from_code(codes.SCT.ImagingProcedure)
SPATIAL_CONCEPT = CodedConcept.from_code(codes.SCT.SpatialAndRelationalConcept)
ARTIFICIAL_INTELLIGENCE = CodedConcept.from_code(codes.DCM.ArtificialIntelligence)
SOURCE_IMAGE = CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)
DEVICE = CodedConcept.from_code(codes.DCM.Device)
NO_UNITS = CodedConcept.from_code(codes.UCUM.NoUnits)

TABLE: dict[str, CodedConcept] = {}


def _own(value: str, meaning: str) -> CodedConcept:
    TABLE[value] = CodedConcept(value, SCHEME, meaning)
    return TABLE[value]


CERTIFIED_SALIENT = _own("SALIENT", "Certified salient")
CERTIFIED_NOT_SALIENT = _own("NOT-SALIENT", "Certified not salient")
UNDECIDED = _own("UNDECIDED", "Undecided: certified neither way")
OVERLAP = _own("OVERLAP", "Certified overlap of the most salient cells")
VALUE = _own("VALUE", "Value of the named certificate")
RADIUS = _own("RADIUS", "l2 radius of allowed change, in [0,1] pixel units")
CONFIDENCE = _own("CONFIDENCE", "Confidence over the random sampling")
SAMPLES = _own("SAMPLES", "Number of noisy samples")
OUTCOME = _own("OUTCOME", "Outcome of the certificate")
OUTCOMES: dict[Outcome, CodedConcept] = {
    "certified": _own("CERTIFIED", "Certified"),
    "vacuous": _own("VACUOUS", "Vacuous: nothing could be certified"),
    "unproven": _own("UNPROVEN", "Unproven: no proof stands behind the number"),
}
EXPLAINED_CLASS = _own("CLASS", "Class whose map is certified")
MODEL = _own("MODEL", "Classifier whose map is certified")
STATEMENT = _own("STATEMENT", "Statement of the certificate")


def scheme() -> CodingSchemeIdentificationItem:
    """What an object says of our table."""
    return CodingSchemeIdentificationItem(SCHEME, name="Surety codes", version="1", responsible_organization="Surety")
