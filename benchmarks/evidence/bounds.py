"""First-order bounds of Wang and Kong 2023 beside the damage that an attack finds: their Tables 2 to 5 on MNIST."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy import ndarray
from scipy.stats import kendalltau
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from benchmarks.evidence.bounds_attack import Ascent
from benchmarks.evidence.bounds_models import RADIUS, accuracy, digits, trained
from benchmarks.evidence.bounds_report import report
from benchmarks.evidence.bounds_settings import BETA, FULL, KINDS, MAIN, MODELS, QUICK, RADII, SEED, Sizes
from benchmarks.evidence.inputs import imagenet
from benchmarks.evidence.study import Arrays, Study
from worker.core.first_order.absolute_sum import absolute_sum, jacobian
from worker.core.first_order.bound import Bound, adaptive_factor, degrees, relaxed
from worker.core.first_order.differential import Differential, Kind
from worker.core.first_order.label import label_kept
from worker.core.first_order.smooth import Smooth
from worker.core.first_order.steepest import Steepest, steepest

# Images of a network's pass: the small networks take many at a time.
BATCH = 256


def study(quick: bool) -> Study:
    """The small form has one image for each model and leaves SqueezeNet out."""
    sizes = QUICK if quick else FULL
    settings = {"seed": SEED, "beta": BETA, "training_radius": RADIUS, "radii": RADII}
    settings |= {"models": MODELS, **sizes._asdict()}
    units: dict[str, Callable[[], Arrays]] = {f"train-{name}": _training(name, sizes) for name in MODELS}
    for name in MODELS:
        units |= {f"image-{name}-{image:02}": _unit(name, image, sizes) for image in range(sizes.images)}
    if sizes.large:
        units |= {f"large-{kind}": _large(kind, sizes.steps) for kind in KINDS}
    return Study("bounds", settings, units, lambda done: report(done, settings))


def _training(name: str, sizes: Sizes) -> Callable[[], Arrays]:
    return lambda: {"accuracy": np.array(accuracy(trained(name, sizes), sizes))}


def _unit(name: str, image: int, sizes: Sizes) -> Callable[[], Arrays]:
    return lambda: dict(_bounded(name, image, sizes))


def _bounded(name: str, number: int, sizes: Sizes) -> Iterator[tuple[str, ndarray]]:
    """The `number`-th test image that the network reads correctly; all attributions for TRADES, as in Table 2."""
    model, test = trained(name, sizes), digits(sizes.train, sizes.test)[1]
    soft = Smooth(model, BETA)
    with torch.no_grad():
        right = torch.nonzero(soft(test.images).argmax(dim=1) == test.labels)[:, 0]
    image, target = test.images[right[number]], int(test.labels[right[number]])
    for kind in KINDS if name == "TRADES" else (MAIN,):
        near = Differential(soft, image, target, kind, steps=sizes.steps, batch=BATCH)
        real = Differential(model, image, target, kind, steps=sizes.steps, batch=BATCH)
        found, matrix = steepest(near), jacobian(near)
        length = float(near.values.norm())
        departure = float((near.values - real.values).norm() / real.values.norm())
        exact = float(torch.linalg.matrix_norm(matrix.double(), 2))
        # JSON has no infinity.
        kept = min(label_kept(soft, image, target, found.move), 100.0)
        relaxation = relaxed(found.xi, near.elements, math.inf) / absolute_sum(matrix)
        facts = [found.xi, exact, found.residual, found.products, departure, kept, relaxation]
        yield f"{kind}.facts", np.array(facts)
        for norm, radii in RADII.items():
            bound = Bound(found.xi if norm == "l2" else absolute_sum(matrix), length)
            rows = [_compared(near, real, found, bound, norm, radius, sizes, number) for radius in radii]
            yield f"{kind}.{norm}", np.array(rows)


def _compared(
    near: Differential,
    real: Differential,
    found: Steepest,
    bound: Bound,
    norm: str,
    radius: float,
    sizes: Sizes,
    seed: int,
) -> list[float]:
    """At one radius, in the order of bounds_report.COLUMNS."""
    random = torch.Generator().manual_seed(SEED + seed)
    others = torch.randn(sizes.restarts - 2, *near.image.shape, generator=random)
    moves, kept = Ascent(near, sizes.ascent)(norm, radius, found.move, others)
    factor = adaptive_factor(near, found, radius) if norm == "l2" else 1.0
    limit, free, held = bound.distance(radius), _damage(near, moves), _damage(near, kept)
    angle = degrees(bound.cosine(radius, factor))
    outside = [(each[0] > most * (1 + 1e-5)).mean() for each in (free, held) for most in (limit, factor * limit)]
    return [
        limit,
        factor * limit,
        angle,
        *(
            float(value)
            for each in (free, held, _damage(real, kept))
            for value in (each[0].mean(), each[0].max(), each[1].mean())
        ),
        *(float(share) for share in outside),
        float(held[2].mean()),
    ]


def _damage(near: Differential, moves: Tensor) -> tuple[ndarray, ndarray, ndarray]:
    """The distance, the angle in degrees and Kendall's tau of each move's map with the map of the image."""
    maps, here = near.at(near.image + moves).flatten(1), near.values.flatten()
    cosines = cosine_similarity(maps.double(), here.double()[None], dim=1).clamp(-1, 1)
    ranks = [float(kendalltau(each.abs().numpy(), here.abs().numpy()).statistic) for each in maps]
    return (maps - here).norm(dim=1).numpy(), np.degrees(np.arccos(cosines.numpy())), np.array(ranks)


def _large(kind: Kind, steps: int) -> Callable[[], Arrays]:
    """The singular value for one photograph of 224 x 224 pixels: what it takes and how well it settled."""

    def compute() -> Arrays:
        subjects = imagenet(1)
        image = subjects.images[0].pixels
        model: nn.Module = subjects.model
        target = int(model(image[None]).argmax())
        started = time.perf_counter()
        found = steepest(Differential(Smooth(model, BETA), image, target, kind, steps=steps, batch=5))
        seconds = time.perf_counter() - started
        return {"facts": np.array([found.xi, found.residual, found.products, seconds])}

    return compute
