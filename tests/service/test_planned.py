"""A planned explanation, whole: its report, the same run without the plan, a restart that keeps the choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.cards import shipped
from models.registry import Registry
from worker.contract.result import CertificateDocument, Explanation
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.service.checkpoint import Checkpoint
from worker.service.explainer import Explainer

SPEC: dict[str, Any] = {
    "seed": 2,
    "interval": {"name": "clopper_pearson"},
    "plan": {"radius": 0.05, "budget": 1536, "at_least": 0.3},
}


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(Settings(), Registry([shipped()]))


@pytest.fixture(scope="module")
def whole(explainer: Explainer, digit: Path) -> tuple[Explanation, CertificateDocument, list[int]]:
    """The explanation, its certificate.json, and the passes it told of."""
    told: list[int] = []
    explained = explainer.explain(
        digit.read_bytes(), ExplanationSpec.model_validate(SPEC), None, lambda done, _: told.append(done)
    )
    document = CertificateDocument.model_validate_json(explained.artifacts["certificate.json"])
    return explained.explanation, document, told


Whole = tuple[Explanation, CertificateDocument, list[int]]


def test_the_plan_is_reported_with_what_became_of_it(whole: Whole) -> None:
    explanation, document, told = whole
    made = explanation.plan
    assert made and document.plan == made
    assert made.asked == ExplanationSpec.model_validate(SPEC).plan
    assert (made.pilot_samples, made.samples) == (384, 1152) and explanation.samples == 1152
    assert told == sorted(told) and told[-1] == 1536 and told[0] < 384
    shown = next(at for at in explanation.certificates[0].radii if at.rho == 0.05)
    assert made.value == shown.value and made.reached == (shown.value >= 0.3)
    assert made.chosen in made.tried and made.certificate == "topk_overlap"
    assert explanation.spec.plan is None
    assert explanation.spec.noise == made.chosen.noise and explanation.spec.samples == 1152


def test_the_counts_are_those_of_the_same_run_without_a_plan(explainer: Explainer, digit: Path, whole: Whole) -> None:
    explanation = whole[0]
    written = ExplanationSpec.model_validate_json(explanation.spec.model_dump_json(by_alias=True))
    direct = explainer.explain(digit.read_bytes(), written, None, lambda done, _: None).explanation
    assert direct.plan is None
    assert direct.provenance.counts_sha256 == explanation.provenance.counts_sha256
    assert direct.certificates == explanation.certificates


class _Killed(Exception):
    pass


@pytest.mark.parametrize("after", [100, 500], ids=["while piloting", "while sampling"])
def test_a_restart_keeps_the_choice_and_gives_the_same_counts(
    explainer: Explainer, digit: Path, whole: Whole, after: int
) -> None:
    last: list[Checkpoint | None] = []
    told: list[int] = []

    def die(done: int, checkpoint: Checkpoint | None) -> None:
        last.append(checkpoint)
        if done > after:
            raise _Killed

    spec = ExplanationSpec.model_validate(SPEC)
    with pytest.raises(_Killed):
        explainer.explain(digit.read_bytes(), spec, None, die)
    kept = Checkpoint.from_bytes(last[-1].to_bytes()) if last[-1] else None
    assert (kept is None) == (after < 384)
    again = explainer.explain(digit.read_bytes(), spec, kept, lambda done, _: told.append(done)).explanation
    assert again.provenance.counts_sha256 == whole[0].provenance.counts_sha256 and again.plan == whole[0].plan
    assert kept is None or told[0] > after, "a restart that has counts does not pilot again"


def test_a_checkpoint_survives_its_bytes(explainer: Explainer, digit: Path) -> None:
    """Also without a plan."""
    seen: list[Checkpoint] = []
    spec = ExplanationSpec.model_validate({"samples": 64})
    explainer.explain(digit.read_bytes(), spec, None, lambda done, now: seen.append(now) if now else None)
    copy = Checkpoint.from_bytes(seen[-1].to_bytes())
    assert copy.proposal is None and copy.done == 64
    assert [part.digest for part in copy.parts] == [part.digest for part in seen[-1].parts]
