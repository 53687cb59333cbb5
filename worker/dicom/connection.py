"""HTTP to one archive: what fails there becomes one of two errors, whether trying again may help or not.

Guarantee: no search's answer of more than MOST_BYTES is held, and neither a password nor what the archive says of a
patient is in a log or an error.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from worker.contract.archive import Archive
from worker.contract.errors import ArchiveRefused, ArchiveUnavailable

# Of a search that is well-formed: some 10,000 instances.
MOST_BYTES = 16 * 1024 * 1024
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_LATER = frozenset({408, 425, 429})


class Connection:
    """To the archive that errors call `name`. Redirects are not followed: they could lead anywhere.

    Every method raises ArchiveUnavailable when trying again may help, ArchiveRefused when it will not.
    """

    def __init__(self, name: str, archive: Archive) -> None:
        self.name = name
        try:
            password = archive.password_file.read_text().strip() if archive.password_file else ""
            context = ssl.create_default_context(cafile=archive.ca_file)
        except (OSError, UnicodeError) as error:
            raise self.refused("cannot be asked: its password_file or ca_file cannot be read") from error
        auth = httpx.BasicAuth(archive.user, password) if archive.user else None
        headers = {"Accept-Encoding": "identity"}  # what is small on the wire shall not grow here
        self._http = httpx.Client(auth=auth, headers=headers, verify=context, timeout=_TIMEOUT, trust_env=False)

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def answer(self, method: str, url: str, **options: Any) -> Iterator[httpx.Response]:
        """The answer, to be read inside; a connection that breaks there is an archive that is away."""
        try:
            with self._http.stream(method, url, **options) as answer:
                yield answer
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise ArchiveUnavailable(
                f"Archive {self.name!r} does not answer ({type(error).__name__}). Send the request again when it does; "
                f"`surety doctor --archive {self.name}` tries the connection."
            ) from error

    def json(self, url: str, **parameters: Any) -> Any:
        """What is at this address; an empty list if there is nothing."""
        headers = {"Accept": "application/dicom+json, application/json"}
        with self.answer("GET", url, headers=headers, params=parameters) as answer:
            return [] if answer.status_code == httpx.codes.NOT_FOUND else self.parsed(answer)

    def parsed(self, answer: httpx.Response) -> Any:
        """The JSON of an answer that is a success; an empty list if it has no body."""
        self.check(answer)
        data = bytearray()
        for chunk in answer.iter_bytes():
            data += chunk
            if len(data) > MOST_BYTES:
                raise self.refused(f"answers with more than {MOST_BYTES:,} bytes")
        try:
            return json.loads(data) if data else []
        except (ValueError, RecursionError):
            raise self.refused("answers with something that is not JSON") from None

    def check(self, answer: httpx.Response) -> None:
        """Returns if the answer is a success."""
        status = answer.status_code
        if status >= 500 or status in _LATER:
            raise ArchiveUnavailable(f"Archive {self.name!r} answers with {status}. Send the request again later.")
        if status in (401, 403):
            raise self.refused(f"does not let this service in ({status}); its operator can mend user and password")
        if not answer.is_success:
            raise self.refused(f"answers with {status}")

    def refused(self, what: str) -> ArchiveRefused:
        return ArchiveRefused(f"Archive {self.name!r} {what}.")
