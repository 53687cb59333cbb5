"""POST an image, poll the job, read the result: against the running service."""

from __future__ import annotations

import base64
import io
import json
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from models.cards import shipped
from models.registry import Registry
from tests.conftest import shared
from worker.cli.client import Client
from worker.cli.stack import Stack
from worker.contract.job import Job
from worker.contract.result import CertificateDocument, Explanation
from worker.contract.spec import ExplanationSpec
from worker.core.pipeline import plan, sample
from worker.core.statistics.segments import Segments
from worker.service.images import decode, to_input

SPEC: dict[str, Any] = {"samples": 2048, "seed": 5, "noise": {"name": "gaussian", "sigma": 0.25}}


def run(client: Client, image: Path, spec: dict[str, Any]) -> tuple[Job, list[Job]]:
    """The finished job, which was computed for us, and everything seen of it on the way."""
    seen = [client.submit(image, spec, fresh=True)]
    seen += client.follow(seen[0])
    return seen[-1], seen


@pytest.fixture(scope="module")
def explained(stack: Stack, digit: Path) -> tuple[Job, Explanation, dict[str, bytes]]:
    with Client(stack.url) as client:
        job, _ = run(client, digit, SPEC)
        result = client.result(job)
        return job, result, {name: client.artifact(job, name) for name in result.artifacts}


Explained = tuple[Job, Explanation, dict[str, bytes]]


def test_the_digit_is_recognised_and_its_explanation_certified(explained: Explained) -> None:
    job, result, _ = explained
    assert job.state == "succeeded" and job.attempt == 1 and job.progress.percent == 100
    assert (result.prediction.index, result.prediction.label) == (3, "3")
    (overlap,) = result.certificates
    assert overlap.guarantee == "probabilistic" and overlap.outcome == "certified"
    assert [at.rho for at in overlap.radii] == [0.01, 0.03, 0.1]
    assert overlap.radii[0].certified >= overlap.radii[2].certified > 0
    assert "With 95 % confidence" in overlap.statement and "class '3'" in overlap.statement
    assert "Research use only" in result.notice
    assert result.alpha.total == pytest.approx(0.05)


def test_the_spec_is_echoed_with_every_default(explained: Explained) -> None:
    _, result, _ = explained
    echoed = json.loads(result.spec.model_dump_json())
    assert echoed == json.loads(ExplanationSpec.model_validate(SPEC).model_dump_json())
    assert echoed["map"] == {"name": "sparsified", "tau": 0.1} and echoed["granularity"] == "pixel"


def test_the_heat_map_is_invertible_and_the_pictures_open(explained: Explained) -> None:
    _, result, files = explained
    with np.load(io.BytesIO(files["map.npz"]), allow_pickle=False) as arrays:
        mean = arrays["mean"][0]
    heat = result.heatmap
    assert base64.b64decode(heat.png_base64) == files["heatmap.png"]
    pixels = np.asarray(Image.open(io.BytesIO(files["heatmap.png"]))).astype(np.float64)
    assert heat.bits == 16 and pixels.shape == (8, 8) == (heat.height, heat.width)
    restored = heat.value_min + pixels / 65535 * (heat.value_max - heat.value_min)
    assert np.abs(restored - mean).max() <= (heat.value_max - heat.value_min) / 65535
    for name in ("overlay.png", "certified.png", "curve.png"):
        with Image.open(io.BytesIO(files[name])) as picture:
            assert min(picture.size) >= 384
    assert base64.b64decode(result.certified.png_base64) == files["certified.png"]


def test_the_counts_are_those_of_a_computation_in_this_process(explained: Explained, digit: Path) -> None:
    """The worker's integers, bit for bit, from the core called directly: one more worker, in another process."""
    _, result, files = explained
    registry = Registry([shipped()])
    card = registry.cards["digits"]
    torch.use_deterministic_algorithms(True)
    pixels = to_input(decode(digit.read_bytes(), 10**6), card.input).pixels
    ready = plan(ExplanationSpec.model_validate(SPEC), registry.get("digits"), pixels, card.classes, card.batch)
    counts = sample(ready, Segments(), lambda _: None).total
    assert counts.digest == result.provenance.counts_sha256
    document = CertificateDocument.model_validate_json(files["certificate.json"])
    votes = np.frombuffer(zlib.decompress(base64.b64decode(document.counts.votes_zlib_base64)), dtype="<i8")
    assert votes.tolist() == counts.votes.tolist()
    assert document.certificates == result.certificates and document.provenance == result.provenance


def test_provenance_names_everything(explained: Explained, digit: Path) -> None:
    provenance = explained[1].provenance
    assert provenance.image_sha256 == sha256(digit.read_bytes()).hexdigest()
    assert provenance.model == "digits" and len(provenance.model_sha256) == 64 and len(provenance.code_digest) == 64
    assert provenance.blocks * provenance.block_size >= 2048 and provenance.seed == 5
    assert provenance.preprocessing[0].startswith("decoded PNG 8x8")
    assert {"torch", "numpy", "scipy"} <= provenance.library_versions.keys()
    assert provenance.started_at < provenance.finished_at


def test_progress_is_live(client: Client, digit: Path) -> None:
    job, seen = run(client, digit, {"samples": 65_536})
    assert job.state == "succeeded"
    between = [item.progress for item in seen if item.state == "running" and 0 < item.progress.done < 65_536]
    assert between, "no progress was seen between start and end"
    assert [item.done for item in between] == sorted(item.done for item in between)
    assert any(item.eta_seconds is not None for item in between)


def test_a_chest_film_is_explained(client: Client, tmp_path: Path) -> None:
    """A real film of the held-out test set, for the class pneumonia."""
    with np.load(shared("data/pneumonia28.npz"), allow_pickle=False) as data:
        index = int(np.flatnonzero(data["test_labels"] == 1)[0])
        Image.fromarray(data["test_images"][index]).save(tmp_path / "film.png")
    spec = {"model": "pneumonia", "target": {"class": 1}, "samples": 2048, "noise": {"name": "gaussian", "sigma": 0.25}}
    job, _ = run(client, tmp_path / "film.png", spec)
    result = client.result(job)
    (overlap,) = result.certificates
    assert "class 'pneumonia'" in overlap.statement
    assert overlap.radii[0].certified > 0
    print(f"pneumonia film: {[(at.rho, round(at.value, 2)) for at in overlap.radii]}")


def test_squeezenet_by_a_card_explains_a_photograph(client: Client) -> None:
    """ImageNet weights registered by a YAML file alone, and a photograph whose class they know."""
    folder = shared("data/imagenet64")
    shared("weights/squeezenet1_0_imagenet.safetensors")
    names = [model["name"] for model in client.models()]
    assert "squeezenet" in names, "the worker announces what its models directory holds"
    spec = {"model": "squeezenet", "samples": 48, "certificates": [{"name": "topk_overlap", "radii": [0.001]}]}
    job, _ = run(client, folder / "n02110341_dalmatian.JPEG", spec)
    result = client.result(job)
    assert result.prediction.label == "dalmatian"
    assert (result.heatmap.width, result.heatmap.height) == (224, 224)
    assert result.provenance.block_size == 16
