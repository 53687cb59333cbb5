"""The HTTP service: `uvicorn --factory app.main:create_app`, settings from the environment (SURETY_...)."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import problems
from app.body import BodyLimit
from app.catalogue import Catalogue
from app.routes import explanations, health, jobs, offers
from app.state import State
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.store.courier import Courier
from worker.store.jobs import JobStore

DESCRIPTION = (
    "Saliency maps with a proven lower bound on how much of them survives every small change of the image. "
    "Radii and sigma are l2 norm and standard deviation in [0,1] pixel units. Research use only; not a medical device."
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service over the Redis that the settings name."""
    settings = settings or Settings()
    state = State(settings, JobStore(settings), Courier(settings), Catalogue())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        state.store.close()
        state.courier.close()

    app = FastAPI(title="Surety", version=version("surety"), description=DESCRIPTION, lifespan=lifespan)
    app.state.surety = state
    problems.install(app)
    for module in (explanations, jobs, offers, health):
        app.include_router(module.router, responses=problems.RESPONSES)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(NoSniff)
    _describe(app)
    return app


class NoSniff:
    """Browsers must not guess: an uploaded file echoed as an artifact stays what its content type says."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self.app(scope, receive, marked)


def _describe(app: FastAPI) -> None:
    """FastAPI cannot see the spec, which is text inside a form, nor the problems: put their schemas in."""
    original = app.openapi

    def described() -> MutableMapping[str, Any]:
        document = original()
        schema = ExplanationSpec.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name, part in schema.pop("$defs", {}).items():
            schemas.setdefault(name, part)
        schemas |= {"ExplanationSpec": schema, "ProblemDocument": problems.ProblemDocument.model_json_schema()}
        return document

    app.openapi = described  # type: ignore[method-assign, assignment]  # FastAPI's documented way to extend the schema
