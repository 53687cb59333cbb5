"""The service's own noise, counts, interval and certificate, around a model that is made up."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np
import torch
from numpy import ndarray

from benchmarks.evidence.closed_forms import Coordinate, Model
from benchmarks.evidence.coverage_forms import CELLS, FORMS, SIGMA, Given
from benchmarks.evidence.coverage_settings import Setting
from worker.contract.spec import Method
from worker.core.bounds import INTERVALS
from worker.core.certificates import CERTIFICATES
from worker.core.certificates.base import Certifier
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.rerun import Rerun
from worker.core.granularities.base import Layout
from worker.core.looks import looks
from worker.core.maps.unit import Unit
from worker.core.noises import NOISES
from worker.core.statistics.counts import Counts

BATCH = 64
# Each run has so many blocks of random numbers for itself; the last is for the fresh run.
BLOCKS = 64
# How many times each sample is counted where intervals are to have no width.
MANY = 10**6
# Above this a value is 1, rounded down.
EVERYTHING = 1 - 1e-9
UNIT = Unit(Unit.Params())
# Forms whose maps are directions; those of the others mark cells.
UNIT_FORMS = ("axes 2", "axes 10", "mixed", "disjoint")
WORDS: dict[str, Any] = {"noun": "cells", "subject": "class 1", "target": 1}


class Bench:
    """Evidence for the runs of one setting, each with a model and noise of its own. The certificate is given all of
    alpha. Everything random depends on the seed, the setting and the run."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.key = crc32(f"{seed} {setting.name}".encode())
        self.unit = setting.form in UNIT_FORMS
        self.scale = UNIT.scale if self.unit else 1
        self.elements = 1 if setting.form == "disjoint" else CELLS
        width = {"r": SIGMA * math.sqrt(self.elements + 2)} if setting.noise == "uniform_ball" else {"sigma": SIGMA}
        self.noise = NOISES.build(_method(setting.noise, width), "").for_elements(self.elements)
        self.interval = INTERVALS.build(_method(setting.interval, {"allowed_failures": setting.failures}), "")
        # What the certificate is asked for.
        self.rho = setting.rho / 2 if setting.control == "half the radius" else setting.rho
        # After how many samples the counts are judged, and at which alpha.
        self.schedule = [(setting.samples, setting.alpha)]
        if setting.control == "unpaid looks":
            self.schedule = [(samples, setting.alpha) for samples in range(BATCH, setting.looks + 1, BATCH)]
        elif setting.looks:
            self.schedule = [(look.blocks * BATCH, look.alpha) for look in looks(setting.looks, BATCH, setting.alpha)]

    def model(self, run: int) -> Model:
        rng, law = np.random.default_rng([self.key, run]), Coordinate(self.noise, self.elements)
        return FORMS[self.setting.form].make(Given(rng, law, self.setting.rho, self.setting.failures))

    def certifier(self, cells: int, size: int) -> Certifier:
        """With those of these parameters that it has; the region is the upper of two rows."""
        known = {"k": size / cells, "factor": min(2.0, cells - 1), "region": {"box": [0, 0, cells // 2, 1]}}
        fields = CERTIFICATES.entries[self.setting.certificate].Params.model_fields
        params = {name: value for name, value in known.items() if name in fields}
        return CERTIFICATES.build(_method(self.setting.certificate, params), "")

    def observed(self, model: Model, certifier: Certifier, run: int) -> Evidence:
        """The evidence at the last look, or at the first at which everything is certified."""
        counts = Counts.empty(model.cells, len(self.schedule))
        for block, (samples, alpha) in enumerate(self.schedule):
            noise = self._draw(run, block, samples - counts.samples)
            counts = self._counted(counts, block, model, certifier, noise)
            evidence = self._evidence(counts, alpha)
            if certifier.claim(evidence, self.rho).value > EVERYTHING:
                break
        return evidence

    def fresh(self, model: Model, certifier: Certifier, run: int, move: ndarray) -> ndarray:
        """The map that a fresh run observes at the moved image."""
        noise = self._draw(run, BLOCKS - 1, self.setting.samples) + move
        counts = self._counted(Counts.empty(model.cells, 1), 0, model, certifier, noise)
        return np.asarray(counts.votes / (counts.samples * self.scale))

    def _draw(self, run: int, block: int, samples: int) -> ndarray:
        drawn = self.noise.draw(self.key, run * BLOCKS + block, (samples, self.elements))
        return np.asarray(drawn.double().numpy())

    def _counted(self, counts: Counts, block: int, model: Model, certifier: Certifier, noise: ndarray) -> Counts:
        """`counts` and the votes of one more block. The class is the explained one where the first cell is marked."""
        values = torch.from_numpy(model.values(noise))
        votes = UNIT(values).votes if self.unit else values.bool()
        logits = torch.stack([torch.full_like(values[:, 0], 0.5), values[:, 0]], dim=1)
        own = {"own": certifier.tally(votes, logits, _layout(model.cells))} if certifier.counts else {}
        return counts.update(block, votes.sum(dim=0).numpy(), len(noise), 0, own)

    def _evidence(self, counts: Counts, alpha: float) -> Evidence:
        if self.setting.control == "no width":
            tallies = {name: tally * MANY for name, tally in counts.tallies.items()}
            counts = replace(counts, votes=counts.votes * MANY, samples=counts.samples * MANY, tallies=tallies)
        share, cells = alpha / 2 if self.setting.fresh else alpha, len(counts.votes)
        bounds = self.interval(counts.votes, counts.samples, self.scale, share)
        rerun = Rerun(self.noise, self.interval, counts.samples, self.scale, bounds.side)
        return Evidence(
            votes=counts.votes,
            samples=counts.samples,
            bounds=bounds,
            interval=self.setting.interval,
            noise=self.noise,
            grid=(1, 1, cells),
            layout=_layout(cells),
            map="unit" if self.unit else "sparsified",
            alpha=alpha,
            share=share,
            scale=self.scale,
            tallies=counts.tallies,
            rerun=rerun if self.setting.fresh else None,
            **WORDS,
        )


def _method(name: str, params: dict[str, Any]) -> Method:
    return Method.model_validate({"name": name, **params})


def _layout(cells: int) -> Layout:
    """Two rows, where there can be."""
    return Layout(1, 2, cells // 2, (0, 1), tuple(range(cells // 2)))
