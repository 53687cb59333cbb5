"""One explanation, whole: bytes and spec in, the result and its artifacts out. Used by the worker and by --local."""

from __future__ import annotations

import io
import zlib
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

import numpy as np
import torch
from numpy import ndarray

from models.registry import Registry
from worker.contract.model import ModelCard
from worker.contract.result import (
    CertificateDocument,
    CountsRecord,
    Explanation,
    HeatMap,
    Picture,
    PlanReport,
    Prediction,
    Provenance,
)
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.core.agreement import agreement
from worker.core.certificates.topk_overlap import TopKOverlap
from worker.core.pipeline import Findings, Plan, certify, plan, sample
from worker.core.planning import propose, report, resolved
from worker.core.render import pictures
from worker.core.render.curve import curve
from worker.core.statistics.counts import Counts
from worker.service.checkpoint import Checkpoint
from worker.service.device import describe, prepare
from worker.service.images import Decoded, decode, to_input
from worker.service.provenance import code_digest, library_versions, service_version

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


class Explainer:
    """Explains images with the registered models on one device; models are loaded once."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._device = prepare(settings)

    def explain(self, data: bytes, spec: ExplanationSpec, resume: bytes | None, on_progress: Progress) -> Explained:
        """Explain one image. `resume` is the checkpoint of an earlier attempt at the same request.

        Raises a SuretyError for anything that is the request's, the image's or the model's fault.
        """
        started = datetime.now(UTC)
        model = self._registry.get(spec.model, self._device)
        card = self._registry.cards[spec.model]
        fitted = to_input(decode(data, self._settings.max_pixels), card.input)
        pixels = fitted.pixels.to(self._device)
        before = Checkpoint.from_bytes(resume) if resume else None
        proposal = before.proposal if before else None
        if spec.plan and not proposal:
            proposal = propose(spec, spec.plan, model, pixels, card.classes, card.batch, lambda n: on_progress(n, None))
        ready = plan(resolved(spec, proposal) if proposal else spec, model, pixels, card.classes, card.batch)

        def on_block(counts: Counts) -> None:
            now = Checkpoint(counts, proposal)
            on_progress(now.done, now)

        counts = sample(ready, before.counts if before else None, on_block)
        findings = certify(ready, counts)
        planned = report(proposal, findings.certificates[0]) if proposal else None
        provenance = self._provenance(spec, card, data, fitted, ready, counts, started)
        return _assemble(ready, card, fitted, counts, findings, provenance, planned)

    def _provenance(
        self,
        spec: ExplanationSpec,
        card: ModelCard,
        data: bytes,
        fitted: Decoded,
        ready: Plan,
        counts: Counts,
        started: datetime,
    ) -> Provenance:
        return Provenance(
            service_version=service_version(),
            code_digest=code_digest(),
            model=card.name,
            model_sha256=card.sha256,
            image_sha256=sha256(data).hexdigest(),
            preprocessing=fitted.steps,
            seed=spec.seed,
            block_size=card.batch,
            blocks=int(counts.blocks.sum()),
            counts_sha256=counts.digest,
            device=describe(self._device),
            precision=spec.precision,
            agreement=agreement(ready.sampler),
            threads=torch.get_num_threads(),
            library_versions=library_versions(),
            started_at=started,
            finished_at=datetime.now(UTC),
        )


def _assemble(
    ready: Plan,
    card: ModelCard,
    fitted: Decoded,
    counts: Counts,
    findings: Findings,
    provenance: Provenance,
    planned: PlanReport | None,
) -> Explained:
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
    document = CertificateDocument.model_validate({**claims, "counts": _record(counts, grid, findings.evidence.scale)})
    arrays = io.BytesIO()
    np.savez_compressed(
        arrays, mean=mean, votes=counts.votes.reshape(grid), salient_radius=salient, not_salient_radius=not_salient
    )
    artifacts = {
        "heatmap.png": heat,
        "overlay.png": overlay,
        "certified.png": certified,
        "curve.png": plot,
        "map.npz": arrays.getvalue(),
        "certificate.json": document.model_dump_json(indent=2).encode(),
    }
    explanation = Explanation.model_validate(
        {
            **claims,
            "heatmap": HeatMap(
                png_base64=_text(heat), bits=16, value_min=low, value_max=high, width=grid[2], height=grid[1]
            ),
            "overlay": Picture(png_base64=_text(overlay)),
            "certified": Picture(png_base64=_text(certified)),
            "artifacts": sorted(artifacts),
        }
    )
    return Explained(explanation, artifacts)


def _record(counts: Counts, grid: tuple[int, int, int], scale: int) -> CountsRecord:
    tallies = {name: _packed(tally) for name, tally in counts.tallies.items()}
    return CountsRecord(
        votes_zlib_base64=_packed(counts.votes),
        scale=scale,
        tallies_zlib_base64=tallies,
        grid=grid,
        sha256=counts.digest,
    )


def _packed(counts: ndarray) -> str:
    return _text(zlib.compress(counts.astype("<i8").tobytes(), 9))


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
