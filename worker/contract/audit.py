"""The audit log's events and entries: who asked what, what came of it, when; a chain in which each seals those before.

No pixels, no names, no keys: digests, ids, states and codes only.
"""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

NOTHING = "0" * 64  # what the first entry follows
_Digest = Field(pattern="^[0-9a-f]{64}$")


class Asker(NamedTuple):
    """Who asked: the owner and id of the API key ("" without one), and the request's id."""

    by: str
    key: str
    request: str


class Event(BaseModel):
    """Something that happened to a job or to an API key (then `job` is ""). `id` is its place in the store's stream."""

    model_config = ConfigDict(frozen=True)

    id: str
    at: datetime
    event: str
    job: str
    facts: dict[str, str]


class Entry(BaseModel):
    """An event at its place in the chain: `previous` is the `sha256` of the entry before, `number` counts from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1)
    at: datetime
    event: str
    job: str
    facts: dict[str, str]
    stream: str
    previous: str = _Digest
    sha256: str = _Digest

    @classmethod
    def after(cls, last: Entry | None, event: Event) -> Self:
        number, previous = (last.number + 1, last.sha256) if last else (1, NOTHING)
        content = {**event.model_dump(mode="json", exclude={"id"}), "stream": event.id}
        bare = cls.model_validate({**content, "number": number, "previous": previous, "sha256": NOTHING})
        return bare.model_copy(update={"sha256": bare.seal})

    @property
    def seal(self) -> str:
        """What `sha256` must be: the digest of all other fields."""
        return sha256(_text(self.model_dump(mode="json", exclude={"sha256"}))).hexdigest()

    @property
    def head(self) -> str:
        """What stands for the whole log up to here."""
        return f"{self.number} {self.sha256}"

    def line(self) -> bytes:
        """The entry's one form in a file."""
        return _text(self.model_dump(mode="json")) + b"\n"


def _text(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
