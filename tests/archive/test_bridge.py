"""The whole way: a study comes into a real archive, the bridge sees it, the service explains it and stores results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from dicomweb_client.web import DICOMwebClient
from requests import Session

from tests.archive.orthanc import PASSWORD, USER, Orthanc
from tests.archive.studies import ARCHIVE, PLANTED, Made, make
from tests.service.polling import wait_for
from worker.cli.client import Client
from worker.cli.stack import Stack
from worker.contract.archive import Archive
from worker.contract.job import Job
from worker.contract.settings import Settings
from worker.dicom.archive import ArchiveClient

SPEC = {"samples": 128, "noise": {"name": "gaussian", "sigma": 0.25}}
OBJECTS = ["overlay.dcm", "report.dcm", "segmentation.dcm"]
MOST = 10_000_000
PATIENCE = 240  # seconds, for a machine that is busy with something else


@pytest.fixture(scope="module")
def stack(archives_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = Settings(redis_url=None, state_dir=tmp_path_factory.mktemp("state"), archives=archives_file)
    with Stack(settings) as running:
        yield running


@pytest.fixture
def service(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as client:
        yield client


@pytest.fixture
def pacs(archive: Archive) -> Iterator[ArchiveClient]:
    with ArchiveClient(ARCHIVE, archive) as client:
        yield client


@pytest.fixture(scope="module")
def foreign(orthanc: Orthanc) -> DICOMwebClient:
    """A client that is not ours."""
    session = Session()
    session.auth, session.trust_env = (USER, PASSWORD), False
    # It sends the host without its port, which Orthanc does not mind.
    return DICOMwebClient(orthanc.url, session=session)


class Bridge:
    """`surety bridge` in a process of its own, with a state of its own."""

    def __init__(self, stack: Stack, archives_file: Path, folder: Path) -> None:
        self._folder = folder
        (folder / "spec.json").write_text(json.dumps(SPEC))
        plain = {name: value for name, value in os.environ.items() if not name.startswith("SURETY_")}
        own = {"SURETY_STATE_DIR": str(folder / "bridge"), "SURETY_ARCHIVES": str(archives_file), "NO_COLOR": "1"}
        self._environment = plain | own
        self._command = [sys.executable, "-m", "worker.cli", "bridge", "--archive", ARCHIVE, "--url", stack.url]
        self._command += ["--spec", str(folder / "spec.json"), "--every", "0.2"]
        self._said = folder / "said"

    def once(self, *more: str) -> str:
        done = subprocess.run(
            [*self._command, "--once", *more], env=self._environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def forget(self) -> None:
        """As if it began for the first time."""
        (self._folder / "bridge" / f"bridge-{ARCHIVE}").unlink()

    def start(self) -> subprocess.Popen[bytes]:
        with self._said.open("wb") as said:
            return subprocess.Popen(self._command, env=self._environment, stdout=said, stderr=said)

    @property
    def said(self) -> str:
        return self._said.read_text()


@pytest.fixture
def bridge(stack: Stack, archives_file: Path, tmp_path: Path) -> Bridge:
    return Bridge(stack, archives_file, tmp_path)


def stable(orthanc: Orthanc) -> None:
    """Returns when nothing new has come for a while, as Orthanc sees it."""

    def settled() -> bool:
        studies = orthanc.http.get("/studies", params={"expand": ""}).json()
        return bool(studies) and all(study["IsStable"] for study in studies)

    wait_for(settled, PATIENCE)


def finished(service: Client, job: Job) -> Job:
    *_, last = [job, *service.follow(job)]
    return last


def refer(service: Client, made: Made, key: str, **more: Any) -> Job:
    return service.refer({"image": made.reference.model_dump(), "spec": SPEC, **more}, key)


def test_a_new_study_is_explained_and_its_results_are_beside_it(
    stack: Stack,
    bridge: Bridge,
    service: Client,
    pacs: ArchiveClient,
    orthanc: Orthanc,
    foreign: DICOMwebClient,
    tmp_path: Path,
) -> None:
    for study in orthanc.http.get("/studies").json():
        orthanc.http.delete(f"/studies/{study}")
    by_stow, by_store = make("stow", number=3), make("store", number=7)
    pacs.store([by_stow.data])
    (tmp_path / "image.dcm").write_bytes(by_store.data)
    subprocess.run(["storescu", "127.0.0.1", str(orthanc.dicom_port), str(tmp_path / "image.dcm")], check=True)
    stable(orthanc)
    said = bridge.once("--modality", "CR")
    assert said.count(": 1 stored") == 2 and not any(word in said for word in PLANTED)

    found = httpx.get(f"{stack.url}/v1/jobs", trust_env=False).json()["jobs"]
    results = {job.id: service.result(job) for job in map(Job.model_validate, found)}
    for made in (by_stow, by_store):
        series = foreign.search_for_series(made.study)
        assert sorted(one["00080060"]["Value"][0] for one in series) == ["CR", "OT", "SEG", "SR"]
        source = sha256(pacs.fetch(made.reference, MOST)).hexdigest()
        (job_id,) = [job_id for job_id, result in results.items() if result.provenance.image_sha256 == source]
        assert results[job_id].provenance.preprocessing[0] == "from the archive pacs"
        derived = [entry for entry in pacs.entries(made.study) if not entry.image]
        held = {pacs.fetch(entry.reference(ARCHIVE, made.study), MOST) for entry in derived}
        job = Job.model_validate(next(job for job in found if job["id"] == job_id))
        assert held == {service.artifact(job, name) for name in OBJECTS}, "to the byte"

    before = orthanc.instances()
    assert len(before) == 8
    stable(orthanc)
    bridge.once()
    bridge.forget()
    assert bridge.once().count(": 1 stored") == 2, "the same jobs, found again by their keys"
    assert orthanc.instances() == before, "nothing new, and none of its own results is an image to it"
    log = stack.log.read_text()
    assert "attempt 1 ended" in log
    assert not any(word in log for word in (*PLANTED, PASSWORD, by_stow.instance, by_store.study))


def test_an_archive_that_was_away_loses_nothing(
    bridge: Bridge, service: Client, pacs: ArchiveClient, orthanc: Orthanc
) -> None:
    made, late = make("away", number=1), make("late", number=2)
    pacs.store([made.data])
    orthanc.stop()
    process = bridge.start()
    try:
        wait_for(lambda: "waiting: Archive 'pacs' does not answer" in bridge.said, PATIENCE, "it says so")
        job = refer(service, made, "away", store={"archive": ARCHIVE})
        time.sleep(1)
        assert not service.job(job).finished
        orthanc.start()
        assert finished(service, job).state == "succeeded"
        wait_for(lambda: service.job(job).stored == "stored", PATIENCE)
        pacs.store([late.data])
        wait_for(lambda: len(pacs.entries(late.study)) == 4, PATIENCE, "the results of the late study")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert bridge.said.endswith("Stopped.\n") and bridge.said.count("waiting:") == 1
    assert len(pacs.entries(made.study)) == 4


def test_what_cannot_be_had_is_a_failed_job_that_says_why(service: Client, pacs: ArchiveClient) -> None:
    absent = finished(service, refer(service, make("absent"), "absent"))
    assert absent.error and (absent.error.code, absent.error.pointer) == ("instance_not_found", "/image")
    first, second = make("first"), make("second", study=make("first").study)
    pacs.store([first.data, second.data])
    study = {"archive": ARCHIVE, "study": first.study}
    several = finished(service, service.refer({"image": study, "spec": SPEC}, "several"))
    assert several.error and several.error.code == "instance_ambiguous" and "2 images" in several.error.detail
