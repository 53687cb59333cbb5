"""The limit on request bodies, held while they stream in."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.contract.errors import BodyTooLarge


class BodyLimit:
    """ASGI middleware: no more than `limit` bytes of a body are ever read.

    FastAPI has a limit of its own, but answers in plain text; ours raises BodyTooLarge inside the application, which
    becomes a problem like any other error.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        claimed = Headers(scope=scope).get("content-length", "")
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            if claimed.isdecimal() and (len(claimed) > 18 or int(claimed) > self.limit):
                raise self._error()
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit:
                raise self._error()
            return message

        await self.app(scope, limited, send)

    def _error(self) -> BodyTooLarge:
        return BodyTooLarge(f"The limit is {self.limit:,} bytes for the whole request. Send a smaller image.")
