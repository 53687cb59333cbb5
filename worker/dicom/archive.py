"""A DICOMweb archive: searched (QIDO-RS), read (WADO-RS) and written (STOW-RS), as far as Surety needs it.

Guarantee: objects come and go byte by byte as they are, and no more of one is held than asked for.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Self

from python_multipart.multipart import parse_options_header

from worker.contract.archive import Archive, Entry, Reference
from worker.contract.errors import ArchiveUnavailable, ImageTooLarge, InstanceAmbiguous, InstanceNotFound
from worker.dicom.connection import Connection
from worker.dicom.part import Part

POINTER = "/image"
_FIELDS = ["Modality", "Manufacturer", "Rows", "SOPClassUID"]
_FAILED = "00081198"  # Failed SOP Sequence, in the answer to STOW-RS
_NONE = frozenset({404, 410})


class ArchiveClient:
    """Talks to one archive; `name` is what errors call it.

    Every method raises ArchiveUnavailable when trying again may help, ArchiveRefused when it will not.
    """

    def __init__(self, name: str, archive: Archive) -> None:
        self._connection = Connection(name, archive)
        self._url = archive.url.rstrip("/")
        self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def entries(self, study: str, series: str | None = None) -> list[Entry]:
        """The instances of a study, or of one of its series; none if there is no such."""
        path = f"/studies/{study}/series/{series}" if series else f"/studies/{study}"
        found = self._connection.json(f"{self._url}{path}/instances", includefield=_FIELDS)
        try:
            return [_entry(row, series or "") for row in found]
        except (AttributeError, KeyError, IndexError, TypeError, ValueError):
            raise self._connection.refused("answers a search with something that is not DICOM JSON") from None

    def fetch(self, reference: Reference, most: int) -> bytes:
        """The instance as the archive keeps it, whatever its transfer syntax; at most so many bytes.

        Raises ImageTooLarge, InstanceNotFound, InstanceAmbiguous.
        """
        one = self._resolved(reference)
        url = f"{self._url}/studies/{one.study}/series/{one.series}/instances/{one.instance}"
        accept = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
        with self._connection.answer("GET", url, headers=accept) as answer:
            if answer.status_code in _NONE:
                raise InstanceNotFound(f"Archive {self._name!r} has no such instance.", pointer=POINTER)
            self._connection.check(answer)
            kind, options = parse_options_header(answer.headers.get("content-type", ""))
            if kind != b"multipart/related":
                raise self._connection.refused("answers with something that is not multipart/related")
            part, data = Part(options.get(b"boundary", b"")), bytearray()
            for chunk in answer.iter_bytes():
                try:
                    data += part.feed(chunk)
                except ValueError:
                    raise self._connection.refused("answers with a multipart message that cannot be read") from None
                if len(data) > most:
                    detail = f"The instance in archive {self._name!r} has more than {most:,} bytes, the limit here."
                    raise ImageTooLarge(detail, pointer=POINTER)
        if not part.whole:
            raise ArchiveUnavailable(
                f"Archive {self._name!r} sent only a part of the instance. Send the request again."
            )
        return bytes(data)

    def store(self, objects: Sequence[bytes]) -> None:
        """The archive has taken all of these. Sent again they change nothing there: they carry their own UIDs."""
        boundary = uuid.uuid4().hex
        begin = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join(begin + data + b"\r\n" for data in objects) + f"--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        }
        with self._connection.answer("POST", f"{self._url}/studies", headers=headers, content=body) as answer:
            said = self._connection.parsed(answer)
        failed = said.get(_FAILED) if isinstance(said, dict) else None
        if isinstance(failed, dict) and failed.get("Value"):
            raise self._connection.refused("did not take all objects")

    def ping(self) -> None:
        """Returns when the archive answers a search."""
        self._connection.json(f"{self._url}/studies", limit=1)

    def _resolved(self, reference: Reference) -> Reference:
        if reference.instance:
            return reference
        images = [entry for entry in self.entries(reference.study, reference.series) if entry.image]
        within = "series" if reference.series else "study"
        if not images:
            raise InstanceNotFound(f"Archive {self._name!r} has no image in such a {within}.", pointer=POINTER)
        if len(images) > 1:
            raise InstanceAmbiguous(
                f"The {within} holds {len(images)} images; name the one to be explained by its series and instance.",
                pointer=POINTER,
            )
        return images[0].reference(reference.archive, reference.study)


def _entry(row: dict[str, Any], series: str) -> Entry:
    def value(tag: str) -> str:
        return str((row.get(tag, {}).get("Value") or [""])[0])

    return Entry(
        series=value("0020000E") or series,
        instance=value("00080018"),
        modality=value("00080060"),
        sop_class=value("00080016"),
        manufacturer=value("00080070"),
        rows=int(value("00280010") or 0),
    )
