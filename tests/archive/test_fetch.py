"""What a worker does while an archive is away: tries again for a bounded time, as long as the job is its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from tests.archive.studies import make
from tests.images.files import encode, smooth
from worker.cli.address import LOOPBACK, free_port
from worker.contract.errors import ArchiveUnavailable, UnknownArchive
from worker.contract.settings import Settings
from worker.service.checkpoint import Origin
from worker.service.fetch import fetched
from worker.service.work import Cancelled, Work

IMAGE = make("fetch").reference.to_bytes()


class Job:
    """Ours for so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise Cancelled


@pytest.fixture
def away(tmp_path: Path) -> Settings:
    """An archive at a port where nothing listens."""
    (tmp_path / "archives.yml").write_text(f"pacs: {{url: 'http://{LOOPBACK}:{free_port(LOOPBACK)}/dicom-web'}}")
    return Settings(archives=tmp_path / "archives.yml", archive_patience_seconds=0.5)


def test_it_is_tried_again_and_then_given_up(away: Settings) -> None:
    job = Job(100)
    with pytest.raises(ArchiveUnavailable, match="surety doctor --archive pacs"):
        fetched(IMAGE, cast(Work, job), away)
    assert job.looks <= 98, "more than once"


def test_a_cancelled_job_waits_no_longer(away: Settings) -> None:
    with pytest.raises(Cancelled):
        fetched(IMAGE, cast(Work, Job(1)), away.model_copy(update={"archive_patience_seconds": 3600.0}))


def test_an_image_is_itself_and_a_name_that_only_the_api_knows_is_said(away: Settings) -> None:
    png = encode(smooth(8, 8), "PNG")
    assert fetched(png, cast(Work, Job(0)), away) == (png, [])
    with pytest.raises(UnknownArchive, match="must be the same"):
        fetched(IMAGE, cast(Work, Job(0)), away.model_copy(update={"archives": None}))


def test_counts_of_other_bytes_are_not_gone_on_from() -> None:
    now = datetime.now(UTC)
    one, other = (
        Origin(code_digest="c", model_sha256="m", libraries={}, devices=(), started_at=now, image_sha256=digest)
        for digest in ("a", "b")
    )
    assert one.agrees(one) and not one.agrees(other)
