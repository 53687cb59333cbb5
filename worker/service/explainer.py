"""One explanation, whole: bytes and spec in, the result and its artifacts out. Used by the worker and by --local."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from models.registry import Registry
from worker.contract.dicom import is_dicom
from worker.contract.model import ModelCard
from worker.contract.result import (
    Explanation,
    HeatMap,
    Picture,
    PlanReport,
    Prediction,
    Provenance,
    UnsignedDocument,
)
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.core.agreement import agreement
from worker.core.certificates.topk_overlap import TopKOverlap
from worker.core.pipeline import Findings, Plan, certify, plan, sample
from worker.core.planning import propose, report, resolved
from worker.core.render import pictures
from worker.core.render.curve import curve
from worker.core.render.radii import radii as radius_map
from worker.core.statistics.counts import Counts
from worker.core.statistics.segments import Segments
from worker.dicom.maps import Maps
from worker.service.checkpoint import Checkpoint, Origin
from worker.service.device import describe, prepare
from worker.service.document import record, signed
from worker.service.images import Decoded, decode, to_input
from worker.service.observation import observation
from worker.service.provenance import code_digest, library_versions, service_version
from worker.service.signing import SigningKey, signing_key

if TYPE_CHECKING:
    from worker.dicom.objects import Objects

# Told how many passes are done, and what to go on from once there are counts; may raise to stop.
Progress = Callable[[int, Checkpoint | None], None]

NOTICE = (
    "Research use only; not a medical device. The certificate speaks of the smoothed map of the stated class on the "
    "image as the model receives it, for l2 changes in [0,1] pixel units, with the stated confidence over the random "
    "sampling. It does not say that the model is right, nor that the highlighted region is the cause of a disease."
)


class Explained(NamedTuple):
    """The result document and the files that go with it, by name."""

    explanation: Explanation
    artifacts: dict[str, bytes]


@dataclass(frozen=True)
class Subject:
    """An image under a model, with every choice made: ready to be sampled, and to be certified once it was.

    `kept` is what was computed before, or by others, and counts here.
    """

    data: bytes
    card: ModelCard
    fitted: Decoded
    ready: Plan
    kept: Checkpoint

    def with_kept(self, kept: Checkpoint) -> Subject:
        return replace(self, kept=kept)


class Explainer:
    """Explains images with the registered models on one device, and signs what it says; models are loaded once.

    Raises SigningKeyError where there is no key to sign with.
    """

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._key = signing_key(settings)
        self._device = prepare(settings)

    def explain(
        self, data: bytes, spec: ExplanationSpec, before: Checkpoint | None, on_progress: Progress
    ) -> Explained:
        """Explain one image. `before` is the checkpoint of an earlier attempt at the same request.

        Raises a SuretyError for anything that is the request's, the image's or the model's fault.
        """
        return self.conclude(self.prepare(data, spec, before, on_progress), on_progress)

    def prepare(
        self,
        data: bytes,
        spec: ExplanationSpec,
        before: Checkpoint | None,
        on_progress: Progress,
        came: Sequence[str] = (),
    ) -> Subject:
        """All that comes before sampling. A checkpoint of another image, other code, libraries or weights is dropped.

        `came` says where the bytes came from, as steps before those of the decoding.
        """
        model = self._registry.get(spec.model, self._device)
        card = self._registry.cards[spec.model]
        fitted = to_input(decode(data, self._settings.max_pixels, spec.frame), card.input)
        fitted = fitted._replace(steps=[*came, *fitted.steps])
        pixels = fitted.pixels.to(self._device)
        origin = Origin(
            code_digest=code_digest(),
            model_sha256=card.sha256,
            libraries=library_versions(),
            image_sha256=sha256(data).hexdigest(),
            devices=(describe(self._device),),
            started_at=datetime.now(UTC),
        )
        kept = Checkpoint(origin)
        if before and before.origin.agrees(origin):
            kept = before._replace(origin=before.origin.joined(origin))
        if spec.plan and not kept.proposal:
            made = propose(spec, spec.plan, model, pixels, card.classes, card.batch, lambda n: on_progress(n, None))
            kept = kept._replace(proposal=made)
        run = resolved(spec, kept.proposal) if kept.proposal else spec
        return Subject(data, card, fitted, plan(run, model, pixels, card.classes, card.batch), kept)

    def conclude(self, subject: Subject, on_progress: Progress) -> Explained:
        """Sample what is not kept, then certify."""

        def on_block(segments: Segments) -> None:
            now = subject.kept._replace(parts=segments.parts)
            on_progress(now.done, now)

        segments = sample(subject.ready, Segments.joined(subject.kept.parts), on_block)
        findings = certify(subject.ready, segments.total)
        proposal = subject.kept.proposal
        planned = report(proposal, findings.certificates[0]) if proposal else None
        return _assemble(subject, segments, findings, _provenance(subject, segments.total), planned, self._key)


def _provenance(subject: Subject, counts: Counts) -> Provenance:
    origin, sampler = subject.kept.origin, subject.ready.sampler
    return Provenance(
        service_version=service_version(),
        code_digest=origin.code_digest,
        model=subject.card.name,
        model_sha256=origin.model_sha256,
        input_shape=tuple(sampler.image.shape),
        classes=subject.ready.clean.classes,
        image_sha256=sha256(subject.data).hexdigest(),
        preprocessing=subject.fitted.steps,
        seed=sampler.seed,
        block_size=sampler.batch,
        blocks=int(counts.blocks.sum()),
        counts_sha256=counts.digest,
        device=", ".join(origin.devices),
        precision=sampler.precision,
        agreement=agreement(sampler),
        threads=torch.get_num_threads(),
        library_versions=origin.libraries,
        started_at=origin.started_at,
        finished_at=datetime.now(UTC),
    )


def _assemble(
    subject: Subject,
    segments: Segments,
    findings: Findings,
    provenance: Provenance,
    planned: PlanReport | None,
    key: SigningKey,
) -> Explained:
    ready, card, fitted, counts = subject.ready, subject.card, subject.fitted, segments.total
    grid = ready.sampler.grid
    mean = findings.evidence.mean.reshape(grid)
    salient, not_salient = findings.salient.reshape(grid), findings.not_salient.reshape(grid)
    image = fitted.pixels.numpy()
    radii = ready.certifiers[0].params.radii
    # Layers (channels) are shown as one picture: the greatest share of votes, the furthest radius.
    heat, low, high = pictures.heatmap(mean.max(axis=0))
    to_pixels = ready.sampler.granularity.to_pixels
    shown, kept, gone = (
        to_pixels(cells, *image.shape[1:]) for cells in (mean.max(axis=0), salient.max(axis=0), not_salient.min(axis=0))
    )
    overlay = pictures.overlay(image, shown, ready.spec.render.palette)
    certified = pictures.certified(image, kept, gone, radii)
    asked = next((item.radii for item in findings.certificates if item.name == TopKOverlap.name), [])
    plot = curve(findings.curve, asked, ready.spec.confidence, findings.evidence.noun)
    claims = {
        "notice": NOTICE,
        "spec": ready.spec,
        "plan": planned,
        "prediction": Prediction(
            index=ready.clean.predicted, label=card.classes[ready.clean.predicted], probability=ready.clean.probability
        ),
        "target": ready.target,
        "samples": counts.samples,
        "degenerate_samples": counts.degenerate,
        "alpha": ready.alpha(counts),
        "certificates": findings.certificates,
        "curve": findings.curve,
        "provenance": provenance,
    }
    written = record(segments, grid, findings.evidence.scale)
    claimed = UnsignedDocument.model_validate({**claims, "counts": written})
    document, signature = signed(claimed, key)
    arrays = io.BytesIO()
    np.savez_compressed(
        arrays, mean=mean, votes=counts.votes.reshape(grid), salient_radius=salient, not_salient_radius=not_salient
    )
    artifacts = {
        "input.png": pictures.received(image),
        "heatmap.png": heat,
        "overlay.png": overlay,
        "certified.png": certified,
        "curve.png": plot,
        "map.npz": arrays.getvalue(),
        "radii.json": radius_map(
            salient.max(axis=0),
            not_salient.min(axis=0),
            findings.size,
            findings.evidence.bounds.failures,
            findings.evidence.noun,
        ),
        "certificate.json": document,
        "observation.json": observation(claimed, document),
    }
    notes: list[str] = []
    if is_dicom(subject.data):
        files, notes = _objects(subject, claimed, Maps(shown, kept, gone, findings.size))
        artifacts |= files
    explanation = Explanation.model_validate(
        {
            **claims,
            "heatmap": HeatMap(
                png_base64=_text(heat), bits=16, value_min=low, value_max=high, width=grid[2], height=grid[1]
            ),
            "overlay": Picture(png_base64=_text(overlay)),
            "certified": Picture(png_base64=_text(certified)),
            "signature": signature,
            "artifacts": sorted(artifacts),
            "notes": notes,
        }
    )
    return Explained(explanation, artifacts)


def _objects(subject: Subject, claims: UnsignedDocument, maps: Maps) -> Objects:
    # Highdicom takes its time to import, and who explains a PNG need not wait for it.
    from worker.dicom.objects import objects

    return objects(subject.data, subject.ready.spec.frame, claims, maps, subject.fitted.placement)


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
