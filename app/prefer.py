"""The headers with which a client says how it wants its answer: Prefer (RFC 7240) and Cache-Control (RFC 9111)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

MOST_SECONDS = 30
_WAIT = re.compile(r'wait\s*=\s*(?:"(\d{1,9})"|(\d{1,9}))', re.IGNORECASE)

Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer", max_length=256, description=f"`wait=N`: wait for the result, {MOST_SECONDS} seconds at most"
    ),
]
CacheControl = Annotated[
    str | None,
    Header(alias="Cache-Control", max_length=256, description="`no-cache`: compute again what was computed before"),
]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=256,
        description="the same key with the same request gives the same job",
    ),
]


def wait_seconds(prefer: str | None) -> int:
    """The seconds of `wait=N`, at most MOST_SECONDS; 0 without. What is not understood is ignored, as the RFC wants."""
    for preference in (prefer or "").split(","):
        if found := _WAIT.fullmatch(preference.partition(";")[0].strip()):
            return min(int(found[1] or found[2]), MOST_SECONDS)
    return 0


def wants_fresh(cache_control: str | None) -> bool:
    """Whether an answer from the store is not wanted."""
    return any(part.strip().lower() in ("no-cache", "no-store") for part in (cache_control or "").split(","))
