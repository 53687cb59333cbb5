"""No client fault is ever a 500: whatever is posted is accepted or answered with a problem of the right shape."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import MakeClient, Post
from tests.api.problem import checked
from tests.api.test_refusals import FORM, IMAGE, form, part
from worker.contract.spec import ExplanationSpec

# Starlette drops a part that is cut off without closing its temporary file; Python closes it in the same moment.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
FUZZ = settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
NAMES = ["predicted", "gaussian", "gradient", "sparsified", "pixel", "topk_overlap", "clopper_pearson", "digits"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-5, 5),
    st.floats(),
    st.floats(0, 1),
    st.text(max_size=8),
    st.text(st.characters(), max_size=4),
    st.sampled_from(NAMES),
)
KEYS = st.one_of(
    st.sampled_from([*ExplanationSpec.model_fields, "name", "k", "tau", "sigma", "radii", "class", "allowed_failures"]),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=20
)


@pytest.fixture
def post(make_client: MakeClient) -> Post:
    return Post(make_client())


def survives(post: Post, body: bytes, kind: str) -> None:
    started = time.monotonic()
    response = post.raw(body, kind)
    assert time.monotonic() - started < 2.0
    if response.status_code == 202:
        assert response.headers["location"] == f"/v1/jobs/{response.json()['id']}"
    else:
        assert response.status_code < 500, response.text
        checked(response)


@FUZZ
@given(spec=st.dictionaries(KEYS, VALUES, max_size=4), ascii_only=st.booleans())
def test_any_json_as_spec(post: Post, spec: dict[str, object], ascii_only: bool) -> None:
    text = json.dumps(spec, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    survives(post, form(IMAGE, part("spec", text, "s.json")), FORM)


@FUZZ
@given(document=VALUES | st.fixed_dictionaries({"image": VALUES, "spec": VALUES}))
def test_any_json_as_body(post: Post, document: object) -> None:
    survives(post, json.dumps(document).encode(), "application/json")


@FUZZ
@given(
    body=st.binary(max_size=200),
    before=st.booleans(),
    kind=st.sampled_from([FORM, "application/json", "multipart/form-data; charset=utf-16; boundary=x", "text/plain"]),
)
def test_any_bytes_as_body(post: Post, body: bytes, before: bool, kind: str) -> None:
    survives(post, form(IMAGE)[:-7] + body if before else body, kind)


@FUZZ
@given(place=st.integers(0, 10_000), junk=st.binary(min_size=1, max_size=6))
def test_any_damage_to_a_form(post: Post, place: int, junk: bytes) -> None:
    whole = form(part("spec", b'{"samples": 7, "target": {"class": 3}}'), IMAGE)
    place %= len(whole)
    survives(post, whole[:place] + junk + whole[place + len(junk) :], FORM)


@FUZZ
@given(kind=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40))
def test_any_content_type(post: Post, kind: str) -> None:
    for start in ("", "multipart/form-data;", "application/json;"):
        response = post.client.post(
            "/v1/explanations", content=form(IMAGE), headers=[(b"Content-Type", (start + kind).encode("latin-1"))]
        )
        assert response.status_code < 500
