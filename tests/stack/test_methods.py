"""Every method of the catalogue works through the API: posted, computed by the worker, reported with its guarantee."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.catalogue import Catalogue
from tests.stack.test_main_job import run
from worker.cli.client import Client
from worker.cli.stack import Stack

METHODS = Catalogue().document["methods"]
# What a method needs beyond its name; methods without a line run on their defaults.
PARAMS: dict[str, dict[str, Any]] = {
    "gaussian": {"sigma": 0.25},
    "gaussian_lecuyer": {"sigma": 0.25},
    "uniform_ball": {"r": 2.0},
    "sparsified": {"tau": 0.1},
    "relaxed": {"tau": 0.2, "gamma": 0.02},
    "patch": {"size": 2},
    "region_mass": {"region": {"box": [2, 0, 6, 8]}},
}
REAL_VALUED = {"relaxed", "scaled", "quadratic", "unit"}
NEEDS: dict[str, dict[str, Any]] = {
    "cosine_norm_ball": {"map": {"name": "unit"}, "interval": {"name": "kl"}},
    "wang_kong_2024_as_printed": {"map": {"name": "unit"}, "interval": {"name": "kl"}},
}


def method(name: str) -> dict[str, Any]:
    return {"name": name, **PARAMS.get(name, {})}


def spec_for(field: str, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"samples": 64, **NEEDS.get(name, {})}
    if (field == "map" and name in REAL_VALUED) or (field == "interval" and name != "clopper_pearson"):
        spec["interval"] = {"name": "kl"}
    spec[field] = [method(name)] if field == "certificates" else method(name)
    return spec


CASES = [(field, row["name"], row["guarantee"]) for field, rows in METHODS.items() for row in rows]


@pytest.mark.parametrize(("field", "name", "guarantee"), CASES, ids=[f"{field}-{name}" for field, name, _ in CASES])
def test_a_method_of_the_catalogue_runs(client: Client, digit: Path, field: str, name: str, guarantee: str) -> None:
    job, _ = run(client, digit, spec_for(field, name))
    assert job.state == "succeeded", job.error
    result = client.result(job)
    if field == "certificates":
        (certificate,) = result.certificates
        assert (certificate.name, certificate.guarantee) == (name, guarantee)
        assert (certificate.outcome == "unproven") == (guarantee != "probabilistic")


def test_a_fresh_run_can_be_what_is_compared(client: Client, digit: Path) -> None:
    """The second run, on the image itself, shows what the first one promised; the sentence names its length."""
    noise = {"name": "gaussian", "sigma": 0.25}
    spec: dict[str, Any] = {
        "samples": 512,
        "compare": "observed",
        "noise": noise,
        "certificates": [{"name": "topk_overlap"}],
    }
    job, _ = run(client, digit, spec)
    result = client.result(job)
    (overlap,) = result.certificates
    assert result.spec.compare == "observed" and overlap.outcome == "certified"
    assert "of a fresh run of 512 samples" in overlap.statement and "both runs" in overlap.statement
    assert result.alpha.rerun == pytest.approx(0.025) and overlap.alpha_spent == pytest.approx(0.05)
    again, _ = run(client, digit, {**spec, "seed": 1})
    tops = []
    for finished in (job, again):
        with np.load(io.BytesIO(client.artifact(finished, "map.npz")), allow_pickle=False) as arrays:
            tops.append(set(np.argsort(-arrays["votes"].ravel(), kind="stable")[: overlap.radii[0].k].tolist()))
    assert len(tops[0] & tops[1]) >= (overlap.radii[0].certified or 0) > 0
    refused, _ = run(client, digit, {**spec, "certificates": [{"name": "topk_overlap_as_printed"}]})
    assert refused.error is not None and refused.error.pointer == "/spec/compare"


def test_the_catalogue_is_what_the_service_shows(stack: Stack) -> None:
    shown = httpx.get(f"{stack.url}/v1/catalogue", trust_env=False).json()
    assert shown["methods"] == METHODS
