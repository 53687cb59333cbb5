"""A real archive, and the operator's file that names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import client, make_client, post, raw, store, url
from tests.archive.orthanc import PASSWORD, USER, Orthanc
from tests.archive.studies import ARCHIVE
from worker.contract.archive import Archive

__all__ = ["client", "make_client", "post", "raw", "store", "url"]


@pytest.fixture(scope="package")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with Orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        assert running.listens_at() == {"127.0.0.1"}
        yield running


@pytest.fixture(scope="package")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("secrets") / "password"
    file.write_text(PASSWORD + "\n")
    return file


@pytest.fixture(scope="package")
def archive(orthanc: Orthanc, password_file: Path) -> Archive:
    return Archive(url=orthanc.url, user=USER, password_file=password_file)


@pytest.fixture(scope="package")
def archives_file(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("archives") / "archives.yml"
    file.write_text(f"{ARCHIVE}: {archive.model_dump_json(exclude_none=True)}\n")  # JSON is YAML
    return file
