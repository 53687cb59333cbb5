"""The way of one explanation, in order: spec -> blocks -> counts -> intervals -> certificates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import nn

from worker.contract.errors import ClassOutOfRange
from worker.contract.result import Certificate, CurvePoint, Target
from worker.contract.spec import ExplanationSpec, Method
from worker.core.attributions import ATTRIBUTIONS
from worker.core.bounds import INTERVALS
from worker.core.certificates import CERTIFICATES
from worker.core.certificates.base import Certifier
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.pixel_status import not_salient_radius, salient_radius
from worker.core.certificates.topk_overlap import loss_radii
from worker.core.certificates.topk_overlap_as_printed import TopKOverlapAsPrinted
from worker.core.granularities import GRANULARITIES
from worker.core.maps import MAPS
from worker.core.noises import NOISES
from worker.core.noises.gaussian import Gaussian
from worker.core.sampler import Clean, Image, Sampler, predict, reject_degenerate
from worker.core.statistics.counts import Counts

CURVE_POINTS = 65


@dataclass(frozen=True)
class Plan:
    """A checked spec bound to a model and an image, ready to sample."""

    spec: ExplanationSpec
    sampler: Sampler
    certifiers: tuple[Certifier, ...]
    clean: Clean
    target: Target

    @property
    def k(self) -> float:
        """The top-K share that the pictures and the curve use: that of the first certificate asked for."""
        return float(self.certifiers[0].params.k)


@dataclass(frozen=True)
class Findings:
    """Everything that was found, as numbers. Radii are per cell, in the order of the grid."""

    evidence: Evidence
    certificates: list[Certificate]
    curve: list[CurvePoint]
    size: int
    salient: Float[ndarray, " cells"]
    not_salient: Float[ndarray, " cells"]


def plan(spec: ExplanationSpec, model: nn.Module, image: Image, classes: Sequence[str], batch: int) -> Plan:
    """Check everything that needs no sampling. Raises UnknownMethod, InvalidSpec, ClassOutOfRange, NoCells and the
    errors of `predict`; the model must map [batch, *image.shape] in [0,1] pixels to logits."""
    certifiers = tuple(
        CERTIFICATES.build(method, f"/spec/certificates/{number}") for number, method in enumerate(spec.certificates)
    )
    clean = predict(model, image)
    target = _target(spec, clean, classes)
    sampler = Sampler(
        model=model,
        image=image,
        target=target.index,
        attribution=ATTRIBUTIONS.build(spec.attribution, "/spec/attribution"),
        granularity=GRANULARITIES.build(spec.granularity, "/spec/granularity"),
        map=MAPS.build(spec.map, "/spec/map"),
        noise=NOISES.build(spec.noise, "/spec/noise"),
        samples=spec.samples,
        seed=spec.seed,
        batch=batch,
    )
    INTERVALS.build(spec.interval, "/spec/interval")
    ready = Plan(spec, sampler, certifiers, clean, target)
    blank = _evidence(ready, sampler.empty().votes, 1)
    for number, certifier in enumerate(certifiers):
        blank.size(certifier.params.k, f"/spec/certificates/{number}/k")
    return ready


def sample(ready: Plan, counts: Counts | None, on_block: Callable[[Counts], None]) -> Counts:
    """Compute the blocks that `counts` does not hold yet; after each, tell `on_block`, which may raise to stop."""
    counts = counts if counts is not None else ready.sampler.empty()
    for block in counts.missing:
        counts = ready.sampler.update(counts, block)
        on_block(counts)
    return counts


def certify(ready: Plan, counts: Counts) -> Findings:
    """Everything that follows from the counts; no randomness. Raises DegenerateMap."""
    reject_degenerate(counts)
    evidence = _evidence(ready, counts.votes, counts.samples)
    size = evidence.size(ready.k, "/spec/certificates/0/k")
    return Findings(
        evidence=evidence,
        certificates=[certifier(evidence) for certifier in ready.certifiers],
        curve=_curve(ready, evidence, size),
        size=size,
        salient=salient_radius(evidence, size),
        not_salient=not_salient_radius(evidence, size),
    )


def _evidence(ready: Plan, votes: ndarray, samples: int) -> Evidence:
    interval = INTERVALS.build(ready.spec.interval, "/spec/interval")
    return Evidence(
        votes=votes,
        samples=samples,
        bounds=interval(votes, samples, ready.spec.alpha),
        interval=interval.name,
        noise=ready.sampler.noise,
        noun=ready.sampler.granularity.noun,
        subject=ready.target.label,
    )


def _target(spec: ExplanationSpec, clean: Clean, classes: Sequence[str]) -> Target:
    if spec.target == "per-sample":
        return Target(mode="per-sample", index=None, label="each noisy image's own class")
    if spec.target == "predicted":
        index, mode = clean.predicted, "predicted"
    else:
        index, mode = spec.target.index, "class"
    if index >= clean.classes:
        raise ClassOutOfRange(
            f"Class {index} does not exist; {spec.model} has classes 0 to {clean.classes - 1}.",
            pointer="/spec/target/class",
        )
    return Target(mode=mode, index=index, label=f"class '{classes[index]}'")


def _curve(ready: Plan, evidence: Evidence, size: int) -> list[CurvePoint]:
    """Overlap from radius 0 to a little past the last asked radius and the last loss, whichever is further."""
    asked = max(max(certifier.params.radii) for certifier in ready.certifiers)
    last = float(loss_radii(evidence, size).max(initial=0.0))
    grid = np.linspace(0.0, 1.1 * max(asked, last), CURVE_POINTS)
    ours = _overlap("topk_overlap", ready.k, evidence, size, grid)
    printed: list[float] | list[None] = [None] * len(grid)
    if isinstance(evidence.noise, Gaussian):
        printed = _overlap(TopKOverlapAsPrinted.name, ready.k, evidence, size, grid)
    return [
        CurvePoint(rho=float(rho), overlap=a, overlap_as_printed=b)
        for rho, a, b in zip(grid, ours, printed, strict=True)
    ]


def _overlap(name: str, k: float, evidence: Evidence, size: int, radii: Float[ndarray, " radii"]) -> list[float]:
    method = Method.model_validate({"name": name, "k": k})
    counts = CERTIFICATES.build(method, "/spec/certificates").certified(evidence, size, radii)
    return [float(count) / size for count in counts]
