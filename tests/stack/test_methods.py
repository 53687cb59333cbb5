"""Every method of the catalogue works through the API: posted, computed by the worker, reported with its guarantee."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
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


def test_the_catalogue_is_what_the_service_shows(stack: Stack) -> None:
    shown = httpx.get(f"{stack.url}/v1/catalogue", trust_env=False).json()
    assert shown["methods"] == METHODS
