"""With the image: the run is repeated in part, and counts that were made up under a good signature are found."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.cards import shipped
from models.registry import Registry
from tests.verify.conftest import Explain
from tests.verify.leaves import changed, written
from worker.contract.settings import Settings
from worker.contract.verification import Check, Verification, VerificationSpec
from worker.core.statistics.counts import Counts
from worker.service.signing import SigningKey
from worker.service.verifier import Verifier

Sign = Callable[[dict[str, Any]], bytes]
ALL = VerificationSpec(blocks=100)


@pytest.fixture(scope="module")
def verifier(settings: Settings, registry: Registry) -> Verifier:
    return Verifier(settings, registry)


def named(found: Verification) -> dict[str, Check]:
    return {check.name: check for check in found.checks}


@pytest.mark.parametrize(
    "spec",
    [
        {"map": {"name": "unit"}, "interval": {"name": "kl"}, "certificates": [{"name": "cosine_norm_ball"}]},
        {"granularity": {"name": "patch", "size": 2}, "target": "per-sample", "compare": "observed"},
        {"samples": {"at_most": 4000, "until": {"certificate": "topk_overlap", "radius": 0.01, "at_least": 0.3}}},
        {"plan": {"radius": 0.05, "budget": 1536, "at_least": 0.5}},
        {
            "precision": "bfloat16",
            "interval": {"name": "clopper_pearson", "allowed_failures": 2},
            "target": {"class": 5},
        },
        {"noise": {"name": "uniform_ball", "r": 1.5}, "granularity": "element"},
        {"noise": {"name": "gaussian_lecuyer", "sigma": 0.3}},
    ],
    ids=lambda spec: "-".join(spec),
)
def test_certificates_of_all_kinds_hold_and_can_be_computed_again(
    verifier: Verifier, explain: Explain, key: SigningKey, digit: Path, spec: dict[str, Any]
) -> None:
    document = explain(spec if "plan" in spec else {"samples": 300, **spec})
    found = verifier.verify(written(document), [key.public], digit.read_bytes(), ALL)
    assert {check.outcome for check in found.checks} == {"passed"} and found.outcome == "passed", found
    assert {"image", "model", "preprocessing", "prediction", "blocks"} <= named(found).keys()


def test_the_share_is_whole_segments_chosen_by_a_seed_that_is_told(
    verifier: Verifier, small: dict[str, Any], key: SigningKey, digit: Path
) -> None:
    told: list[tuple[int, int]] = []

    def run(seed: int | None) -> str:
        spec = VerificationSpec(blocks=30, seed=seed)
        found = verifier.verify(written(small), [], digit.read_bytes(), spec, lambda *at: told.append(at))
        return named(found)["blocks"].detail

    assert run(1) == run(1)
    assert len({run(None) for _ in range(3)}) == 3
    assert len(small["counts"]["segments"]) == 4 and "of 4, 128 samples" in run(2)
    assert told[-2:] == [(64, 128), (128, 128)]


def forged(document: dict[str, Any], at: int) -> dict[str, Any]:
    """One vote less for a cell in one segment, and in the whole; every digest is made to fit."""
    made = json.loads(json.dumps(document))
    counts, segment = made["counts"], made["counts"]["segments"][at]
    votes = np.frombuffer(zlib.decompress(base64.b64decode(segment["votes_zlib_base64"])), dtype="<i8").copy()
    cell = int(np.argmax(votes))
    total = np.frombuffer(zlib.decompress(base64.b64decode(counts["votes_zlib_base64"])), dtype="<i8").copy()
    for array, holder in ((votes, segment), (total, counts)):
        array[cell] -= 1
        holder["votes_zlib_base64"] = base64.b64encode(zlib.compress(array.tobytes())).decode()
    whole = Counts(total, made["samples"], made["degenerate_samples"], np.zeros(1, dtype=np.bool_), _tallies(counts))
    counts["sha256"] = made["provenance"]["counts_sha256"] = whole.digest
    return dict(made)


def _tallies(counts: dict[str, Any]) -> dict[str, np.ndarray]:
    return {
        name: np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<i8")
        for name, text in counts["tallies_zlib_base64"].items()
    }


def test_one_vote_made_up_with_the_key_is_found_where_it_is_computed_again(
    verifier: Verifier, small: dict[str, Any], key: SigningKey, resigned: Sign, digit: Path
) -> None:
    """The document agrees with itself; only the run can tell."""
    data = resigned(forged(small, 1))
    # Without the image nothing can be wrong but what the lost vote costs.
    assert "counts" not in {
        check.name for check in verifier.verify(data, [key.public], None, ALL).checks if check.outcome == "failed"
    }
    found = named(verifier.verify(data, [key.public], digit.read_bytes(), ALL))
    assert found["counts"].outcome == "passed" and found["blocks"].outcome == "failed"
    assert "1 votes differ" in found["blocks"].detail and "must be equal" in found["blocks"].detail
    elsewhere = changed(forged(small, 1), ("provenance", "device"), "another machine")
    found = named(verifier.verify(resigned(elsewhere), [key.public], digit.read_bytes(), ALL))
    assert "another machine" in found["blocks"].detail and found["blocks"].outcome == "failed"


def test_another_seed_or_attribution_than_was_run_is_found(
    verifier: Verifier, small: dict[str, Any], key: SigningKey, resigned: Sign, digit: Path
) -> None:
    seeded = changed(changed(small, ("spec", "seed"), 4), ("provenance", "seed"), 4)
    attributed = changed(small, ("spec", "attribution", "name"), "input_x_gradient")
    for document in (seeded, attributed):
        found = verifier.verify(resigned(document), [key.public], digit.read_bytes(), ALL)
        assert [check.name for check in found.checks if check.outcome == "failed"] == ["blocks"]


@pytest.mark.parametrize(
    ("path", "value", "check"),
    [
        (("provenance", "model_sha256"), "0" * 64, "model"),
        (("provenance", "preprocessing", 0), "decoded by hand", "preprocessing"),
        (("prediction", "probability"), 0.123, "prediction"),
    ],
)
def test_what_the_image_and_the_model_contradict_is_found(
    verifier: Verifier,
    small: dict[str, Any],
    key: SigningKey,
    resigned: Sign,
    digit: Path,
    path: Any,
    value: Any,
    check: str,
) -> None:
    data = resigned(changed(small, path, value))
    assert verifier.verify(data, [key.public], None, ALL).outcome == "passed"
    found = verifier.verify(data, [key.public], digit.read_bytes(), ALL)
    assert found.outcome == "failed" and named(found)[check].outcome == "failed"


def test_another_image_is_not_explained(
    verifier: Verifier, small: dict[str, Any], key: SigningKey, digit: Path, tmp_path: Path
) -> None:
    """Also the same pixels in another file: the certificate names the file."""
    with Image.open(digit) as picture:
        picture.save(tmp_path / "same.tiff")
    for image in (b"", b"no image", (tmp_path / "same.tiff").read_bytes()):
        found = verifier.verify(written(small), [key.public], image, ALL)
        assert named(found)["image"].outcome == "failed" and "blocks" not in named(found)


def test_a_model_that_is_not_here_is_no_fault_and_no_pass(
    settings: Settings, small: dict[str, Any], key: SigningKey, digit: Path
) -> None:
    bare = Verifier(settings, Registry([]))
    found = bare.verify(written(small), [key.public], digit.read_bytes(), ALL)
    assert found.outcome == "not_checked" and named(found)["model"].outcome == "not_checked"
    assert bare.verify(written(small), [key.public], None, ALL).outcome == "passed"


def test_more_samples_than_the_settings_allow_are_not_drawn(
    settings: Settings, small: dict[str, Any], key: SigningKey, digit: Path
) -> None:
    modest = Verifier(settings.model_copy(update={"max_samples": 100}), Registry([shipped()]))
    assert modest.verify(written(small), [key.public], digit.read_bytes(), ALL).outcome == "not_checked"
    assert modest.verify(written(small), [key.public], digit.read_bytes(), VerificationSpec()).outcome == "passed"


def test_a_check_that_nobody_could_ask_for_leaves_the_rest_passed(
    verifier: Verifier, small: dict[str, Any], key: SigningKey
) -> None:
    found = verifier.verify(written(small), [key.public], None, ALL)
    assert found.outcome == "passed" and [check.name for check in found.checks if not check.asked] == ["image"]
    assert verifier.verify(written(small), [], None, ALL).outcome == "not_checked"
    assert verifier.verify(b"{}", [key.public], b"image", ALL).outcome == "failed"
