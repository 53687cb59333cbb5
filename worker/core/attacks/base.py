"""What every attack offers: moved images, judged by the base on the real network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from worker.contract.errors import InvalidSpec
from worker.contract.spec import Frozen
from worker.core.attacks.ball import Ball, Norm
from worker.core.attacks.params import Common
from worker.core.attacks.search import Search
from worker.core.attacks.subject import JUDGE, SCREEN, Subject
from worker.core.attributions.base import Images
from worker.core.distances.base import Distance, Maps
from worker.core.registry import Entry, Guarantee


@dataclass(frozen=True)
class Attacked:
    """The worst moved images that were found, and what they do to the explanation.

    value: the distance of `before` and `after`, the maps of the images and of the moved images, both on random numbers
    that neither the search nor the choice among its moves has seen. lengths: how far the images really moved.
    succeeded: the map was harmed, at least to `wanted` where that was asked; where nothing harmful was found the image
    did not move.
    """

    moved: Images
    lengths: Float[Tensor, " rows"]
    before: Maps
    after: Maps
    value: Float[Tensor, " rows"]
    class_kept: Bool[Tensor, " rows"]
    succeeded: Bool[Tensor, " rows"]


class Attack(Entry):
    """A search for a move that harms an explanation. What it finds is a lower bound on the harm that is possible.

    An attack only proposes: the base projects every proposal into the ball, refuses those that change the class or are
    not finite, compares the real maps, and decides. No attack can replace that.
    """

    guarantee: ClassVar[Guarantee] = "empirical"
    Params: ClassVar[type[Frozen]] = Common
    norms: ClassVar[tuple[Norm, ...]] = ("l2", "linf")

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "__call__" in vars(cls):
            raise TypeError(
                f"{cls.__name__} would judge itself: an attack defines run, which proposes, and no __call__"
            )

    @final
    def __call__(
        self, subject: Subject, ball: Ball, distance: Distance, keep_class: bool = True, wanted: float | None = None
    ) -> Attacked:
        """The proposal that harms the real map of each image most, judged on fresh random numbers.

        Raises: InvalidSpec for a ball of another norm; UnsupportedAttribution for one that cannot be followed.
        """
        if ball.norm not in self.norms:
            raise InvalidSpec(f"The attack {self.name} moves in {' or '.join(self.norms)}, not in {ball.norm}.")
        before, moved = subject.maps(subject.images, SCREEN), subject.images
        worst = distance.harm(before, before)
        for proposal in self.run(self._search(subject, ball, distance, before, keep_class)):
            for there in torch.split(proposal.detach(), len(moved)):
                there = ball.project(subject.images, there)
                harm = self._harm(subject, distance, before, there)
                fair = ball.holds(subject.images, there) & (subject.keeps(there) | (not keep_class))
                worse = fair & (harm > worst)
                moved = torch.where(worse[:, None, None, None], there, moved)
                worst = torch.where(worse, harm, worst)
        return self._judge(subject, ball, distance, moved, wanted)

    def _search(self, subject: Subject, ball: Ball, distance: Distance, before: Maps, keep_class: bool) -> Search:
        restarts = self.params.restarts
        return Search(
            subject=subject.repeated(restarts),
            ball=ball,
            distance=distance,
            reference=before.repeat(restarts, 1, 1, 1),
            generator=torch.Generator().manual_seed(subject.seed),
            keep_class=keep_class,
            beta=getattr(self.params, "beta", 1.0),
            noisy=getattr(self.params, "noisy", 1),
        )

    @staticmethod
    def _harm(subject: Subject, distance: Distance, before: Maps, there: Images) -> Float[Tensor, " rows"]:
        """What a move does to the real map; nothing where the map there is not finite."""
        after = subject.maps(there, SCREEN)
        finite = torch.isfinite(after).flatten(1).all(dim=1)
        return distance.harm(before, torch.where(finite[:, None, None, None], after, before))

    @staticmethod
    def _judge(subject: Subject, ball: Ball, distance: Distance, moved: Images, wanted: float | None) -> Attacked:
        before, after = subject.maps(subject.images, JUDGE), subject.maps(moved, JUDGE)
        harm = distance.harm(before, after)
        succeeded = harm > distance.harm(before, before)
        if wanted is not None:
            succeeded &= harm >= (-wanted if distance.similarity else wanted)
        return Attacked(
            moved=moved,
            lengths=ball.lengths(moved.double() - subject.images.double()),
            before=before,
            after=after,
            value=distance(before, after),
            class_kept=subject.keeps(moved),
            succeeded=succeeded,
        )

    @abstractmethod
    def run(self, search: Search) -> Iterator[Images]:
        """Propose moved images, one for each row of the search, any number of times."""
