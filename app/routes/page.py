"""The web page: its files, with headers under which a browser runs nothing else and talks to nobody else."""

from __future__ import annotations

from os import PathLike, stat_result
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

router = APIRouter(include_in_schema=False)

# Scripts, styles and pictures are files of this origin; nothing inline, no frame around it, no form sent by itself.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Kept, and asked about each time: files of two versions of the page must not meet.
    "Cache-Control": "no-cache",
}


class Page(StaticFiles):
    """The folder `app/page`; every file has HEADERS, and an ETag."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


FILES = Page(directory=Path(__file__).parent.parent / "page")


@router.get("/")
async def index(request: Request) -> Response:
    """The page. Everything it shows and does goes through the same API that is open to any client."""
    return await FILES.get_response("index.html", request.scope)
