"""What an Orthanc says beside its DICOMweb: which of its studies have become stable, in the order in which they did."""

from __future__ import annotations

from typing import Any, NamedTuple

from worker.contract.archive import Archive
from worker.dicom.connection import Connection

_PAGE = 100


class Stable(NamedTuple):
    """A study that has got nothing new for a while. `id` is Orthanc's own, and tells nothing about a patient."""

    place: int
    id: str


class Page(NamedTuple):
    """Some changes of the archive, up to place `last`. `done`: there are no more."""

    stable: list[Stable]
    last: int
    done: bool


class Orthanc:
    """One Orthanc. Its methods raise ArchiveUnavailable and ArchiveRefused like ArchiveClient's."""

    def __init__(self, name: str, archive: Archive) -> None:
        self._connection = Connection(name, archive)
        self._root = archive.url.rstrip("/").removesuffix("/dicom-web")

    def close(self) -> None:
        self._connection.close()

    def changes(self, since: int) -> Page:
        """The changes after this place; of a study that became stable several times only the last."""
        found = self._get("/changes", since=since, limit=_PAGE)
        try:
            rows = [row for row in found["Changes"] if row["ChangeType"] == "StableStudy"]
            places = {str(row["ID"]): int(row["Seq"]) for row in rows}
            stable = sorted(Stable(place, study) for study, place in places.items())
            return Page(stable, int(found["Last"]), bool(found["Done"]))
        except (KeyError, TypeError, ValueError):
            raise self._connection.refused("has no changes to tell: only an Orthanc can be watched") from None

    def newest(self) -> int:
        """The place of the last change."""
        return int(self._get("/changes", last="").get("Last", 0))

    def study(self, study: str) -> str | None:
        """The Study Instance UID of a study; None if it was deleted."""
        tags = self._get(f"/studies/{study}").get("MainDicomTags")
        return str(tags["StudyInstanceUID"]) if isinstance(tags, dict) and "StudyInstanceUID" in tags else None

    def _get(self, path: str, **parameters: Any) -> dict[str, Any]:
        found = self._connection.json(self._root + path, **parameters)
        return found if isinstance(found, dict) else {}
