"""A certificate checked, and with its image a random share of its blocks computed again."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.registry import Registry
from worker.contract.archive import processing
from worker.contract.errors import ModelUnusable, SuretyError, UnknownModel
from worker.contract.model import ModelCard
from worker.contract.settings import Settings
from worker.contract.signature import PublicKey
from worker.contract.verification import Check, Verification, VerificationSpec
from worker.core.pipeline import plan
from worker.core.sampler import predict
from worker.core.statistics.counts import Counts
from worker.service.device import describe, prepare
from worker.service.images import decode, to_input
from worker.service.provenance import code_digest
from worker.verify.counts import segment
from worker.verify.verify import Opened, verify

Pixels = Float[Tensor, "channels height width"]
# Told how many samples of how many are drawn; may raise to stop.
Progress = Callable[[int, int], None]
# Softmax of logits whose last bits differ between devices.
PROBABILITY = 1e-3


class Verifier:
    """Checks certificates with the registered models on one device."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._device = prepare(settings)

    def verify(
        self,
        data: bytes,
        keys: Sequence[PublicKey],
        image: bytes | None,
        spec: VerificationSpec,
        on_progress: Progress = lambda _done, _total: None,
    ) -> Verification:
        """All checks that can be made, those of the document first. Raises what `on_progress` does, nothing else."""
        checks, opened = verify(data, keys, code_digest())
        if image is None:
            checks.append(_unseen("image", "Without the image nothing was computed again.", asked=False))
        elif opened is None:
            checks.append(_unseen("image", "Without readable counts there is nothing to compare with."))
        else:
            checks += self._again(opened, image, spec, on_progress)
        return Verification.of(checks)

    def _again(self, opened: Opened, image: bytes, spec: VerificationSpec, on_progress: Progress) -> Iterator[Check]:
        stated = opened.document.provenance
        if sha256(image).hexdigest() != stated.image_sha256:
            yield _failed("image", "This is not the image that was explained: its SHA-256 is another.")
            return
        yield _passed("image", "This is the image that was explained, by its SHA-256.")
        try:
            model = self._registry.get(stated.model, self._device)
        except (UnknownModel, ModelUnusable) as error:
            yield _unseen("model", f"{error.detail} Nothing was computed again.")
            return
        card = self._registry.cards[stated.model]
        own = (card.sha256, (card.input.channels, card.input.height, card.input.width), len(card.classes), card.batch)
        if own != (stated.model_sha256, stated.input_shape, stated.classes, stated.block_size):
            yield _failed(
                "model", f"The model {card.name} here is not the one that was explained: weights or card differ."
            )
            return
        yield _passed("model", f"{card.name}, with the weights of the stated SHA-256.")
        try:
            fitted = to_input(decode(image, self._settings.max_pixels, opened.document.spec.frame), card.input)
            same = fitted.steps == processing(stated.preprocessing)
            yield (_passed if same else _failed)("preprocessing", "; ".join(fitted.steps) + ".")
            pixels = fitted.pixels.to(self._device)
            yield self._prediction(opened, model, card, pixels)
            yield self._blocks(opened, model, card, pixels, spec, on_progress)
        except SuretyError as error:
            yield _failed("blocks", f"The run cannot be repeated: {error.detail}")

    def _prediction(self, opened: Opened, model: nn.Module, card: ModelCard, pixels: Pixels) -> Check:
        stated, found = opened.document.prediction, predict(model, pixels)
        said = f"class {found.predicted}, {card.classes[found.predicted]}, probability {found.probability:.4f}"
        same = (stated.index, stated.label) == (found.predicted, card.classes[found.predicted])
        near = abs(stated.probability - found.probability) <= PROBABILITY
        return (_passed if same and near else _failed)("prediction", f"The model's answer to the image is {said}.")

    def _blocks(
        self,
        opened: Opened,
        model: nn.Module,
        card: ModelCard,
        pixels: Pixels,
        spec: VerificationSpec,
        on_progress: Progress,
    ) -> Check:
        document, parts = opened.document, opened.document.counts.segments
        seed = int.from_bytes(os.urandom(4)) if spec.seed is None else spec.seed
        number = math.ceil(spec.blocks / 100 * len(parts))
        chosen = sorted(int(at) for at in np.random.default_rng(seed).choice(len(parts), number, replace=False))
        total = sum(parts[at].samples for at in chosen)
        if total > self._settings.max_samples:
            return _unseen("blocks", f"{total:,} samples are more than are drawn here; ask for a smaller share.")
        sampler = plan(document.spec, model, pixels, card.classes, card.batch).sampler
        done, differing = 0, 0
        with _threads(document.provenance.threads):
            for at in chosen:
                again = sampler.empty()
                for block in range(parts[at].first, parts[at].first + parts[at].blocks):
                    again = sampler.update(again, block)
                    on_progress(done + again.samples, total)
                done += again.samples
                differing += _differing(segment(parts[at], opened.plan), again)
        which = f"segments {', '.join(map(str, chosen))} of {len(parts)}, {total} samples (chosen with seed {seed})"
        if not differing:
            return _passed("blocks", f"Computed again with equal integers: {which}.")
        return _failed("blocks", f"{differing} votes differ in {which}. {self._where(opened)}")

    def _where(self, opened: Opened) -> str:
        stated, here = opened.document.provenance, describe(self._device)
        if stated.device == here:
            return "On the same device and precision they must be equal."
        return (
            f"It was made on {stated.device}; this is {here}. Another device rounds differently and may flip votes of "
            "cells that are nearly equal: compare on the same device before you conclude that the counts are wrong."
        )


def _differing(stated: Counts, found: Counts) -> int:
    """How many votes, samples and tallied events are not the same."""
    pairs = [(stated.votes, found.votes), *((tally, found.tallies[name]) for name, tally in stated.tallies.items())]
    votes = sum(int(np.abs(one - other.ravel()).sum()) for one, other in pairs)
    return votes + abs(stated.samples - found.samples) + abs(stated.degenerate - found.degenerate)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Inside, torch sums in as many parts as the run did, as far as this machine has the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(max(1, number), os.cpu_count() or 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _passed(name: str, detail: str) -> Check:
    return Check(name=name, outcome="passed", detail=detail)


def _failed(name: str, detail: str) -> Check:
    return Check(name=name, outcome="failed", detail=detail)


def _unseen(name: str, detail: str, asked: bool = True) -> Check:
    return Check(name=name, outcome="not_checked", detail=detail, asked=asked)
