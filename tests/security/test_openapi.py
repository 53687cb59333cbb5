"""What the OpenAPI document describes is what is answered: schemathesis makes requests from it, valid and not.

No answer is a 500, none has a status or a content type that the document does not have. `make fuzz` sends many more.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    status_code_conformance,
)

from tests.api.client import Client
from tests.api.conftest import MakeClient, Post
from worker.store.courier import Courier
from worker.store.jobs import JobStore
from worker.store.keys import Keyring
from worker.store.orders import Claim

# Starlette drops a part that is cut off without closing its temporary file; Python closes it in the same moment.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
# For each of the operations, in each of two modes.
CASES = int(os.environ.get("SURETY_FUZZ_CASES", "3"))
CHECKS = [status_code_conformance, content_type_conformance, response_headers_conformance]


@pytest.fixture
def client(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Nothing is sent to a worker: jobs stay where they are."""
    monkeypatch.setattr(Courier, "send", lambda *_: True)
    return make_client()


def test_every_answer_is_as_documented(client: Client, post: Post, store: JobStore, keyring: Keyring) -> None:
    succeeded, cancelled, queued = (post(spec={"seed": seed}).json()["id"] for seed in range(3))
    claim = store.claim(succeeded, "w")
    assert isinstance(claim, Claim) and store.finish(succeeded, claim.attempt, b"{}", {"map.npz": b"PK"})
    store.cancel(cancelled)
    seen: Counter[int] = Counter()
    # Keys made up by schemathesis would all end at the door.
    headers = {"Authorization": f"Bearer {keyring.create('root', ['admin'])[0]}"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    for found in schema.get_all_operations():
        operation = found.ok()
        # A queued job's events have no end.
        ids = st.sampled_from([None, succeeded, cancelled, *([] if "events" in operation.path else [queued])])
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=CASES,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode), job_id=ids)
            def send(case: Case, job_id: str | None) -> None:
                if job_id and "job_id" in case.path_parameters:
                    case.path_parameters["job_id"] = job_id
                response = case.call(headers=headers)
                seen[response.status_code] += 1
                # There is no worker here.
                assert response.status_code < 500 or case.operation.path == "/health/ready", response.text
                case.validate_response(response, checks=CHECKS)

            with suppress(Unsatisfiable):  # where nothing is asked for nothing can be wrong
                send()
    print(f"schemathesis: {sum(seen.values())} requests, answered {dict(sorted(seen.items()))}")
    assert sum(seen.values()) > 20 * CASES and {200, 202, 404, 422} <= set(seen)
