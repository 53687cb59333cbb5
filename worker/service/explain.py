"""The kernel of a worker: a queued request becomes an explanation. Everything the queue brought is checked again."""

from __future__ import annotations

from functools import cache

from pydantic import ValidationError

from models.cards import shipped
from models.registry import Registry
from worker.contract.errors import InvalidSpec
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.service.checkpoint import Checkpoint
from worker.service.explainer import Explainer
from worker.service.runner import Outcome, Work


def kernel(payload: str, image: bytes, work: Work) -> Outcome:
    """Explain `image` as the spec in `payload` asks, going on from the checkpoint of an earlier attempt."""
    try:
        spec = ExplanationSpec.model_validate_json(payload)
    except ValidationError as error:
        raise InvalidSpec(f"The queued spec is not valid: {error.error_count()} errors.", pointer="/spec") from error

    def on_progress(done: int, checkpoint: Checkpoint | None) -> None:
        work.progress(done, spec.at_most, checkpoint.to_bytes() if checkpoint else None)

    explanation, artifacts = _explainer().explain(image, spec, work.checkpoint, on_progress)
    return Outcome(explanation.model_dump_json(by_alias=True).encode(), artifacts)


@cache
def _explainer() -> Explainer:
    """One per process: it holds the loaded models."""
    settings = Settings()
    return Explainer(settings, Registry([shipped(), *([settings.models_dir] if settings.models_dir else [])]))
