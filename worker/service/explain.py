"""The kernel of a worker, by kind of job. What the queue brought is checked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from models.cards import shipped
from models.registry import Registry
from worker.contract.dicom import is_dicom
from worker.contract.errors import InvalidSpec
from worker.contract.image import quietly
from worker.contract.job import SHARD, VERIFICATION
from worker.contract.result import Explanation
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.contract.verification import VerificationOrder
from worker.dicom.read import header
from worker.service.checkpoint import Checkpoint
from worker.service.explainer import Explainer, Progress
from worker.service.fetch import fetched
from worker.service.shards import Shard, merged, orders
from worker.service.verifier import Verifier
from worker.service.work import Answer, Delivery, Division, Outcome, Work

_Model = TypeVar("_Model", bound=BaseModel)


def kernel(payload: str, image: bytes, work: Work) -> Answer:
    """Do the job of this kind, going on from the checkpoint of an earlier attempt."""
    return {"explanation": _explanation, SHARD: _shard, VERIFICATION: _verification}[work.kind](payload, image, work)


def _explanation(payload: str, image: bytes, work: Work) -> Outcome | Division:
    """Explain the image as the spec asks; a large job is split first, and its shards are merged when all are there."""
    spec = _read(ExplanationSpec, payload)
    on_progress = _progress(work, spec.at_most)
    before = _before(work)
    found = fetched(image, work, _settings())
    subject = _explainer().prepare(found.data, spec, before, on_progress, found.steps)
    if work.parts and before:
        delivered = [Checkpoint.from_bytes(part) for part in work.parts]
        subject = subject.with_kept(merged(subject.kept, before, delivered))
    elif not subject.kept.parts and (shards := orders(subject.ready, _settings().shard_blocks)):
        return Division(subject.kept.to_bytes(), shards)
    explanation, artifacts = _explainer().conclude(subject, on_progress)
    return Outcome(
        explanation.model_dump_json(by_alias=True).encode(),
        artifacts,
        _tally(explanation),
        _facts(explanation, artifacts, found.data),
    )


def _tally(explanation: Explanation) -> Counter[str]:
    outcomes = Counter(f"outcome_{at.outcome}" for item in explanation.certificates for at in item.radii)
    pilot = explanation.plan.pilot_samples if explanation.plan else 0
    return outcomes + Counter(samples=explanation.samples + pilot)


def _facts(explanation: Explanation, artifacts: Mapping[str, bytes], image: bytes) -> dict[str, str]:
    """What the audit log says of it; of a DICOM file's SOP Instance UID the digest alone."""
    instance = {}
    if is_dicom(image):
        with quietly():
            uid = str(header(image).get("SOPInstanceUID", ""))
        instance = {"instance_sha256": sha256(uid.encode()).hexdigest()}
    return {
        **instance,
        "image_sha256": explanation.provenance.image_sha256,
        "certificates": ", ".join(f"{item.name} {item.outcome}" for item in explanation.certificates),
        "certificate_sha256": sha256(artifacts["certificate.json"]).hexdigest(),
        "counts_sha256": explanation.provenance.counts_sha256,
        "model_sha256": explanation.provenance.model_sha256,
    }


def _shard(payload: str, image: bytes, work: Work) -> Delivery:
    shard = _read(Shard, payload)
    found = fetched(image, work, _settings())
    subject = _explainer().prepare(found.data, shard.spec, _before(work), lambda _done, _checkpoint: None)
    sampler = subject.ready.sampler
    on_progress = _progress(work, shard.samples(sampler.batch))
    kept = subject.kept if subject.kept.parts else subject.kept._replace(parts=(sampler.empty(),))
    for block in range(shard.start, shard.stop):
        if not kept.parts[0].blocks[block]:
            kept = kept._replace(parts=(sampler.update(kept.parts[0], block),))
            on_progress(kept.done, kept)
    return Delivery(kept.to_bytes())


def _verification(payload: str, data: bytes, work: Work) -> Outcome:
    order = _read(VerificationOrder, payload)
    certificate, image = data[: order.certificate_bytes], data[order.certificate_bytes :]
    found = _verifier().verify(certificate, order.keys, image or None, order, work.progress)
    facts = {"outcome": found.outcome, "certificate_sha256": sha256(certificate).hexdigest()}
    return Outcome(found.model_dump_json().encode(), {}, Counter({f"verification_{found.outcome}": 1}), facts)


def _progress(work: Work, total: int) -> Progress:
    def on_progress(done: int, checkpoint: Checkpoint | None) -> None:
        work.progress(done, total, checkpoint.to_bytes if checkpoint else None)

    return on_progress


def _before(work: Work) -> Checkpoint | None:
    return Checkpoint.from_bytes(work.checkpoint) if work.checkpoint else None


def _read(kind: type[_Model], payload: str) -> _Model:
    try:
        return kind.model_validate_json(payload)
    except ValidationError as error:
        raise InvalidSpec(f"The queued spec is not valid: {error.error_count()} errors.", pointer="/spec") from error


@cache
def _settings() -> Settings:
    return Settings()


@cache
def _explainer() -> Explainer:
    """One per process, like the registry, which holds the loaded models."""
    return Explainer(_settings(), _registry())


@cache
def _verifier() -> Verifier:
    return Verifier(_settings(), _registry())


@cache
def _registry() -> Registry:
    settings = _settings()
    return Registry([shipped(), *([settings.models_dir] if settings.models_dir else [])])
