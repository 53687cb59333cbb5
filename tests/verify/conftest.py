"""Certificates of the digits model, and the keys that sign them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.cards import shipped
from models.registry import Registry
from tests.verify.leaves import written
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.service.explainer import Explainer
from worker.service.signing import SigningKey, signing_key

RADII = [0.02, 0.1]
SPEC: dict[str, Any] = {
    "samples": 600,
    "seed": 3,
    "noise": {"name": "gaussian", "sigma": 0.25},
    "certificates": [
        {"name": "topk_overlap", "radii": RADII, "wanted": 0.4},
        {"name": "pixel_status", "radii": RADII},
        {"name": "vote_status", "radii": RADII},
        {"name": "certified_rank", "radii": RADII},
        {"name": "kendall", "radii": RADII},
        {"name": "topk_overlap_as_printed", "radii": RADII},
        {"name": "prediction", "radii": RADII},
        {"name": "region_mass", "radii": RADII, "region": {"box": [0, 0, 8, 4]}},
        {"name": "cosine", "radii": RADII},
    ],
}
Explain = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(state_dir=tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def key(settings: Settings) -> SigningKey:
    return signing_key(settings)


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry([shipped()])


@pytest.fixture(scope="session")
def explain(settings: Settings, registry: Registry, digit: Path) -> Explain:
    """certificate.json of the digit for a spec."""
    explainer = Explainer(settings, registry)

    def explained(spec: dict[str, Any]) -> dict[str, Any]:
        done = explainer.explain(digit.read_bytes(), ExplanationSpec.model_validate(spec), None, lambda *_: None)
        document = json.loads(done.artifacts["certificate.json"])
        assert document["signature"] == done.explanation.signature.model_dump()
        return dict(document)

    return explained


@pytest.fixture(scope="session")
def document(explain: Explain) -> dict[str, Any]:
    return explain(SPEC)


@pytest.fixture(scope="session")
def small(explain: Explain) -> dict[str, Any]:
    """A certificate that is checked quickly."""
    certificates = [{"name": "topk_overlap", "radii": [0.02]}, {"name": "prediction", "radii": [0.02], "wanted": None}]
    return explain({**SPEC, "samples": 256, "certificates": certificates})


@pytest.fixture(scope="session")
def resigned(key: SigningKey) -> Callable[[dict[str, Any]], bytes]:
    """The file of a document that the holder of the trusted key signs, whatever it says."""

    def sign(document: dict[str, Any]) -> bytes:
        return written({**document, "signature": key.sign(document).model_dump()})

    return sign
