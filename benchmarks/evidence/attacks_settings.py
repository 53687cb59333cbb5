"""How much is certified, attacked and judged in the study of attacks."""

from __future__ import annotations

from typing import NamedTuple

K, TAU, ALPHA, SEED = 0.2, 0.1, 0.05, 40
ATTACKS = {
    "random": "the worst of some random directions",
    "raw": "the attack on the map of the image without noise, transferred",
    "levine": "Levine et al. 2019, Algorithm 1: relaxed map, softplus, new noise at each step, momentum, line search",
    "boundary": "the same, on the cells next to the K-th largest mean",
    "slope": "two steps along the smoothed map's own gradient by Stein's identity, on those cells; the real network",
}


class Sizes(NamedTuple):
    """`steps` of ascent on `noisy` images each; `screen` samples choose between the attacks' moves, `slopes` samples
    give the second slope; of `directions` random ones the worst at the largest radius is kept."""

    steps: int
    noisy: int
    screen: int
    slopes: int
    directions: int


class Run(NamedTuple):
    """Images of a model at one sigma: the samples of the certificate and of the judge, and the sizes of the search."""

    model: str
    images: int
    sigma: float
    radii: tuple[float, ...]
    samples: int
    judged: int
    sizes: Sizes
    batch: int = 512
    precision: str = "float32"
    failures: int = 0


# What ends within an hour on two cores.
SMALL_IMAGE, PHOTOGRAPH = Sizes(8, 32, 512, 1024, 8), Sizes(5, 4, 96, 256, 6)
FILMS, DIGITS = (0.03, 0.06, 0.1, 0.14, 0.2), (0.03, 0.06, 0.1, 0.14, 0.175, 0.2, 0.25)
FULL = (
    Run("pneumonia", 12, 0.25, FILMS, 4096, 8192, SMALL_IMAGE),
    *(Run("digits", 20, sigma, DIGITS, 4096, 8192, SMALL_IMAGE) for sigma in (0.25, 0.15, 0.2, 0.1)),
    Run("squeezenet", 1, 0.25, (0.03, 0.06, 0.1), 1024, 1024, PHOTOGRAPH, 16, "bfloat16", 100),
)
QUICK = (
    Run("digits", 3, 0.15, (0.06, 0.25), 2048, 2048, Sizes(4, 16, 128, 1024, 4)),
    Run("pneumonia", 1, 0.25, (0.03,), 512, 512, Sizes(2, 8, 64, 64, 2), 64),
)
