"""The HTTP service: `uvicorn --factory app.main:create_app`, settings from the environment (SURETY_...)."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from app import access, problems
from app.body import BodyLimit
from app.catalogue import Catalogue
from app.described import add_request_id
from app.metrics import Metrics
from app.routes import batches, events, explanations, health, jobs, offers, page, public_keys, results, verifications
from app.routes import metrics as exported
from app.state import State
from app.telemetry import Telemetry
from app.watch import Watch
from worker.contract import logs
from worker.contract.archive import archives
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.store.courier import Courier
from worker.store.desk import Desk
from worker.store.keys import Keyring

DESCRIPTION = (
    "Saliency maps with a proven lower bound on how much of them survives every small change of the image. "
    "Radii and sigma are l2 norm and standard deviation in [0,1] pixel units. Research use only; not a medical device."
)

# FastAPI's own: does something where OTEL_EXPORTER_OTLP_ENDPOINT is set and the extra `telemetry` is installed.
# Without its logs, which carry the messages of exceptions and so whatever a client sent.
OPENTELEMETRY: TelemetryConfig = {"auto_configure": True, "logs": False}


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service over the Redis that the settings name. It wants API keys, unless the settings say otherwise."""
    if settings is None:  # uvicorn calls: the process is ours
        settings = Settings()
        logs.set_up(settings.log)
    store = Desk(settings)
    metrics = Metrics(store, settings.max_queue)
    known = frozenset(archives(settings))  # the names; where they are is for the workers
    state = State(settings, store, Keyring(settings), Courier(settings), Catalogue(), Watch(store), metrics, known)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        state.store.close()
        state.keys.close()
        state.courier.close()

    app = FastAPI(
        title="Surety", version=version("surety"), description=DESCRIPTION, lifespan=lifespan, telemetry=OPENTELEMETRY
    )
    app.state.surety = state
    problems.install(app)
    for module in (explanations, batches, jobs, events, results, offers, verifications):
        app.include_router(module.router, responses=problems.RESPONSES, dependencies=[access.Scoped])
    app.include_router(exported.router, responses=problems.RESPONSES, dependencies=[access.Admin])
    for module in (health, public_keys):  # open: they say nothing about anybody's images
        app.include_router(module.router, responses=problems.RESPONSES)
    app.include_router(page.router)
    app.mount("/page", page.FILES)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(Telemetry, metrics=metrics)
    _describe(app)
    return app


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
        add_request_id(document)
        return document

    app.openapi = described  # type: ignore[method-assign, assignment]  # FastAPI's documented way to extend the schema
