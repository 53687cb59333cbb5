"""observation.json: an explanation as one FHIR R4 Observation, for a record that people and systems read.

The value is the certified Top-K overlap at the largest radius for which one was certified; where none was, the reason
stands in its place. Numbers without a proof (first-order, empirical, unsound as published) do not appear. Nothing in it
tells of a patient: whoever files it adds the subject.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from worker.contract.result import AtRadius, Certificate, Claims
from worker.core.certificates.topk_overlap import TopKOverlap

CODES = "urn:surety:codes"
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_UCUM = "http://unitsofmeasure.org"
_NAMES = {
    "certified-overlap": "Share of the most salient cells certified to stay among the most salient",
    "randomized-smoothing": "Certificate by randomized smoothing",
    "radius": "Largest l2 norm of the changes it holds for, pixel values in [0,1]",
    "confidence": "Confidence over the random sampling",
    "samples": "Samples of the noise",
    "sigma": "Standard deviation of the noise, pixel values in [0,1]",
    "explained-class": "Class that is explained",
    "model": "Model",
}
_Json = dict[str, Any]


def observation(claims: Claims, certificate: bytes) -> bytes:
    """The document. `certificate` is certificate.json, which it names by its digest."""
    origin = claims.provenance
    best = _best(claims)
    content = {
        "resourceType": "Observation",
        "identifier": [_digest("certificate", sha256(certificate).hexdigest())],
        "status": "preliminary",
        "category": [{"coding": [{"system": _CATEGORY, "code": "imaging", "display": "Imaging"}]}],
        "code": _concept("certified-overlap"),
        "focus": [{"identifier": _digest("image", origin.image_sha256), "display": "the image as it was sent"}],
        "effectiveDateTime": origin.finished_at.isoformat(),
        "issued": origin.finished_at.isoformat(),
        **({"valueQuantity": _quantity(best.value)} if best else {"dataAbsentReason": _absent(claims)}),
        "note": [{"text": text} for text in (claims.notice, *(at.text for _, at in _certified(claims)))],
        "method": _concept("randomized-smoothing"),
        "device": {
            "type": "Device",
            "identifier": _digest("model", origin.model_sha256),
            "display": f"Surety {origin.service_version}, model {origin.model}",
        },
        "derivedFrom": [
            {
                "type": "DocumentReference",
                "identifier": _digest("certificate", sha256(certificate).hexdigest()),
                "display": "certificate.json",
            }
        ],
        "component": _components(claims, best),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode()


def _best(claims: Claims) -> AtRadius | None:
    held = [at for item, at in _certified(claims) if item.name == TopKOverlap.name]
    return max(held, key=lambda at: (at.rho, at.value), default=None)


def _certified(claims: Claims) -> list[tuple[Certificate, AtRadius]]:
    """What has a proof, of all that was asked for."""
    proven = [item for item in claims.certificates if item.guarantee == "probabilistic"]
    return [(item, at) for item in proven for at in item.radii if at.outcome == "certified"]


def _absent(claims: Claims) -> _Json:
    if any(item.name == TopKOverlap.name for item in claims.certificates):
        return _coded(_ABSENT, "unknown", "Unknown", "No overlap could be certified at any radius that was asked for.")
    return _coded(_ABSENT, "not-performed", "Not Performed", "No certificate of the Top-K overlap was asked for.")


def _components(claims: Claims, best: AtRadius | None) -> list[_Json]:
    spec, target = claims.spec, claims.target
    classes = f"urn:surety:model:{claims.provenance.model_sha256}"
    explained = _coded(classes, str(target.index), target.label) if target.index is not None else {"text": target.label}
    sigma = spec.noise.params.get("sigma")
    found: list[tuple[str, _Json]] = [
        *([("radius", {"valueQuantity": _quantity(best.rho)})] if best else []),
        ("confidence", {"valueQuantity": _quantity(spec.confidence)}),
        ("samples", {"valueInteger": claims.samples}),
        *([("sigma", {"valueQuantity": _quantity(sigma)})] if sigma is not None else []),
        ("explained-class", {"valueCodeableConcept": explained}),
        ("model", {"valueString": claims.provenance.model}),
    ]
    return [{"code": _concept(name), **value} for name, value in found]


def _concept(name: str) -> _Json:
    return _coded(CODES, name, _NAMES[name])


def _coded(system: str, code: str, display: str, text: str | None = None) -> _Json:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": text or display}


def _quantity(value: float) -> _Json:
    """A number without a unit, as UCUM writes it."""
    return {"value": value, "unit": "1", "system": _UCUM, "code": "1"}


def _digest(of: str, value: str) -> _Json:
    return {"system": f"urn:surety:{of}-sha256", "value": value}
