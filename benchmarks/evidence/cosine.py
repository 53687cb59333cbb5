"""Lower bounds of the cosine with the map at a moved image, the bound as printed, and what an attack reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from benchmarks.evidence.cosine_counterexample import counterexample
from benchmarks.evidence.cosine_judge import judge
from benchmarks.evidence.cosine_plans import ALPHA, LAWS, MAPS, Question, counted
from benchmarks.evidence.cosine_report import report
from benchmarks.evidence.inputs import Subjects, imagenet, pneumonia
from benchmarks.evidence.study import Arrays, Study
from benchmarks.evidence.turned import Effort, Move, turn
from worker.core.pipeline import certify

SEED = 40


class Place(NamedTuple):
    """`images` images of a place, the question asked about each, and how hard it is attacked."""

    subjects: Callable[[int], Subjects]
    images: int
    question: Question
    effort: Effort


# What ends within 30 minutes on two cores, most of it for judging.
FULL = {
    "pneumonia": Place(pneumonia, 6, Question(0.25, (0.03, 0.1, 0.25), 8192, "float32"), Effort(20, 48, 1024, 10.0)),
    "imagenet": Place(imagenet, 2, Question(0.2, (0.01, 0.03, 0.1), 1024, "bfloat16"), Effort(8, 6, 48, 0.3)),
}
SMALL = {"pneumonia": Place(pneumonia, 1, Question(0.25, (0.03, 0.25), 512, "float32"), Effort(3, 8, 64, 10.0))}


def study(quick: bool) -> Study:
    """The small form leaves the photographs out, which take minutes each."""
    places = SMALL if quick else FULL
    settings = {
        "seed": SEED,
        "alpha": ALPHA,
        "attribution": "gradient",
        "granularity": "pixel",
        "maps": MAPS,
        "runs": {
            name: {"images": place.images, **place.question._asdict(), "attack": place.effort._asdict()}
            for name, place in places.items()
        },
    }
    units: dict[str, Callable[[], Arrays]] = {"counterexample": counterexample}
    units |= {
        f"{name}-{image:02}": _unit(place, image) for name, place in places.items() for image in range(place.images)
    }
    return Study("cosine", settings, units, lambda done: report(done, settings))


@cache
def _subjects(place: Place) -> Subjects:
    return place.subjects(place.images)


def _unit(place: Place, image: int) -> Callable[[], Arrays]:
    return lambda: dict(_compared(place, image))


def _compared(place: Place, image: int) -> Iterator[tuple[str, np.ndarray]]:
    """At each radius: `<law>.<map>.<certificate>`, and of the attack's move `<law>.<map>.found` and `.ceiling`.

    The move is sought with normal noise; in many elements the ball's noise is nearly the same."""
    subjects = _subjects(place)
    moves: list[Move] = []
    for law in LAWS:
        plans = place.question.plans(subjects, subjects.images[image].pixels, law, SEED + image)
        samplers = [ready.sampler for ready in plans.values()]
        found = [certify(ready, counts) for ready, counts in zip(plans.values(), counted(samplers), strict=True)]
        observed = [each.evidence.mean for each in found]
        for name, each in zip(plans, found, strict=True):
            for certificate in each.certificates:
                yield f"{law}.{name}.{certificate.name}", np.array([at.value for at in certificate.radii])
        moves = moves or turn(samplers[0], observed[0], place.question.radii, place.effort)
        judged = [judge(samplers, observed, each.move) for each in moves]
        for number, name in enumerate(plans):
            yield f"{law}.{name}.found", np.array([at[number].estimate for at in judged])
            yield f"{law}.{name}.ceiling", np.array([at[number].ceiling for at in judged])
    yield "ascended", np.array([each.ascended for each in moves])
