"""What an operator may write into the file of archives, and what a client may write as a reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import Client
from tests.api.conftest import PNG, MakeClient
from tests.api.problem import problem
from tests.archive.studies import make
from worker.contract.archive import ArchivesError, Reference, archives, processing
from worker.contract.settings import Settings
from worker.store.jobs import JobStore

REFERENCE = {"archive": "pacs", "study": "1.2", "series": "1.3", "instance": "1.4"}


def settings(folder: Path, text: str) -> Settings:
    (folder / "archives.yml").write_text(text)
    return Settings(archives=folder / "archives.yml")


@pytest.mark.parametrize(
    "text",
    [
        "pacs: {url: 'https://pacs.ward/dicom-web'}",
        "pacs: {url: 'http://127.0.0.1:8042/dicom-web', user: u, password_file: /p}",
        "pacs-2: {url: 'http://orthanc:8042/dicom-web', insecure: true, ca_file: /c}",
    ],
)
def test_what_an_operator_may_write(tmp_path: Path, text: str) -> None:
    (name,) = archives(settings(tmp_path, text))
    assert name in ("pacs", "pacs-2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pacs: {url: 'http://pacs.ward/dicom-web'}", "in the clear"),
        ("pacs: {url: 'ftp://pacs.ward/'}", "http(s)"),
        ("pacs: {url: 'https://u:hidden@pacs.ward/'}", "password_file"),
        ("pacs: {url: 'https://pacs.ward/', password: hidden}", "pacs.password"),
        ("pacs: {url: 'https://pacs.ward/', user: hidden}", "belong together"),
        ("Pacs_1: {url: 'https://pacs.ward/'}", "Pacs_1"),
        ("- hidden", "dictionary"),
        ("pacs: [", "YAML"),
    ],
)
def test_what_an_operator_may_not_write_is_said_without_repeating_it(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ArchivesError) as caught:
        archives(settings(tmp_path, text))
    assert said in str(caught.value) and "hidden" not in str(caught.value)


def test_no_file_no_archives(tmp_path: Path) -> None:
    assert archives(Settings(archives=None)) == {}
    with pytest.raises(ArchivesError, match="cannot be read"):
        archives(Settings(archives=tmp_path / "none.yml"))


def test_a_reference_is_no_image_and_no_image_a_reference() -> None:
    made = make("contract")
    assert Reference.from_bytes(made.reference.to_bytes()) == made.reference
    disguised = made.reference.to_bytes().ljust(128) + made.data[128:]
    for image in (PNG, made.data, disguised, b"", b'{"archive":', b'{"archive":"pacs","study":"DICM"}'):
        assert Reference.from_bytes(image) is None
    assert processing([made.reference.origin, "decoded"]) == ["decoded"]


@pytest.fixture
def known(make_client: MakeClient, tmp_path: Path) -> Client:
    file = tmp_path / "archives.yml"
    file.write_text("pacs: {url: 'https://pacs.ward/dicom-web'}\nother: {url: 'https://other.ward/dicom-web'}")
    return make_client(archives=file)


def send(client: Client, body: dict[str, Any], path: str = "/v1/explanations") -> Any:
    return client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})


def test_a_reference_becomes_a_job_and_nothing_is_fetched_by_the_api(known: Client, store: JobStore) -> None:
    job = send(known, {"image": REFERENCE, "store": {"archive": "other"}}).json()
    assert (job["state"], job["stored"]) == ("queued", "pending")
    assert Reference.from_bytes(store.blob(job["id"], "image")) == Reference.model_validate(REFERENCE)
    assert store.get(job["id"]).archive == "other"
    plain = send(known, {"image": {"archive": "pacs", "study": "1.2"}}).json()
    assert plain["stored"] is None
    batch = send(known, {"image": [REFERENCE], "store": {"archive": "pacs"}}, "/v1/batches").json()
    assert store.get(batch["jobs"][0]["id"]).archive == "pacs"


def test_what_is_asked_beside_it_is_a_part_of_the_request(known: Client) -> None:
    def sent(**body: Any) -> Any:
        content = json.dumps({"image": REFERENCE, **body})
        headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
        return known.post("/v1/explanations", content=content, headers=headers)

    assert sent(store={"archive": "pacs"}).json()["id"] == sent(store={"archive": "pacs"}).json()["id"]
    problem(sent(), 422, "idempotency_conflict", None)


def test_dicom_is_stored_and_other_formats_have_nothing_to_store(known: Client, store: JobStore) -> None:
    def form(image: bytes, archive: str = "pacs") -> Any:
        data = {"store": json.dumps({"archive": archive})}
        return known.post("/v1/explanations", files={"image": ("a", image)}, data=data)

    assert store.get(form(make("form").data).json()["id"]).archive == "pacs"
    problem(form(PNG), 415, "image_format", "/image", "Only results of a DICOM image")
    problem(form(make("form").data, "elsewhere"), 422, "unknown_archive", "/store/archive", "other, pacs")


@pytest.mark.parametrize(
    ("image", "status", "code", "pointer"),
    [
        ({**REFERENCE, "archive": "elsewhere"}, 422, "unknown_archive", "/image/archive"),
        ({**REFERENCE, "study": "1.2/../.."}, 400, "malformed_request", "/image/study"),
        ({**REFERENCE, "study": "1" * 65}, 400, "malformed_request", "/image/study"),
        ({**REFERENCE, "study": "1.2\n"}, 400, "malformed_request", "/image/study"),
        ({**REFERENCE, "instance": 3}, 400, "malformed_request", "/image/instance"),
        ({**REFERENCE, "archive": "http://evil.org"}, 400, "malformed_request", "/image/archive"),
        ({"archive": "pacs", "study": "1.2", "instance": "1.4"}, 400, "malformed_request", "/image"),
        ({"archive": "pacs"}, 400, "malformed_request", "/image/study"),
        ({**REFERENCE, "url": "http://evil.org"}, 422, "invalid_spec", "/image/url"),
    ],
)
def test_a_reference_at_fault_is_refused_at_once(
    known: Client, store: JobStore, image: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    problem(send(known, {"image": image}), status, code, pointer)
    assert store.unfinished() == 0


def test_without_archives_none_is_known(client: Client) -> None:
    problem(send(client, {"image": REFERENCE}), 422, "unknown_archive", "/image/archive", "SURETY_ARCHIVES")
    for store in ("pacs", {}, {"archive": 3}, ["pacs"]):
        problem(send(client, {"image": REFERENCE, "store": store}), 400, "malformed_request", "/store")
