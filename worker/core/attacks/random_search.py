"""Random search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from worker.contract.spec import Frozen
from worker.core.attacks.base import Attack
from worker.core.attacks.params import Common
from worker.core.attacks.search import Search
from worker.core.attributions.base import Images


class Params(Common):
    """tries: random moves for each image and restart."""

    tries: int = Field(ge=1, le=10_000, default=20, strict=True)


class RandomSearch(Attack):
    """The worst of some random moves of full length: on the l2 sphere, or in the corners of the l-infinity cube.

    It follows no gradient, so it works on every attribution; others must do better to be worth their passes.
    """

    name: ClassVar[str] = "random_search"
    summary: ClassVar[str] = "The worst of some random moves of full length"
    source: ClassVar[str] = "Ghorbani et al. 2019, section 3 (random sign perturbation)"
    Params: ClassVar[type[Frozen]] = Params

    def run(self, search: Search) -> Iterator[Images]:
        for _ in range(self.params.tries):
            yield search.surface()
