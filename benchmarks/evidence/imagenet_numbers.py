"""What the counts of the photographs prove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy import ndarray

from benchmarks.evidence.study import Arrays, Done
from worker.contract.spec import Method
from worker.core.bounds import INTERVALS
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.topk import TopK, TopKCertifier
from worker.core.certificates.topk_overlap import TopKOverlap
from worker.core.certificates.topk_overlap_as_printed import TopKOverlapAsPrinted
from worker.core.granularities.element import Element
from worker.core.maps.base import RESOLUTION
from worker.core.noises import NOISES

ALPHA, RHO, K, LAYERS, SIDE = 0.05, 0.03, 0.2, 3, 224
# Fixed before sampling, as the guarantee wants it; the other numbers show what it would have been with them.
FAILURES, OTHERS = 1000, (0, 100, 300, 3000)
PERCENTILES, SIGMA = (48, 60, 72), 0.2

Units = Mapping[tuple[float, int], Arrays]
Row = dict[str, Any]


def evidence(votes: ndarray, samples: int, sigma: float, interval: str, failures: int, scale: int = 1) -> Evidence:
    """The counts of one photograph, judged at ALPHA."""
    method = Method.model_validate({"name": interval, "allowed_failures": failures})
    bounds = INTERVALS.build(method, "/spec/interval")(votes.astype(np.int64), samples, scale, ALPHA)
    noise = NOISES.build(Method.model_validate({"name": "gaussian", "sigma": sigma}), "/spec/noise")
    return Evidence(
        votes=votes.astype(np.int64),
        samples=samples,
        bounds=bounds,
        interval=interval,
        noise=noise.for_elements(len(votes)),
        noun=Element.noun,
        subject="the predicted class",
        grid=(LAYERS, SIDE, SIDE),
        layout=Element(Element.Params()).layout(LAYERS, SIDE, SIDE),
        map="sparsified" if scale == 1 else "real",
        target=0,
        alpha=ALPHA,
        scale=scale,
    )


def overlap(kind: type[TopKCertifier], found: Evidence) -> float:
    """The certified overlap at RHO, as a share of K."""
    size = found.size(K, "/k")
    return float(kind(TopK(radii=(RHO,), k=K)).certified(found, size, np.array([RHO]))[0]) / size


def ours(votes: ndarray, samples: int, sigma: float, failures: int = FAILURES) -> float:
    return overlap(TopKOverlap, evidence(votes, samples, sigma, "clopper_pearson", failures))


def printed(votes: ndarray, samples: int, sigma: float) -> float:
    return overlap(TopKOverlapAsPrinted, evidence(votes, samples, sigma, "hoeffding", 0))


def limit(votes: ndarray, samples: int, sigma: float) -> float:
    """The overlap if the observed map were the population's: no sampling error, only the shift."""
    found = evidence(votes, samples, sigma, "clopper_pearson", 0)
    return overlap(TopKOverlap, replace(found, bounds=replace(found.bounds, lower=found.mean, upper=found.mean)))


def summarise(done: Done) -> Row:
    """Everything from the kept counts; no sampling."""
    units = {(float(name.partition("-")[0]), int(name.partition("-")[2])): arrays for name, arrays in done.items()}
    agreement = float(np.mean([float(arrays["agreement"]) for arrays in units.values()]))
    asked = {"alpha": ALPHA, "rho": RHO, "k": K, "failures": FAILURES, "percentiles": PERCENTILES}
    found = {"grid": _grid(units), "by_samples": _by_samples(units), "real_valued": _real(units)}
    return {**asked, "agreement_with_float32": agreement, **found}


def _grid(units: Units) -> list[Row]:
    """For each sigma and tau, at one number of samples that all photographs have: both bounds over the photographs."""
    rows: list[Row] = []
    for sigma in sorted({sigma for sigma, _ in units}):
        arrays = [unit for (at, _), unit in sorted(units.items()) if at == sigma]
        samples = max(
            set.intersection(
                *({int(key.rpartition("-")[2]) for key in unit if key.startswith("spar")} for unit in arrays)
            )
        )
        for tau in sorted({key.split("-")[1] for key in arrays[0] if key.startswith("sparsified")}, key=float):
            votes = [unit[f"sparsified-{tau}-{samples}"] for unit in arrays]
            rows.append(
                {
                    "sigma": sigma,
                    "tau": float(tau),
                    "samples": samples,
                    "photographs": len(votes),
                    "printed": _percentiles([printed(each, samples, sigma) for each in votes]),
                    "ours": _percentiles([ours(each, samples, sigma) for each in votes]),
                    "ours, no failures": _percentiles([ours(each, samples, sigma, 0) for each in votes]),
                }
            )
    return rows


def _by_samples(units: Units) -> list[Row]:
    """At sigma 0.2, tau 0.1, over the photographs that were sampled longest: how the bounds grow with the passes."""
    samples = sorted(
        {int(key.rpartition("-")[2]) for unit in units.values() for key in unit if key.startswith("sparsified-0.1-")}
    )
    most = samples[-1]
    votes = {
        image: unit
        for (sigma, image), unit in sorted(units.items())
        if f"sparsified-0.1-{most}" in unit and sigma == SIGMA
    }
    goal = [printed(unit[f"sparsified-0.1-{most}"], most, SIGMA) for unit in votes.values()]
    rows: list[Row] = []
    for q in samples:
        at = [unit[f"sparsified-0.1-{q}"] for unit in votes.values()]
        ahead = [ours(each, q, SIGMA) for each in at]
        row: Row = {
            "samples": q,
            "photographs": len(at),
            "printed": _percentiles([printed(each, q, SIGMA) for each in at]),
        }
        row |= {"ours": _percentiles(ahead), "reaches": sum(a >= b for a, b in zip(ahead, goal, strict=True))}
        row |= {"others": {str(f): _percentiles([ours(each, q, SIGMA, f) for each in at])[1] for f in OTHERS}}
        rows.append(row | {"limit": _percentiles([limit(each, q, SIGMA) for each in at])})
    return rows


def _real(units: Units) -> list[Row]:
    """The real-valued maps: by KL intervals with our overlap, and by Hoeffding's with the printed one."""
    rows: list[Row] = []
    for name in ("relaxed", "scaled", "quadratic"):
        kept = [
            (unit, key)
            for (sigma, _), unit in sorted(units.items())
            for key in unit
            if key.startswith(name) and sigma == SIGMA
        ]
        samples = int(kept[0][1].rpartition("-")[2])
        found = [evidence(unit[key], samples, SIGMA, "kl", FAILURES, RESOLUTION) for unit, key in kept]
        hoeffding = [evidence(unit[key], samples, SIGMA, "hoeffding", 0, RESOLUTION) for unit, key in kept]
        row: Row = {"map": name, "samples": samples, "photographs": len(kept)}
        row |= {"printed": _percentiles([overlap(TopKOverlapAsPrinted, each) for each in hoeffding])}
        rows.append(row | {"ours": _percentiles([overlap(TopKOverlap, each) for each in found])})
    return rows


def _percentiles(values: list[float]) -> list[float]:
    return [float(value) for value in np.percentile(values, PERCENTILES)]
