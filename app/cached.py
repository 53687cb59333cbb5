"""Answers that a client may keep and ask about again: strong ETags, 304."""

from __future__ import annotations

import re
from hashlib import sha256

from fastapi import Request, Response

# For this client only, and asked about each time: what was deleted must not be shown from a cache.
CACHE_CONTROL = "private, no-cache"
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def answer(request: Request, data: bytes, media_type: str, **headers: str) -> Response:
    """`data` with the ETag of its bytes; 304 without them if a GET names this tag in If-None-Match (RFC 9110)."""
    tag = f'"{sha256(data).hexdigest()[:32]}"'
    asked = ",".join(request.headers.getlist("if-none-match")) if request.method in ("GET", "HEAD") else ""
    kept = {"ETag": tag, "Cache-Control": CACHE_CONTROL, **headers}
    if asked.strip() == "*" or tag in _TAG.findall(asked):
        return Response(status_code=304, headers=kept)
    return Response(data, media_type=media_type, headers=kept)
