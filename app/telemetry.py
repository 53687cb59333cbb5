"""Around every request: its id, its headers, its line in the log and its place in the metrics."""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Metrics
from worker.contract.logs import REQUEST

_log = logging.getLogger(__name__)
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
ALWAYS = {"X-Content-Type-Options": "nosniff"}  # an artifact is what its content type says, whatever it looks like


class Telemetry:
    """ASGI middleware, outermost. `X-Request-ID` of the client is kept if it is a plain name, else one is made.

    Sets `request.state.request_id`, and adds `request.state.headers` to the answer, whatever that is.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(16)
        more = {**ALWAYS, "X-Request-ID": request_id}
        scope.setdefault("state", {}).update(request_id=request_id, headers=more)
        began, status, took = time.perf_counter(), 500, 0.0

        async def marked(message: Message) -> None:
            nonlocal status, took
            if message["type"] == "http.response.start":
                status, took = message["status"], time.perf_counter() - began
                MutableHeaders(scope=message).update(more)
            await send(message)

        token = REQUEST.set(request_id)
        try:
            await self.app(scope, receive, marked)
        finally:
            # The template, not the path: a path is made up by clients and would have no end of values.
            route = str(getattr(scope.get("route"), "path", ""))
            took = took or time.perf_counter() - began
            self.metrics.observe(scope["method"], route, status, took)
            _log.info("%s %s %d %.0f ms", scope["method"][:16], route or "(no route)", status, 1000 * took)
            REQUEST.reset(token)
