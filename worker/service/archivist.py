"""Stores results in the archive that their request named: the DICOM objects of a job, by STOW-RS, until they are taken.

Guarantee: what is sent twice is there once, because the objects carry their own UIDs; what an archive that is away
has not taken is sent again until the job expires.
"""

from __future__ import annotations

import logging

from worker.contract.archive import archives
from worker.contract.errors import ArchiveRefused, ArchiveUnavailable
from worker.contract.settings import Settings
from worker.dicom.archive import ArchiveClient
from worker.service.sender import Sender
from worker.store.record import JobRecord

OBJECT = ".dcm"

_log = logging.getLogger(__name__)


class Archivist(Sender):
    """Stores what is due. Raises ArchivesError: a worker that cannot read its archives does not begin."""

    mail = "archive"
    patience = 3.0

    def __init__(self, settings: Settings) -> None:
        self._archives = archives(settings)
        super().__init__(settings)

    def wanted(self) -> bool:
        return bool(self._archives)

    def send(self, record: JobRecord) -> bool | None:
        names = sorted(name for name in record.names if name.endswith(OBJECT))
        archive = self._archives.get(record.archive)
        if archive is None or not names:
            why = "has no DICOM objects" if archive else "names an archive that this worker does not know"
            _log.warning("job %s: not stored, it %s", record.id, why)
            return False
        objects = [self._store.blob(record.id, name) for name in names]
        try:
            with ArchiveClient(record.archive, archive) as client:
                client.store(objects)
        except ArchiveUnavailable as error:
            _log.info("job %s: not stored yet. %s", record.id, error.detail)
            return None
        except ArchiveRefused as error:
            _log.warning("job %s: not stored. %s", record.id, error.detail)
            return False
        _log.info("job %s: %d objects are stored in archive %s", record.id, len(objects), record.archive)
        return True
