"""What was certified, as a structured report after TID 1500."""

from __future__ import annotations

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset

from worker.contract.archive import MANUFACTURER
from worker.contract.result import AtRadius, Certificate
from worker.dicom import codes
from worker.dicom.case import Case
from worker.dicom.uids import derived

_OVERLAPS = ("topk_overlap",)


def report(case: Case) -> Dataset:
    """One group for each certificate and radius; preliminary and unverified, as nobody has looked at it."""
    claims = case.claims
    observer = DeviceObserverIdentifyingAttributes(
        uid=derived("device", claims.provenance.service_version, claims.provenance.code_digest),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=MANUFACTURER,
        serial_number=claims.provenance.code_digest[:16],
    )
    groups = [
        _group(case, number, certificate, at)
        for number, certificate in enumerate(claims.certificates)
        for at in certificate.radii
    ]
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=ObserverContext(codes.DEVICE, observer)),
        procedure_reported=codes.IMAGING_PROCEDURE,
        imaging_measurements=groups,
    )
    content[0].ContentSequence.append(_text(codes.COMMENT, claims.notice))
    return ComprehensiveSR(
        evidence=[case.source],
        content=content[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        **case.identity("report", 9003),
    )


def _group(case: Case, number: int, certificate: Certificate, at: AtRadius) -> MeasurementsAndQualitativeEvaluations:
    claims = case.claims
    name = f"{number + 1} {certificate.name}, rho {at.rho:g}"
    numbers = [
        _number(codes.OVERLAP if certificate.name in _OVERLAPS else codes.VALUE, at.value),
        _number(codes.RADIUS, at.rho),
        _number(codes.SAMPLES, claims.samples),
    ]
    if certificate.guarantee == "probabilistic":
        numbers.append(_number(codes.CONFIDENCE, claims.spec.confidence))
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(case.uid("group", name), name),
        finding_type=codes.VISUAL_EXPLANATION,
        algorithm_id=AlgorithmIdentification(
            name=f"{MANUFACTURER} {certificate.name}",
            version=claims.provenance.service_version,
            parameters=[f"{key} = {value}" for key, value in certificate.params.items() if key != "radii"],
        ),
        measurements=numbers,
        qualitative_evaluations=[QualitativeEvaluation(codes.OUTCOME, codes.OUTCOMES[at.outcome])],
        source_images=[
            SourceImageForMeasurementGroup(
                case.source.SOPClassUID, case.source.SOPInstanceUID, [case.frame] if case.frame else None
            )
        ],
    )
    said = {codes.MODEL: claims.provenance.model, codes.EXPLAINED_CLASS: claims.target.label, codes.STATEMENT: at.text}
    group[0].ContentSequence.extend([_text(concept, text) for concept, text in said.items()])
    return group


def _number(concept: CodedConcept, value: float) -> Measurement:
    return Measurement(name=concept, value=value, unit=codes.NO_UNITS)


def _text(concept: CodedConcept, text: str) -> TextContentItem:
    return TextContentItem(concept, text, RelationshipTypeValues.CONTAINS)
