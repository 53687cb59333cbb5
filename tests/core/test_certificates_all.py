"""What holds for every certificate of the registry: values fall with the radius, sentences say all they must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.core.evidence import by_hand, layout
from worker.contract.spec import Method
from worker.core.bounds.base import Params as IntervalParams
from worker.core.bounds.clopper_pearson import ClopperPearson
from worker.core.certificates import CERTIFICATES
from worker.core.certificates.evidence import Evidence
from worker.core.noises.gaussian import Gaussian, Params

CELLS, Q, RADII = 100, 4000, (1e-4, 0.003, 0.01, 0.03, 0.1, 0.3, 20.0)
# What a certificate needs besides its defaults: parameters, and fields of the evidence.
PARAMS: dict[str, dict[str, Any]] = {"region_mass": {"region": {"box": [0, 0, 10, 4]}}}
FIELDS: dict[str, dict[str, Any]] = {
    "region_mass": {"tallies": {"own": np.bincount([0, 5, 10], [100, 400, 3500], 41).astype(np.int64)}},
    "prediction": {"tallies": {"own": np.array([3900, 100])}},
    "cosine_norm_ball": {"map": "unit", "scale": 2**20},
    "wang_kong_2024_as_printed": {"map": "unit", "scale": 2**20},
}
NAMES = sorted(CERTIFICATES.entries)


def example(name: str) -> Evidence:
    """Ten votes a sample: a clear top of ten cells that get most of them. For unit maps one cell has most."""
    rng = np.random.default_rng(2)
    shares = np.concatenate([np.linspace(0.95, 0.6, 10), np.full(90, (10 - np.linspace(0.95, 0.6, 10).sum()) / 90)])
    votes = np.rint(shares * Q).astype(np.int64)
    votes[-1] += 10 * Q - votes.sum()
    bounds = ClopperPearson(IntervalParams())(votes, Q, 1, 0.05)
    fields = FIELDS.get(name, {})
    if fields.get("map") == "unit":
        votes = np.rint(np.abs(np.eye(CELLS)[0] + 0.01 * rng.normal(size=CELLS)) * 0.9 * Q * 2**20).astype(np.int64)
    common = {"alpha": 0.05, "share": 0.025, "grid": (1, 10, 10), "layout": layout(1, 10, 10), "noun": "pixels"}
    return by_hand(votes, Q, bounds, Gaussian(Params(sigma=0.3)), **{**common, **fields})


def build(name: str, **more: Any) -> Any:
    params = {"radii": RADII, **PARAMS.get(name, {}), **more}
    return CERTIFICATES.build(Method.model_validate({"name": name, **params}), "/spec/certificates/0")


@pytest.mark.parametrize("name", NAMES)
def test_values_fall_with_the_radius(name: str) -> None:
    certifier, evidence = build(name), example(name)
    certifier.check(evidence, "/spec/certificates/0")
    found = certifier(evidence)
    values = [at.value for at in found.radii]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1], "an example that never changes shows nothing"


@pytest.mark.parametrize("name", NAMES)
def test_sentences_name_the_class_the_radius_and_the_units(name: str) -> None:
    found = build(name)(example(name))
    assert found.radii[0].outcome != "vacuous", "the example must have something to say"
    for at in found.radii:
        assert "class 'a'" in at.text and f"{at.rho:g}" in at.text
        if at.outcome == "certified":
            assert "95 % confidence" in at.text and "[0,1]" in at.text and "l2 norm at most" in at.text


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_proven_is_called_certified(name: str) -> None:
    found = build(name)(example(name))
    if found.guarantee == "probabilistic":
        assert found.outcome == "certified" and 0 < found.alpha_spent <= 0.05
        return
    assert found.outcome == "unproven" and found.alpha_spent == 0
    for text in [found.statement, *(at.text for at in found.radii), CERTIFICATES.entries[name].summary]:
        assert not {"certified", "proven", "proves", "guarantee", "confidence"} & set(text.lower().split())


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_radius_answers_the_dual_question(name: str) -> None:
    """At the radius found the value is still what was wanted; a little further it is not, or the search had its end."""
    evidence = example(name)
    certifier = build(name)
    wanted = certifier.claim(evidence, 0.01).value
    if not 0 < wanted <= 1:
        wanted = 0.5
    found = build(name, wanted=wanted)(evidence).largest_radius
    if found == 0:
        assert certifier.claim(evidence, 1e-6).value < wanted
        return
    assert certifier.claim(evidence, found).value >= wanted
    assert found > 999 or certifier.claim(evidence, found * (1 + 1e-5) + 1e-6).value < wanted + 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_blank_evidence_passes_the_check_and_docstrings_open_with_the_guarantee(name: str) -> None:
    """The pipeline checks before any sampling, on evidence of no votes."""
    evidence = example(name)
    blank = by_hand(
        np.zeros(CELLS, dtype=np.int64),
        1,
        evidence.bounds,
        evidence.noise,
        map=evidence.map,
        scale=evidence.scale,
        grid=(1, 10, 10),
        layout=layout(1, 10, 10),
    )
    build(name).check(blank, "/spec/certificates/0")
    opening = (CERTIFICATES.entries[name].__doc__ or "").strip().splitlines()[0]
    promised = CERTIFICATES.entries[name].guarantee == "probabilistic"
    assert promised == opening.startswith("With probability at least 1 - alpha")
