"""The first part of a multipart message, as it streams in; python-multipart parses."""

from __future__ import annotations

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser


class Part:
    """Fed with the message piece by piece. `whole`: its end was seen."""

    def __init__(self, boundary: bytes) -> None:
        self.whole = False
        self._parts = 0
        self._new: list[bytes] = []
        self._parser = MultipartParser(
            boundary, {"on_part_begin": self._begin, "on_part_data": self._data, "on_end": self._end}
        )

    def feed(self, chunk: bytes) -> bytes:
        """What the chunk holds of the part. Raises ValueError if this is no multipart message."""
        self._new.clear()
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise ValueError("not a multipart message") from error
        return b"".join(self._new)

    def _begin(self) -> None:
        self._parts += 1

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._parts == 1:
            self._new.append(data[start:end])

    def _end(self) -> None:
        self.whole = True
