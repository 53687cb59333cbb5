"""The table of errors is complete, the OpenAPI document says what is answered, and a fault of ours tells nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app.problems import STATUS
from tests.api.client import Client
from tests.api.conftest import Post
from tests.api.problem import checked, problem
from worker.contract.errors import leaves


def test_every_error_has_a_code_of_its_own_and_a_status() -> None:
    codes = [leaf.code for leaf in leaves()]
    assert len(set(codes)) == len(codes)
    assert set(STATUS) == set(codes)
    assert all(status >= 400 for status in STATUS.values())
    titles = [leaf.title for leaf in leaves()]
    assert len(set(titles)) == len(titles)
    for leaf in leaves():
        assert leaf("what happened", pointer="/x").problem().code == leaf.code


def test_a_fault_of_ours_is_a_problem_and_tells_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(client.app.state.surety.store, "get", broken)
    with caplog.at_level(logging.ERROR):
        response = client.get(f"/v1/jobs/{'0' * 32}")
    body = problem(response, 500, "internal_error", None, "logged")
    assert "secret" not in str(body) and "secret" in caplog.text


@pytest.fixture
def openapi(client: Client) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def _schemas(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for part in node.values() for found in _schemas(part)]
    return [found for part in node for found in _schemas(part)] if isinstance(node, list) else []


def test_openapi_is_whole(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1")
    schemas = openapi["components"]["schemas"]
    for reference in _schemas(openapi):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    names = [route["operationId"] for path in openapi["paths"].values() for route in path.values()]
    assert len(set(names)) == len(names)


def test_openapi_documents_the_problems_of_every_call(openapi: dict[str, Any]) -> None:
    for path, calls in openapi["paths"].items():
        for method, call in calls.items():
            for status in ("4XX", "5XX"):
                content = call["responses"][status]["content"]
                assert list(content) == ["application/problem+json"], (method, path)
            assert call.get("summary") and call.get("description"), (method, path)
    assert set(openapi["components"]["schemas"]["ProblemDocument"]["properties"]["code"]["enum"]) == set(STATUS)
    assert "HTTPValidationError" not in openapi["components"]["schemas"]


def test_answers_fit_the_openapi_document(openapi: dict[str, Any], client: Client, post: Post) -> None:
    def fits(name: str, document: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": openapi["components"]}
        Draft202012Validator(schema).validate(document)

    fits("Job", post().json())
    fits("JobList", client.get("/v1/jobs").json())
    fits("ProblemDocument", checked(client.get("/v1/jobs/x")))
    fits("ProblemDocument", checked(post(spec={"typo": 1})))
    fits("ExplanationSpec", {"target": {"class": 1}, "samples": 3})
    for card in client.get("/v1/models").json():
        fits("ModelCard", card)
    assert client.get("/docs").status_code == 200
