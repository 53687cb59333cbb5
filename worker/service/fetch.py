"""From what a job holds to its image's bytes: the image itself, or a reference to one in an archive."""

from __future__ import annotations

import time
from typing import NamedTuple

from worker.contract.archive import Reference, archives
from worker.contract.errors import ArchiveUnavailable, UnknownArchive
from worker.contract.settings import Settings
from worker.dicom.archive import POINTER, ArchiveClient
from worker.service.work import Work, patiently


class Fetched(NamedTuple):
    """An image's bytes, and where they came from as steps of the provenance."""

    data: bytes
    steps: list[str]


def fetched(image: bytes, work: Work, settings: Settings) -> Fetched:
    """The image. An archive that is away is asked again for a bounded time, as long as the job is ours.

    Raises UnknownArchive, InstanceNotFound, InstanceAmbiguous, ImageTooLarge, ArchiveUnavailable, ArchiveRefused, and
    what Work.check does.
    """
    reference = Reference.from_bytes(image)
    if reference is None:
        return Fetched(image, [])
    archive = archives(settings).get(reference.archive)
    if archive is None:
        detail = f"This worker knows no archive {reference.archive!r}: SURETY_ARCHIVES must be the same as the API's."
        raise UnknownArchive(detail, pointer=f"{POINTER}/archive")
    ends_at = time.monotonic() + settings.archive_patience_seconds

    def fetch() -> bytes:
        with ArchiveClient(reference.archive, archive) as client:
            return client.fetch(reference, settings.max_body_bytes)

    def go_on() -> bool:
        work.check()
        return time.monotonic() < ends_at

    return Fetched(patiently(fetch, go_on, ArchiveUnavailable), [reference.origin])
