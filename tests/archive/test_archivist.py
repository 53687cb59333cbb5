"""Storing back: what is due is stored once, tried again while the archive is away, and told in the job."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.archive.orthanc import PASSWORD, Orthanc
from tests.archive.studies import ARCHIVE, PLANTED, make
from tests.service.test_store import PROBLEM, claim
from worker.contract.archive import Archive
from worker.contract.settings import Settings
from worker.dicom.archive import ArchiveClient
from worker.service.archivist import Archivist
from worker.store.jobs import JobStore

MADE = make("archivist")


@pytest.fixture
def archivist(url: str, store: JobStore, archives_file: Path) -> Iterator[Archivist]:
    made = Archivist(Settings(redis_url=url, archives=archives_file))
    yield made
    made.stop()


def ended(store: JobStore, archive: str = ARCHIVE, name: str = "overlay.dcm", data: bytes = MADE.data) -> str:
    job_id = store.create("explanation", "{}", b"", digest="d", archive=archive).id
    assert store.get(job_id).job().stored == ("pending" if archive else None)
    claim(store, job_id)
    store.finish(job_id, 1, b"{}", {name: data, "map.npz": b"m"})
    return job_id


def test_objects_are_stored_once_and_the_job_says_so(
    archivist: Archivist, store: JobStore, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = ended(store)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            archivist.deliver()
    assert store.get(job_id).job().stored == "stored" and store.stats()["results_stored"] == 1
    with ArchiveClient(ARCHIVE, archive) as pacs:
        assert pacs.fetch(MADE.reference, 10_000) == MADE.data
    assert caplog.text.count("are stored in archive") == 1
    assert not any(word in caplog.text for word in (*PLANTED, PASSWORD))


def test_an_archive_that_is_away_is_tried_again_until_it_is_back(
    archivist: Archivist, store: JobStore, orthanc: Orthanc, raw: redis.Redis
) -> None:
    job_id = ended(store)
    orthanc.stop()
    try:
        waited = []
        for _ in range(7):
            raw.zadd("surety:stores", {job_id: 0})
            archivist.deliver()
            waited.append(round((float(str(raw.zscore("surety:stores", job_id))) / 1000 - raw.time()[0]) / 10) * 10)
            assert store.get(job_id).job().stored == "pending"
    finally:
        orthanc.start()
    assert waited == [30, 60, 120, 300, 600, 600, 600]
    archivist.deliver()
    assert store.get(job_id).job().stored == "pending", "not before its time"
    raw.zadd("surety:stores", {job_id: 0})
    archivist.deliver()
    assert store.get(job_id).job().stored == "stored" and raw.zcard("surety:stores") == 0


@pytest.mark.parametrize(
    ("named", "name", "data"),
    [(ARCHIVE, "overlay.dcm", b"garbage"), (ARCHIVE, "overlay.png", b"x"), ("elsewhere", "overlay.dcm", MADE.data)],
)
def test_what_will_never_be_stored_is_not_tried_again(
    archivist: Archivist, store: JobStore, raw: redis.Redis, named: str, name: str, data: bytes
) -> None:
    job_id = ended(store, named, name, data)
    archivist.deliver()
    assert store.get(job_id).job().stored == "failed" and raw.zcard("surety:stores") == 0
    assert store.stats()["results_not_stored"] == 1


def test_a_job_without_a_result_has_nothing_to_store(store: JobStore, raw: redis.Redis) -> None:
    job_id = store.create("explanation", "{}", b"", digest="d", archive=ARCHIVE).id
    claim(store, job_id)
    store.fail(job_id, 1, PROBLEM)
    assert store.get(job_id).job().stored == "failed" and raw.zcard("surety:stores") == 0
    assert store.get(ended(store, archive="")).job().stored is None and raw.zcard("surety:stores") == 0


def test_a_job_that_expired_meanwhile_is_not_brought_back(
    archivist: Archivist, store: JobStore, raw: redis.Redis
) -> None:
    job_id = ended(store)
    raw.delete(f"surety:job:{job_id}")
    archivist._store.done("archive", job_id, True)
    archivist.deliver()
    assert not raw.exists(f"surety:job:{job_id}") and raw.zcard("surety:stores") == 0
