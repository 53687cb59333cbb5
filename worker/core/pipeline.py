"""The way of one explanation, in order: spec -> blocks -> counts -> intervals -> certificates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import nn

from worker.contract.errors import ClassOutOfRange, InvalidSpec
from worker.contract.result import Alpha, Certificate, CurvePoint, Target
from worker.contract.spec import ExplanationSpec, Stopping
from worker.core.attributions import ATTRIBUTIONS
from worker.core.bounds import INTERVALS
from worker.core.certificates import CERTIFICATES
from worker.core.certificates.base import Certifier
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.pixel_status import not_salient_radius, salient_radius
from worker.core.certificates.rerun import Rerun
from worker.core.certificates.topk import TopK, TopKCertifier
from worker.core.certificates.topk_overlap import TopKOverlap
from worker.core.certificates.topk_overlap_as_printed import TopKOverlapAsPrinted
from worker.core.granularities import GRANULARITIES
from worker.core.looks import Look, looks
from worker.core.maps import MAPS
from worker.core.noises import NOISES
from worker.core.noises.gaussian import Gaussian
from worker.core.sampler import Clean, Image, Observer, Sampler, predict, reject_degenerate
from worker.core.statistics.counts import Counts
from worker.core.statistics.segments import Segments

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
        """The top-K share that the pictures and the curve use: that of the first certificate with one."""
        return next((float(item.params.k) for item in self.certifiers if hasattr(item.params, "k")), TopK().k)

    @property
    def looks(self) -> list[Look]:
        """When the counts are judged: once, at the end, unless the spec says that sampling may stop early."""
        if isinstance(self.spec.samples, Stopping):
            return list(looks(self.spec.at_most, self.sampler.batch, self.spec.alpha))
        return [Look(self.sampler.blocks, self.spec.alpha)]

    def alpha(self, counts: Counts) -> Alpha:
        """How alpha is divided for counts at one of the looks: over the looks; half of that to the fresh run where one
        is compared; then in equal parts over the intervals and each certificate with a statistic of its own.

        The fresh run has as many samples as this one ended with. Each look pays for a fresh run of its length, so the
        sum over the looks covers whichever it was."""
        done = int(counts.blocks.sum())
        number, look = next((at, look) for at, look in enumerate(self.looks, 1) if look.blocks >= done)
        own = [_key(place, item) for place, item in enumerate(self.certifiers) if item.own_alpha]
        rerun = look.alpha / 2 if self.spec.compare == "observed" else 0.0
        part = (look.alpha - rerun) / (1 + len(own))
        return Alpha(
            total=self.spec.alpha,
            intervals=part,
            own=dict.fromkeys(own, part),
            rerun=rerun,
            look=number,
            looks=len(self.looks),
        )


@dataclass(frozen=True)
class Findings:
    """Everything that was found, as numbers. Radii are per cell, in the order of the grid."""

    evidence: Evidence
    certificates: list[Certificate]
    curve: list[CurvePoint]
    size: int
    salient: Float[ndarray, " cells"]
    not_salient: Float[ndarray, " cells"]


def plan(
    spec: ExplanationSpec,
    model: nn.Module,
    image: Image,
    classes: Sequence[str],
    batch: int,
    clean: Clean | None = None,
) -> Plan:
    """Check everything that needs no sampling. Raises UnknownMethod, InvalidSpec, ClassOutOfRange, NoCells and the
    errors of `predict`; the model must map [batch, *image.shape] in [0,1] pixels to logits. `clean` is its answer at
    the image, where that is known."""
    certifiers = tuple(
        CERTIFICATES.build(method, f"/spec/certificates/{number}") for number, method in enumerate(spec.certificates)
    )
    clean = clean or predict(model, image)
    target = _target(spec, clean, classes)
    sampler = Sampler(
        model=model,
        image=image,
        target=target.index,
        attribution=ATTRIBUTIONS.build(spec.attribution, "/spec/attribution"),
        granularity=GRANULARITIES.build(spec.granularity, "/spec/granularity"),
        map=MAPS.build(spec.map, "/spec/map"),
        noise=NOISES.build(spec.noise, "/spec/noise").for_elements(image.numel()),
        samples=spec.at_most,
        seed=spec.seed,
        batch=batch,
        precision=spec.precision,
    )
    sampler = replace(sampler, observers=_observers(certifiers, sampler))
    interval = INTERVALS.build(spec.interval, "/spec/interval")
    if interval.binary_only and sampler.map.scale > 1:
        raise InvalidSpec(
            f"{interval.name} holds for maps of zeros and ones; with the map {spec.map.name} use kl or hoeffding.",
            pointer="/spec/interval/name",
        )
    ready = Plan(spec, sampler, certifiers, clean, target)
    blank = _evidence(ready, replace(sampler.empty(), samples=1))
    for number, certifier in enumerate(certifiers):
        certifier.check(blank, f"/spec/certificates/{number}")
    return ready


def _observers(certifiers: Sequence[Certifier], sampler: Sampler) -> dict[str, Observer]:
    """What the certificates count besides votes, by the name their tally gets."""
    layout = sampler.layout

    def bound(certifier: Certifier) -> Observer:
        return lambda votes, logits: np.asarray(certifier.tally(votes, logits, layout))

    counting = [(_key(number, item), item) for number, item in enumerate(certifiers) if item.counts]
    return {key: bound(item) for key, item in counting}


def _key(number: int, certifier: Certifier) -> str:
    return f"{number}.{certifier.name}"


def sample(ready: Plan, before: Segments, on_block: Callable[[Segments], None]) -> Segments:
    """Compute the blocks that come after those of `before`; after each, tell `on_block`, which may raise to stop.

    Ends at the first look at which the spec's wish is met. Looks that `before` has passed were in vain.
    """
    segments, nothing = before, ready.sampler.empty()
    for look in ready.looks:
        for block in range(segments.blocks, look.blocks):
            segments = segments.add(ready.sampler.update(nothing, block))
            on_block(segments)
        if segments.blocks == look.blocks and _met(ready, segments):
            break
    return segments


def _met(ready: Plan, segments: Segments) -> bool:
    """Whether a run that may stop early has what it was asked for."""
    if not isinstance(ready.spec.samples, Stopping):
        return False
    counts = segments.total
    if counts.degenerate == counts.samples:
        return False
    until = ready.spec.samples.until
    number = next(at for at, item in enumerate(ready.certifiers) if item.name == until.certificate)
    return value(ready, counts, number, until.radius) >= until.at_least


def value(ready: Plan, counts: Counts, number: int, rho: float) -> float:
    """What certificate `number` says within rho."""
    item = ready.certifiers[number]
    return item.claim(_own(_evidence(ready, counts), _key(number, item)), rho).value


def certify(ready: Plan, counts: Counts) -> Findings:
    """Everything that follows from the counts; no randomness. Raises DegenerateMap."""
    reject_degenerate(counts)
    evidence = _evidence(ready, counts)
    size = evidence.size(ready.k, "/spec/certificates/0/k")
    return Findings(
        evidence=evidence,
        certificates=[item(_own(evidence, _key(number, item))) for number, item in enumerate(ready.certifiers)],
        curve=_curve(ready, evidence, size),
        size=size,
        salient=salient_radius(evidence, size),
        not_salient=not_salient_radius(evidence, size),
    )


def _own(evidence: Evidence, key: str) -> Evidence:
    """The evidence as one certificate sees it: its own tally only, without its name."""
    return replace(evidence, tallies={"own": evidence.tallies[key]}) if key in evidence.tallies else evidence


def _evidence(ready: Plan, counts: Counts) -> Evidence:
    interval = INTERVALS.build(ready.spec.interval, "/spec/interval")
    scale = ready.sampler.map.scale
    alpha = ready.alpha(counts)
    bounds = interval(counts.votes, counts.samples, scale, alpha.intervals)
    rerun = Rerun(ready.sampler.noise, interval, counts.samples, scale, bounds.side) if alpha.rerun else None
    return Evidence(
        votes=counts.votes,
        samples=counts.samples,
        bounds=bounds,
        interval=interval.name,
        noise=ready.sampler.noise,
        noun=ready.sampler.granularity.noun,
        subject=ready.target.label,
        grid=ready.sampler.grid,
        layout=ready.sampler.layout,
        map=ready.sampler.map.name,
        target=ready.target.index,
        alpha=ready.spec.alpha,
        share=alpha.intervals,
        scale=scale,
        tallies=counts.tallies,
        rerun=rerun,
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
    """Overlap from radius 0 to a little past the last asked radius and the last that certifies anything, whichever is
    further. (More than 2 K - m, that is: so many of the K stay in any case.)"""
    asked = max(max(certifier.params.radii) for certifier in ready.certifiers)
    least = max(0, 2 * size - evidence.cells) + 1
    last = TopKOverlap(TopK(k=ready.k)).largest_radius(evidence, least / size)
    grid = np.linspace(0.0, 1.1 * max(asked, last), CURVE_POINTS)
    ours = _overlap(TopKOverlap, evidence, size, grid)
    printed: list[float] | list[None] = [None] * len(grid)
    if isinstance(evidence.noise, Gaussian) and not evidence.rerun:
        printed = _overlap(TopKOverlapAsPrinted, evidence, size, grid)
    return [
        CurvePoint(rho=float(rho), overlap=a, overlap_as_printed=b)
        for rho, a, b in zip(grid, ours, printed, strict=True)
    ]


def _overlap(kind: type[TopKCertifier], evidence: Evidence, size: int, radii: Float[ndarray, " radii"]) -> list[float]:
    return [float(count) / size for count in kind(TopK()).certified(evidence, size, radii)]
