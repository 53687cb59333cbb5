"""The photographs' study: its counts are the service's own, and its report holds what must hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.evidence import imagenet, inputs
from benchmarks.evidence.study import run
from tests.conftest import shared
from worker.contract.spec import ExplanationSpec
from worker.core.pipeline import plan, sample
from worker.core.statistics.segments import Segments


def test_the_study_counts_what_the_service_counts_and_ours_is_never_behind(tmp_path: Path) -> None:
    shared("weights/squeezenet1_0_imagenet.safetensors")
    shared("data/imagenet64")
    made = run(imagenet.study(quick=True), tmp_path / "state", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"imagenet.json", "imagenet.md", "imagenet.png"}
    for row in made.numbers["grid"]:
        assert all(a >= b for a, b in zip(row["ours, no failures"], row["printed"], strict=True))
    card, model, images = inputs.imagenet(1)
    spec = ExplanationSpec.model_validate(
        {
            "granularity": "element",
            "map": {"name": "sparsified", "tau": 0.2},
            "noise": {"name": "gaussian", "sigma": 0.2},
            "samples": 32,
            "seed": imagenet.SEED,
            "precision": "bfloat16",
        }
    )
    counts = sample(plan(spec, model, images[0].pixels, card.classes, card.batch), Segments(), lambda _: None).total
    with np.load(tmp_path / "state" / "imagenet" / "0.2-00.npz") as kept:
        assert (kept["sparsified-0.2-32"] == counts.votes).all()
        assert kept["sparsified-0.2-16"].sum() * 2 == kept["sparsified-0.2-32"].sum()
