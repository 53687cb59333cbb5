"""observation.json is an Observation of FHIR R4, says what the certificate says, and never more.

fhir.resources has no R4 any more, but R4B; Observation, which is normative, is the same in both.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import pytest
from fhir.resources.R4B.observation import Observation

from models.cards import shipped
from models.registry import Registry
from worker.contract.result import Guarantee
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.service.explainer import Explained, Explainer
from worker.service.observation import CODES, observation


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory, digit: Path) -> Explained:
    explainer = Explainer(Settings(state_dir=tmp_path_factory.mktemp("state")), Registry([shipped()]))
    overlap = {"name": "topk_overlap", "radii": [0.01, 0.1, 5.0]}
    certificates = [overlap, {"name": "pixel_status", "radii": [0.01]}]
    spec = {"samples": 256, "confidence": 0.99, "target": {"class": 3}, "certificates": certificates}
    return explainer.explain(digit.read_bytes(), ExplanationSpec.model_validate(spec), None, lambda *_: None)


def read(explained: Explained) -> Observation:
    return Observation.model_validate_json(explained.artifacts["observation.json"])


def components(found: Observation) -> dict[str, Any]:
    """Code and value."""
    values = {}
    for part in found.component:
        (coding,) = part.code.coding
        assert coding.system == CODES and coding.display
        values[coding.code] = next(
            value for name, value in part if name.startswith("value") and value is not None and "ext" not in name
        )
    return values


def test_it_is_an_observation_and_nothing_is_lost_in_reading_it(explained: Explained) -> None:
    found = read(explained)
    again = json.loads(found.model_dump_json())
    sent = json.loads(explained.artifacts["observation.json"])
    for times in (again, sent):
        assert times.pop("issued") and times.pop("effectiveDateTime")
    assert again == sent and found.get_resource_type() == "Observation" and found.status == "preliminary"
    assert found.issued == found.effectiveDateTime == explained.explanation.provenance.finished_at
    assert "observation.json" in explained.explanation.artifacts


def test_it_says_what_the_certificate_says(explained: Explained) -> None:
    found, told = read(explained), explained.explanation
    overlap, status = told.certificates
    best = overlap.radii[1]
    assert [at.outcome for at in overlap.radii] == ["certified", "certified", "vacuous"]
    assert float(found.valueQuantity.value) == best.value and best.rho == 0.1 and found.dataAbsentReason is None
    assert found.code.coding[0].code == "certified-overlap"
    values = components(found)
    assert float(values["radius"].value) == 0.1 and float(values["confidence"].value) == 0.99
    assert float(values["sigma"].value) == 0.15 and values["samples"] == told.samples == 256
    assert (values["explained-class"].coding[0].code, values["model"]) == ("3", "digits")
    notes = [note.text for note in found.note]
    assert notes == [told.notice, *(at.text for at in overlap.radii[:2]), *(at.text for at in status.radii)]
    assert notes[0].startswith("Research use only") and found.subject is None
    certificate = sha256(explained.artifacts["certificate.json"]).hexdigest()
    assert found.identifier[0].value == found.derivedFrom[0].identifier.value == certificate
    assert found.focus[0].identifier.value == told.provenance.image_sha256
    assert found.device.identifier.value == told.provenance.model_sha256


def changed(explained: Explained, **fields: object) -> Observation:
    """What is said of an explanation whose Top-K certificate is another one."""
    overlap, status = explained.explanation.certificates
    certificates = [overlap.model_copy(update=fields), status]
    claims = explained.explanation.model_copy(update={"certificates": certificates})
    return Observation.model_validate_json(observation(claims, b"certificate"))


def test_without_a_proof_there_is_no_value(explained: Explained) -> None:
    overlap, status = explained.explanation.certificates
    for fields, reason in (({"radii": overlap.radii[2:]}, "unknown"), ({"name": "kendall"}, "not-performed")):
        found = changed(explained, **fields)
        assert found.valueQuantity is None and found.dataAbsentReason.coding[0].code == reason
        assert "radius" not in components(found) and status.statement in [note.text for note in found.note]


@pytest.mark.parametrize("guarantee", [name for name in get_args(Guarantee) if name != "probabilistic"])
def test_a_number_without_a_proof_appears_nowhere(explained: Explained, guarantee: str) -> None:
    """Even if it said of itself that it is certified."""
    overlap, status = explained.explanation.certificates
    found = changed(explained, guarantee=guarantee)
    assert found.valueQuantity is None and found.dataAbsentReason.coding[0].code == "unknown"
    assert [note.text for note in found.note[1:]] == [at.text for at in status.radii]
    assert not any(at.text in found.model_dump_json() for at in overlap.radii)


def test_the_check_of_the_library_can_fail(explained: Explained) -> None:
    sent = json.loads(explained.artifacts["observation.json"])
    for wrong in ({"status": None}, {"valueQuantity": {"value": "much"}}, {"patient": "x"}, {"valueString": "x"}):
        with pytest.raises(ValueError, match="validation error"):
            Observation.model_validate({**sent, **wrong})
