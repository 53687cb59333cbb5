"""Every wrong request is refused at the POST: the status, the stable code, the field, the limit; never a 500."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from PIL import Image

from tests.api.client import Client
from tests.api.conftest import LIMIT, PNG, MakeClient, Post
from tests.api.problem import problem
from tests.images.files import GREY, RGB, encode, png, samples, smooth
from worker.store.jobs import JobStore

BASE64 = base64.b64encode(PNG).decode()
JSON = f'{{"image": {{"base64": "{BASE64}"}}%s}}'
FORM = "multipart/form-data; boundary=x"


def part(name: str, content: bytes, filename: str | None = None, more: str = "") -> bytes:
    extra = f'; filename="{filename}"' if filename else ""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n{more}\r\n'.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--x--\r\n"


@pytest.fixture(autouse=True)
def _nothing_is_queued(store: JobStore) -> Any:
    """A refused request leaves nothing behind and takes no time (the bound is for a busy machine)."""
    started = time.monotonic()
    yield
    assert store.unfinished() == 0
    assert time.monotonic() - started < 5.0


@pytest.mark.parametrize(
    ("image", "status", "code", "says"),
    [
        (b"", 422, "image_empty", "no bytes"),
        (b"not a picture at all\n" * 9, 415, "image_format", "PNG, JPEG, TIFF, WebP or DICOM"),
        (encode(smooth(8, 8), "GIF"), 415, "image_format", "PNG, JPEG, TIFF, WebP or DICOM"),
        (bytes(128) + b"DICM" + bytes(99), 422, "image_unreadable", "DICOM"),
        (PNG[:20], 422, "image_unreadable", "cut off"),
        (samples()["tiff-grey"][:30], 422, "image_unreadable", "cut off"),
        (png(30_000, 30_000, 8, RGB, [b""]), 422, "image_too_large", "30000 x 30000 pixels; the limit is 1,000,000"),
        (png(2, 1, 8, GREY, [b"ab"], (b"acTL", bytes([0, 0, 0, 9, 0, 0, 0, 0]))), 422, "image_animated", "several"),
    ],
    ids=["empty", "text", "gif", "dicom", "cut", "tiff-cut", "bomb", "animated"],
)
def test_images(post: Post, store: JobStore, image: bytes, status: int, code: str, says: str) -> None:
    problem(post(image), status, code, "/image", says)
    body = json.dumps({"image": {"base64": base64.b64encode(image).decode()}}).encode()
    problem(post.raw(body, "application/json"), status, code, "/image", says)


def test_a_tiff_of_32_bits_is_refused_by_its_header(post: Post) -> None:
    problem(post(encode(Image.new("F", (4, 4)), "TIFF")), 422, "image_pixel_format", "/image", "8 or 16 bits")


def test_size(post: Post) -> None:
    problem(post(PNG + bytes(LIMIT)), 413, "body_too_large", None, f"{LIMIT:,} bytes")
    problem(post.raw(b"[" + b" " * LIMIT + b"]", "application/json"), 413, "body_too_large", None, f"{LIMIT:,} bytes")


SPECS: list[tuple[object, str, str, str]] = [
    ({"model": "nobody"}, "unknown_model", "/spec/model", "digits"),
    ({"model": ""}, "invalid_spec", "/spec/model", "at least 1"),
    ({"model": None}, "invalid_spec", "/spec/model", "string"),
    ({"model": "x" * 129}, "invalid_spec", "/spec/model", "128"),
    ({"model": "\ud800"}, "invalid_spec", "/spec/model", ""),
    ({"model": "../../etc/passwd"}, "unknown_model", "/spec/model", "digits"),
    *(
        ({field: {"name": "nobody"}}, "unknown_method", f"/spec/{field}/name", known)
        for field, known in {
            "attribution": "gradient",
            "map": "sparsified",
            "granularity": "element, patch, pixel",
            "noise": "gaussian",
            "interval": "clopper_pearson",
        }.items()
    ),
    ({"granularity": "nobody"}, "unknown_method", "/spec/granularity/name", "pixel"),
    ({"certificates": [{"name": "nobody"}]}, "unknown_method", "/spec/certificates/0/name", "topk_overlap"),
    ({"typo": 1}, "invalid_spec", "/spec/typo", "no such field"),
    ({"a/b~c": 1}, "invalid_spec", "/spec/a~1b~0c", "no such field"),
    ({"render": {"colour": 1}}, "invalid_spec", "/spec/render/colour", "no such field"),
    ({"render": {"palette": "rainbow"}}, "invalid_spec", "/spec/render/palette", "viridis"),
    ({"target": {"class": 1, "extra": 1}}, "invalid_spec", "/spec/target/extra", "no such field"),
    ({"noise": {"name": "gaussian", "sigma": 0.1, "mean": 0}}, "invalid_spec", "/spec/noise/mean", "mean"),
    ({"attribution": {"name": "gradient", "x": 1}}, "invalid_spec", "/spec/attribution/x", "x"),
    ({"granularity": {"name": "pixel", "x": 1}}, "invalid_spec", "/spec/granularity/x", "x"),
    ({"certificates": [{"name": "topk_overlap", "k": 0.2, "x": 1}]}, "invalid_spec", "/spec/certificates/0/x", "x"),
    *(
        ({"noise": {"name": "gaussian", "sigma": sigma}}, "invalid_spec", "/spec/noise/sigma", says)
        for sigma, says in [
            (-0.1, "minimum of 0"),
            (0, "minimum of 0"),
            (-0.0, "minimum of 0"),
            (11, "maximum of 10"),
            (10**4000, "maximum of 10"),
            ("0.1", "not of type 'number'"),
            (True, "not of type 'number'"),
            (None, "not of type 'number'"),
            ([0.1], "not of type 'number'"),
            ({}, "not of type 'number'"),
        ]
    ),
    ({"noise": {"name": "gaussian"}}, "invalid_spec", "/spec/noise", "'sigma' is a required"),
    ({"noise": {"sigma": 0.1}}, "invalid_spec", "/spec/noise", "required"),
    ({"noise": "gaussian"}, "invalid_spec", "/spec/noise", ""),
    ({"noise": {"name": 3, "sigma": 0.1}}, "invalid_spec", "/spec/noise/name", "string"),
    *(
        ({"map": {"name": "sparsified", "tau": tau}}, "invalid_spec", "/spec/map/tau", "")
        for tau in (0, 1, -0.5, 1.5, "0.1", True, None)
    ),
    ({"certificates": [{"name": "topk_overlap", "k": 1e-9}]}, "no_cells", "/spec/certificates/0/k", "64 elements"),
    *(
        ({"certificates": [{"name": "topk_overlap", "k": k}]}, "invalid_spec", "/spec/certificates/0/k", "")
        for k in (0, 1, 1.5, -1, "0.2", True, None)
    ),
    *(
        ({"certificates": [{"name": "topk_overlap", "radii": radii}]}, "invalid_spec", "/spec/certificates/0/" + at, "")
        for radii, at in [
            ([], "radii"),
            ([0.1, -1], "radii/1"),
            ([0], "radii/0"),
            ([1001], "radii/0"),
            (["0.1"], "radii/0"),
            ([True], "radii/0"),
            ([[0.1]], "radii/0"),
            (0.1, "radii"),
            ([0.1] * 65, "radii"),
        ]
    ),
    ({"certificates": []}, "invalid_spec", "/spec/certificates", "at least 1"),
    ({"certificates": {}}, "invalid_spec", "/spec/certificates", ""),
    ({"certificates": [{"name": "topk_overlap"}] * 2}, "invalid_spec", "/spec", "asked for twice"),
    (
        {"certificates": [{"name": "topk_overlap", "k": n / 100} for n in range(1, 18)]},
        "invalid_spec",
        "/spec/certificates",
        "at most 16",
    ),
    ({"samples": 10_001}, "too_many_samples", "/spec/samples", "10,000"),
    ({"samples": 10**4000}, "too_many_samples", "/spec/samples", "10,000"),
    *(({"samples": samples}, "invalid_spec", "/spec/samples", "") for samples in (0, -1, 1.5, 1024.0, "9", True, None)),
    *(({"seed": seed}, "invalid_spec", "/spec/seed", "") for seed in (-1, 2**63, 10**30, 0.5, "1", True, None)),
    *(
        ({"confidence": confidence}, "invalid_spec", "/spec/confidence", "")
        for confidence in (0.49, 1, 1.0, 0, -1, 95, 10**400, "0.95", True, None)
    ),
    ({"target": {"class": 10}}, "class_out_of_range", "/spec/target/class", "0 to 9"),
    ({"target": {"class": 10**400}}, "class_out_of_range", "/spec/target/class", "0 to 9"),
    *(
        ({"target": {"class": index}}, "invalid_spec", "/spec/target/class", "")
        for index in (-1, "3", 3.0, True, None, [3])
    ),
    *(({"target": target}, "invalid_spec", "/spec/target", "") for target in ("best", 3, None, [], True, {})),
    *(
        ({"interval": {"name": "clopper_pearson", "allowed_failures": n}}, "invalid_spec",
         "/spec/interval/allowed_failures", "")
        for n in (-1, 0.5, 1.0, "1", True, None, 10**7)
    ),
    ({"interval": "clopper_pearson"}, "invalid_spec", "/spec/interval", ""),
    *((spec, "invalid_spec", "/spec", "") for spec in ([], 3, "x", True)),
    *(({"plan": plan}, "invalid_spec", "/spec/plan", "") for plan in ([], 3, True, "x")),
    ({"plan": {"budget": 4096}}, "invalid_spec", "/spec/plan", "required"),
    ({"plan": {"radius": 0.1, "budget": 10_001}}, "too_many_samples", "/spec/plan/budget", "10,000"),
    ({"plan": {"radius": 0.1, "budget": 10**400}}, "too_many_samples", "/spec/plan/budget", "10,000"),
    *(({"plan": {"radius": 0.1, "budget": n}}, "invalid_spec", "/spec/plan/budget", "")
      for n in (0, -1, "4096", 4096.0, True, None)),
    ({"plan": {"radius": 0.1, "budget": 1023}}, "invalid_spec", "/spec/plan", "take 1024"),
    ({"plan": {"radius": -0.1, "budget": 4096}}, "invalid_spec", "/spec/plan/radius", "greater than 0"),
    ({"plan": {"radius": 0.1, "budget": 4096, "at_least": 1.5}}, "invalid_spec", "/spec/plan/at_least", "1"),
    ({"plan": {"radius": 0.1, "budget": 4096, "goal": 1}}, "invalid_spec", "/spec/plan/goal", "no such field"),
    ({"plan": {"radius": 0.1, "budget": 4096}, "samples": 64}, "invalid_spec", "/spec/plan", "leave `samples` out"),
    ({"plan": {"radius": 0.1, "budget": 4096}, "noise": {"name": "gaussian", "sigma": -1}}, "invalid_spec",
     "/spec/noise/sigma", "minimum of 0"),
    ({"plan": {"radius": 0.1, "budget": 4096}, "noise": 3}, "invalid_spec", "/spec/noise", ""),
    *(({"plan": {"radius": 0.1, "budget": 4096, "offer": offer}}, code, f"/spec/plan/offer{at}", says)
      for offer, code, at, says in [
          (None, "invalid_spec", "", ""),
          ([], "invalid_spec", "", ""),
          ({"seed": [1]}, "invalid_spec", "/seed", "no such field"),
          ({"noise": []}, "invalid_spec", "/noise", "at least 1"),
          ({"noise": {"name": "gaussian"}}, "invalid_spec", "/noise", ""),
          ({"noise": [{"name": "gaussian", "sigma": 1}, {"name": "nobody"}]}, "unknown_method", "/noise/1/name", ""),
          ({"map": [{"name": "sparsified", "tau": 2}]}, "invalid_spec", "/map/0/tau", "maximum of 1"),
      ]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "code", "pointer", "says"), SPECS, ids=lambda value: str(value)[:60])
def test_specs_in_a_form_and_in_json(post: Post, spec: object, code: str, pointer: str, says: str) -> None:
    text = json.dumps(spec)
    problem(post(spec=text), 422, code, pointer, says)
    body = f'{{"image": {{"base64": "{BASE64}"}}, "spec": {text}}}'
    problem(post.raw(body.encode(), "application/json"), 422, code, pointer, says)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none(post: Post, number: str) -> None:
    text = f'{{"noise": {{"name": "gaussian", "sigma": {number}}}}}'
    problem(post(spec=text), 400, "malformed_request", "/spec/noise/sigma", "NaN and infinity")
    body = f'{{"image": {{"base64": "{BASE64}"}}, "spec": {text}}}'
    problem(post.raw(body.encode(), "application/json"), 400, "malformed_request", "/spec/noise/sigma", "NaN")
    listed = f'{{"certificates": [{{"name": "topk_overlap", "radii": [0.1, {number}]}}]}}'
    problem(post(spec=listed), 400, "malformed_request", "/spec/certificates/0/radii/1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Expecting value"),
        ("{", "not usable JSON"),
        ("{'a': 1}", "not usable JSON"),
        ('{"samples": 1,}', "not usable JSON"),
        ("null null", "not usable JSON"),
        ("[" * 100_000 + "]" * 100_000, "values"),
        ('{"a":' * 9000 + "1" + "}" * 9000, "nested too deeply"),
        ('{"x": ' + "[" * 20 + "]" * 20 + "}", "16 levels"),
        ("[" + "0," * 20_000 + "0]", "10,000 values"),
        ('{"samples": ' + "9" * 5000 + "}", "digits"),
        ('{"samples": 7, "samples": 8}', "twice"),
        ('{"samples": \x00}', "not usable JSON"),
    ],
    ids=lambda value: value[:20],
)
def test_json_that_is_none(make_client: MakeClient, text: str, says: str) -> None:
    post = Post(make_client(max_body_bytes=1_000_000))
    problem(post(spec=text), 400, "malformed_request", "/spec", says)
    as_file = post.client.post("/v1/explanations", files={"image": ("a", PNG), "spec": ("s.json", text.encode())})
    problem(as_file, 400, "malformed_request", "/spec", says)
    body = f'{{"image": {{"base64": "{BASE64}"}}, "spec": {text or ","}}}'
    problem(post.raw(body.encode(), "application/json"), 400, "malformed_request", None, says if text else "")


@pytest.mark.parametrize("depth", [10, 15, 17, 100, 300, 600, 900, 950, 990, 1000, 1100, 3000])
def test_every_depth_is_refused_in_order(post: Post, depth: int) -> None:
    spec = {"map": {"name": "sparsified", "tau": json.loads("[" * 5 + "]" * 5)}}
    text = json.dumps(spec).replace("[[[[[]]]]]", "[" * depth + "]" * depth)
    response = post(spec=text)
    assert response.status_code in (400, 422) and response.json()["pointer"] in ("/spec", "/spec/map/tau")


def test_bytes_that_are_not_utf8(post: Post) -> None:
    body = b'{"image": {"base64": "' + BASE64.encode() + b'"}, "spec": {"model": "\xff\xfe"}}'
    problem(post.raw(body, "application/json"), 400, "malformed_request", None, "utf-8")
    spec = part("spec", b'{"model": "\xff"}', "s.json")
    problem(post.raw(form(part("image", PNG, "a"), spec), FORM), 400, "malformed_request", "/spec", "utf-8")
    response = post.raw(form(part("image", PNG, "a"), part("spec", b'{"model": "\xff"}')), FORM)
    assert response.status_code == 422


def test_half_a_surrogate_pair_is_answered(post: Post) -> None:
    body = JSON % ', "\\ud800": 1'
    problem(post.raw(body.encode(), "application/json"), 422, "invalid_spec", "/\\ud800")
    for spec in ('{"\\ud800": 1}', '{"noise": {"name": "gaussian", "sigma": 0.1, "\\udfff": 1}}',
                 '{"noise": {"name": "\\ud800"}}', '{"map": {"name": "sparsified", "tau": "\\ud800"}}',
                 '{"certificates": [{"name": "topk_overlap", "\\ud800": "\\ud800"}]}'):  # fmt: skip
        problem(post(spec=spec), 422, "invalid_spec", post(spec=spec).json()["pointer"])


@pytest.mark.parametrize(
    "charset", ["unicode_escape", "idna", "punycode", "hex", "zlib", "utf-7", "nonsense", "utf-16"]
)
def test_charsets_of_a_form(post: Post, charset: str) -> None:
    parts = (part("\\ud800 \xff", b"1"), part("spec", b'{"\\ud800": 1}'), part("image", PNG, "a"))
    response = post.raw(form(*parts), f"multipart/form-data; charset={charset}; boundary=x")
    assert response.status_code in (400, 422) and "code" in response.json()


IMAGE, SPEC = part("image", PNG, "a.png"), part("spec", b"{}")


@pytest.mark.parametrize(
    ("parts", "status", "code", "pointer", "says"),
    [
        ((SPEC,), 422, "image_missing", "/image", "-F image=@"),
        ((), 422, "image_missing", "/image", "-F image=@"),
        ((part("image", b"@a.png"), SPEC), 422, "image_missing", "/image", "as text"),
        ((IMAGE, IMAGE), 400, "malformed_request", "/image", "more than once"),
        ((part("image", b"text"), IMAGE), 400, "malformed_request", "/image", "more than once"),
        ((IMAGE, SPEC, SPEC), 400, "malformed_request", "/spec", "more than once"),
        ((IMAGE, SPEC, part("spec", b"{}", "s.json")), 400, "malformed_request", "/spec", "more than once"),
        ((IMAGE, part("samples", b"3")), 422, "invalid_spec", "/samples", "`image` and `spec`"),
        ((IMAGE, part("x" * 500, b"3")), 422, "invalid_spec", "/" + "x" * 64, "`image` and `spec`"),
        ((IMAGE, part("a/b", b"3", "a.png")), 422, "invalid_spec", "/a~1b", "`image` and `spec`"),
        ((IMAGE, *[SPEC] * 5), 400, "malformed_request", None, "Too many"),
        ((IMAGE,) * 5, 400, "malformed_request", None, "Too many"),
    ],
)  # fmt: skip
def test_forms(post: Post, parts: tuple[bytes, ...], status: int, code: str, pointer: str | None, says: str) -> None:
    problem(post.raw(form(*parts), FORM), status, code, pointer, says)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (form(IMAGE), "multipart/form-data"),
        (form(IMAGE), "multipart/form-data; boundary="),
        (form(IMAGE), "multipart/form-data; boundary=other"),
        (form(IMAGE)[:40], FORM),
        (b"", FORM),
        (b"--x\r\nContent-Disposition: nonsense\r\n\r\nabc\r\n--x--", FORM),
        (b"--x\r\n\r\nabc\r\n--x--", FORM),
        (b"--x\r\n" + b"A" * 20_000 + b": b\r\n\r\nabc\r\n--x--", FORM),
        (b"\xff" * 100, FORM),
        (form(IMAGE), "multipart/form-data; boundary=" + "x" * 5000),
        (form(IMAGE), 'multipart/form-data; boundary="\x00"'),
    ],
    ids=["no-boundary", "empty-boundary", "other-boundary", "cut", "empty", "disposition", "no-name", "header",
         "binary", "long-boundary", "odd-boundary"],
)  # fmt: skip
def test_broken_forms(post: Post, body: bytes, kind: str) -> None:
    response = post.raw(body, kind)
    assert response.status_code in (400, 422), response.text
    body_ = response.json()
    assert body_["code"] in ("malformed_request", "image_missing")


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "image/png", "*/*", "json", ";"]
)
def test_other_content_types(post: Post, kind: str) -> None:
    problem(post.raw(PNG, kind), 415, "unsupported_media_type", None, "multipart/form-data")


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ("[]", 400, "malformed_request", None),
        ("null", 400, "malformed_request", None),
        ("{}", 422, "image_missing", "/image"),
        ('{"image": null}', 422, "image_missing", "/image"),
        ('{"image": "abc"}', 422, "image_missing", "/image"),
        ('{"image": {}}', 422, "image_missing", "/image"),
        ('{"image": {"base64": 3}}', 422, "image_missing", "/image"),
        ('{"image": {"base64": ""}}', 422, "image_empty", "/image"),
        ('{"image": {"base64": "a"}}', 400, "malformed_request", "/image/base64"),
        ('{"image": {"base64": "????"}}', 400, "malformed_request", "/image/base64"),
        ('{"image": {"base64": "YWJj YWJj"}}', 400, "malformed_request", "/image/base64"),
        ('{"image": {"base64": "\\u00e9"}}', 400, "malformed_request", "/image/base64"),
        ((JSON % "").replace('"}', '", "url": "file:///"}'), 422, "invalid_spec", "/image/url"),
        (JSON % ', "samples": 1', 422, "invalid_spec", "/samples"),
        (JSON % ', "spec": null', 422, "invalid_spec", "/spec"),
        (JSON % ', "spec": "{}"', 422, "invalid_spec", "/spec"),
    ],
)  # fmt: skip
def test_json_bodies(post: Post, body: str, status: int, code: str, pointer: str | None) -> None:
    problem(post.raw(body.encode(), "application/json"), status, code, pointer)


def test_addresses_and_methods(client: Client) -> None:
    for path in ("/nowhere", "/v1", "/v1/jobs/", "/v2/jobs", "/v1/explanations/x", "/%00", "/%ff%fe", "/" + "a" * 9000):
        response = client.get(path)
        if response.status_code != 307:
            problem(response, 404, "not_found", None, "/docs")
    problem(client.get("/v1/models/nobody"), 404, "not_found", None, "digits")
    for method, path, allow in (("GET", "/v1/explanations", "POST"), ("PUT", "/v1/jobs", "GET")):
        response = client.request(method, path)
        problem(response, 405, "method_not_allowed", None, method)
        assert response.headers["allow"] == allow


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "state=bored", "cursor=" + "1" * 65])
def test_query_parameters(client: Client, query: str) -> None:
    problem(client.get(f"/v1/jobs?{query}"), 422, "invalid_parameter", f"/query/{query.partition('=')[0]}")


@pytest.mark.parametrize(
    "cursor", ["x", "-", "1-", "1-x", "-1-" + "0" * 32, "²-" + "0" * 32, "+inf-" + "0" * 32, "1.5-" + "0" * 32, "%00"]
)
def test_cursors(client: Client, cursor: str) -> None:
    response = client.get("/v1/jobs", params={"cursor": cursor})
    problem(response, 422, "invalid_parameter", "/query/cursor", "did not come")
    assert client.get("/v1/jobs", params={"cursor": "9" * 30 + "-" + "0" * 32}).json()["jobs"] == []


@pytest.mark.parametrize(
    "job_id", ["x", "0" * 32, "0" * 31, "0" * 33, "A" * 32, "%00", "..", "%2e%2e", "a" * 5000, "*"]
)
def test_job_ids_that_are_none(client: Client, job_id: str) -> None:
    for address in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/result", f"/v1/jobs/{job_id}/artifacts/overlay.png"):
        response = client.get(address)
        assert response.status_code == 404 and response.json()["code"] in ("job_not_found", "not_found")
    if job_id != "..":
        problem(client.post(f"/v1/jobs/{job_id}/cancel"), 404, "job_not_found")
        for _ in range(2):
            assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
