"""What this service offers: models and methods."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.state import Shared
from worker.contract.errors import NotFound
from worker.contract.model import ModelCard

router = APIRouter(prefix="/v1", tags=["offers"])


@router.get("/models")
def list_models(shared: Shared) -> list[ModelCard]:
    """Every model: its classes, input, licence, intended use and measured accuracy."""
    models = shared.catalogue.models(shared.store.models())
    return [models[name] for name in sorted(models)]


@router.get("/models/{name}")
def get_model(name: str, shared: Shared) -> ModelCard:
    """One model."""
    models = shared.catalogue.models(shared.store.models())
    if name not in models:
        raise NotFound(f"There is no model of this name. Known: {', '.join(sorted(models))}.")
    return models[name]


@router.get("/catalogue")
def get_catalogue(shared: Shared) -> dict[str, Any]:
    """Every method with its guarantee, source and parameters as JSON Schema, and the schema of the spec."""
    return shared.catalogue.document
