"""The client against a real Orthanc, and against archives that lie."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.archive.orthanc import Orthanc
from tests.archive.studies import ARCHIVE, PLANTED, make
from tests.conftest import missing
from tests.listener import Listener, Quiet
from worker.cli.doctor import Sick, _archive
from worker.contract.archive import Archive, Reference
from worker.contract.errors import (
    ArchiveRefused,
    ArchiveUnavailable,
    ImageTooLarge,
    InstanceAmbiguous,
    InstanceNotFound,
    SuretyError,
)
from worker.contract.settings import Settings
from worker.dicom.archive import ArchiveClient
from worker.dicom.orthanc import Orthanc as Watched

MOST = 1_000_000


@pytest.fixture
def pacs(archive: Archive) -> Iterator[ArchiveClient]:
    with ArchiveClient(ARCHIVE, archive) as client:
        yield client


def test_what_was_stored_is_found_and_comes_back_to_the_byte(pacs: ArchiveClient, orthanc: Orthanc) -> None:
    made = make("client")
    for _ in range(2):
        pacs.store([made.data])
    assert pacs.fetch(made.reference, MOST) == made.data
    assert pacs.fetch(made.reference, len(made.data)) == made.data
    (entry,) = pacs.entries(made.study)
    assert entry.reference(ARCHIVE, made.study) == made.reference
    assert (entry.modality, entry.manufacturer, entry.image) == ("CR", "A Modality", True)
    for reference in (
        Reference(archive=ARCHIVE, study=made.study),
        made.reference.model_copy(update={"instance": None}),
    ):
        assert pacs.fetch(reference, MOST) == made.data


def test_what_came_by_the_network_of_modalities_is_the_same(
    pacs: ArchiveClient, orthanc: Orthanc, tmp_path: Path
) -> None:
    made = make("c-store")
    (tmp_path / "image.dcm").write_bytes(made.data)
    command = ["storescu", "127.0.0.1", str(orthanc.dicom_port), str(tmp_path / "image.dcm")]
    try:
        subprocess.run(command, check=True, timeout=20, capture_output=True)
    except FileNotFoundError:
        missing("storescu is missing: nothing was sent by C-STORE.")
    fetched = pacs.fetch(made.reference, MOST)
    # dcmtk writes a file meta information of its own; the data set behind it is the same.
    assert fetched[-len(made.data) // 2 :] == made.data[-len(made.data) // 2 :]


def test_what_is_not_there_and_what_is_there_twice_is_said(pacs: ArchiveClient) -> None:
    first, second = make("one"), make("two", number=1, study=make("one").study)
    with pytest.raises(InstanceNotFound):
        pacs.fetch(first.reference, MOST)
    with pytest.raises(InstanceNotFound, match="no image in such a study"):
        pacs.fetch(Reference(archive=ARCHIVE, study=first.study), MOST)
    pacs.store([first.data, second.data])
    with pytest.raises(InstanceAmbiguous, match="holds 2 images"):
        pacs.fetch(Reference(archive=ARCHIVE, study=first.study), MOST)
    with pytest.raises(ImageTooLarge, match="more than 100 bytes"):
        pacs.fetch(first.reference, 100)


def test_garbage_is_not_taken(pacs: ArchiveClient) -> None:
    with pytest.raises(ArchiveRefused, match="answers with 400"):
        pacs.store([b"garbage"])


def test_a_wrong_password_is_refused_and_not_told(
    archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "wrong").write_text("not-this-one")
    refused = archive.model_copy(update={"password_file": tmp_path / "wrong"})
    with ArchiveClient(ARCHIVE, refused) as client, pytest.raises(ArchiveRefused) as caught, caplog.at_level(10):
        client.ping()
    assert "401" in str(caught.value) and "not-this-one" not in f"{caught.value!r} {caplog.text}"
    with pytest.raises(ArchiveRefused, match="password_file"):
        ArchiveClient(ARCHIVE, archive.model_copy(update={"password_file": tmp_path / "none"}))


def test_changes_of_a_killed_archive_go_on_where_they_were(archive: Archive, orthanc: Orthanc) -> None:
    watched = Watched(ARCHIVE, archive)
    before = watched.newest()
    assert before > 0 and watched.changes(before).done
    orthanc.stop()
    with pytest.raises(ArchiveUnavailable, match="doctor"):
        watched.newest()
    orthanc.start()
    assert watched.newest() >= before and watched.changes(before + 1_000_000).last < before + 1_000_000
    assert watched.study("no-such-study") is None
    watched.close()


class Liar(Listener):
    """Answers everything with this."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = 200, {"Content-Type": "application/dicom+json"}, b"[]"
        liar = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(liar.status)
                for name, value in ({"Content-Length": str(len(liar.body))} | liar.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(liar.body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.do_GET()

        super().__init__(Handler)
        self.url = f"http://{self.host}/dicom-web"


@pytest.fixture
def liar() -> Iterator[Liar]:
    made = Liar()
    yield made
    made.close()


PART = b"--b\r\nContent-Type: application/dicom\r\n\r\nwhole\r\n-"
MULTIPART = {"Content-Type": 'multipart/related; type="application/dicom"; boundary="b"'}


@pytest.mark.parametrize(
    ("status", "headers", "body", "error"),
    [
        (200, MULTIPART, PART, ArchiveUnavailable),
        (200, MULTIPART, b"no boundary", ArchiveRefused),
        (200, MULTIPART | {"Content-Length": "9999"}, PART, ArchiveUnavailable),
        (200, {"Content-Type": "multipart/related"}, PART, ArchiveRefused),
        (200, {"Content-Type": "text/html"}, b"<p>Planted", ArchiveRefused),
        (302, {"Location": "http://127.0.0.1:1/"}, b"", ArchiveRefused),
        (404, {}, b"", InstanceNotFound),
        (429, {}, b"", ArchiveUnavailable),
        (500, {}, b"Planted", ArchiveUnavailable),
    ],
)
def test_an_answer_that_is_not_an_instance_is_an_error_by_name(
    liar: Liar, status: int, headers: dict[str, str], body: bytes, error: type[SuretyError]
) -> None:
    liar.status, liar.headers, liar.body = status, headers, body
    with ArchiveClient(ARCHIVE, Archive(url=liar.url)) as client, pytest.raises(error) as caught:
        client.fetch(make("liar").reference, MOST)
    assert not any(word in str(caught.value) for word in PLANTED)


def test_parts_are_read_across_any_cut_and_only_the_first_counts(liar: Liar) -> None:
    liar.headers, liar.body = MULTIPART, PART + b"-b\r\n\r\nsecond\r\n--b--\r\n"
    with ArchiveClient(ARCHIVE, Archive(url=liar.url)) as client:
        assert client.fetch(make("liar").reference, MOST) == b"whole"


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[3]", b'[{"00280010": {"Value": ["x"]}}]', b"3", b"[" * 100_000])
def test_a_search_that_answers_nonsense_is_refused(liar: Liar, body: bytes) -> None:
    liar.body = body
    with ArchiveClient(ARCHIVE, Archive(url=liar.url)) as client, pytest.raises(ArchiveRefused):
        client.entries("1.2")


def test_an_archive_that_takes_only_some_has_not_taken_them(liar: Liar) -> None:
    liar.status, liar.body = 202, b'{"00081198": {"vr": "SQ", "Value": [{}]}}'
    with ArchiveClient(ARCHIVE, Archive(url=liar.url)) as client, pytest.raises(ArchiveRefused, match="all objects"):
        client.store([b"x"])
    watched = Watched(ARCHIVE, Archive(url=liar.url))
    with pytest.raises(ArchiveRefused, match="only an Orthanc"):
        watched.changes(0)
    watched.close()


def test_the_doctor_says_what_the_archive_can(archives_file: Path, liar: Liar, tmp_path: Path) -> None:
    assert _archive(Settings(archives=archives_file), ARCHIVE) == "answers searches; `surety bridge` can watch it"
    (tmp_path / "other.yml").write_text(f"other: {{url: '{liar.url}'}}")
    other = Settings(archives=tmp_path / "other.yml")
    assert "cannot watch it" in _archive(other, "other")
    with pytest.raises(Sick, match="known: other"):
        _archive(other, ARCHIVE)
    liar.status = 503
    with pytest.raises(ArchiveUnavailable):
        _archive(other, "other")
