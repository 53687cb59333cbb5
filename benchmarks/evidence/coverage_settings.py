"""What the study of coverage measures: every certificate under closed forms from easy to hard, and what must fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

CONTROLS = {
    "no width": "intervals of no width: as if every sample had been drawn a million times",
    "half the radius": "the value for half the radius, held against moves of the whole radius",
    "unpaid looks": "looked at after every 64 samples, each time at all of alpha, and stopped when it certifies",
    "as printed": "the formula of Wang and Kong (2024) on its counter-example",
}


@dataclass(frozen=True)
class Setting:
    """One certificate under one closed form. `looks`: at most so many samples, stopped at the first look that certifies
    everything; then `samples` is not used. `fresh`: compared with a fresh run at the worst move. `control`: one of
    CONTROLS, which must be found out."""

    certificate: str
    form: str = "opposed"
    noise: str = "gaussian"
    interval: str = "clopper_pearson"
    failures: int = 0
    alpha: float = 0.1
    samples: int = 150
    rho: float = 0.05
    looks: int = 0
    fresh: bool = False
    control: str = ""

    @property
    def name(self) -> str:
        """Names its unit and its random numbers."""
        parts = [part if not isinstance(part, bool) else "fresh" for part in asdict(self).values() if part]
        return "-".join(map(str, parts)).replace(" ", "_")


def settings(quick: bool) -> Iterator[Setting]:
    """All of them, the controls last; `quick`: the first of each certificate, and of each control."""
    seen = set()
    for setting in (*_cells(), *_own(), *_controls()):
        kind = setting.control or setting.certificate
        if not quick or kind not in seen:
            yield setting
        seen.add(kind)


CELL_CERTIFICATES = ("topk_overlap", "certified_rank", "pixel_status", "vote_status", "kendall", "cosine")


def _cells() -> Iterator[Setting]:
    for certificate in CELL_CERTIFICATES:
        for form in ("opposed", "independent"):
            yield Setting(certificate, form)
            yield Setting(certificate, form, failures=2, alpha=0.05)
        yield Setting(certificate, interval="hoeffding", samples=400)
        yield Setting(certificate, interval="kl", failures=2)
        yield Setting(certificate, samples=20, rho=0.001)
        yield Setting(certificate, noise="uniform_ball", samples=400)
        yield Setting(certificate, samples=400, fresh=True)
        if certificate != "cosine":
            yield Setting(certificate, "meeting", rho=1e-6)
            yield Setting(certificate, "meeting", rho=1e-6, samples=20)
            yield Setting(certificate, "meeting", alpha=0.05, rho=0.1)
            yield Setting(certificate, "meeting", rho=1e-6, looks=8192)
    for failures, alpha in ((0, 0.1), (2, 0.1), (2, 0.05)):
        yield Setting("vote_status", "coins", failures=failures, alpha=alpha, rho=1e-6)
    for interval in ("kl", "hoeffding"):
        for certificate, form in (("topk_overlap", "meeting"), ("vote_status", "coins")):
            yield Setting(certificate, form, interval=interval, rho=1e-6)
    for noise in ("uniform_ball", "gaussian_lecuyer"):
        yield Setting("topk_overlap", "independent", noise, failures=2, samples=400, rho=0.02)
    for certificate in ("topk_overlap", "kendall", "cosine"):
        yield Setting(certificate, "mixed", interval="kl", samples=2000, rho=0.01)
    for certificate in ("topk_overlap", "kendall"):
        yield Setting(certificate, "mixed", interval="hoeffding", samples=2000, rho=0.01)
        yield Setting(certificate, "meeting", rho=1e-6, fresh=True)
    yield Setting("topk_overlap", failures=2, samples=1000, fresh=True)
    yield Setting("topk_overlap", looks=2048, rho=0.001)
    for alpha, samples in ((0.1, 400), (0.05, 2000)):
        yield Setting("topk_overlap_as_printed", alpha=alpha, samples=samples)


def _own() -> Iterator[Setting]:
    for form in ("ladder 1", "ladder 4"):
        for alpha, samples in ((0.1, 120), (0.05, 120), (0.1, 20)):
            yield Setting("region_mass", form, alpha=alpha, samples=samples)
        yield Setting("region_mass", form, "uniform_ball", samples=120)
        yield Setting("region_mass", form, samples=120, fresh=True)
    for form in ("axes 2", "axes 10", "mixed"):
        for noise in ("gaussian", "uniform_ball"):
            yield Setting("cosine_norm_ball", form, noise, samples=1000, rho=0.01)
        yield Setting("cosine_norm_ball", form, alpha=0.05, samples=1000, rho=0.03)
        yield Setting("cosine_norm_ball", form, samples=1000, rho=0.01, fresh=True)
    yield Setting("cosine_norm_ball", "disjoint", "uniform_ball", samples=4000)
    for alpha, samples in ((0.1, 120), (0.05, 120), (0.1, 20), (0.1, 2000)):
        yield Setting("prediction", "threshold", alpha=alpha, samples=samples)
    yield Setting("prediction", "threshold", "uniform_ball", samples=120)
    yield Setting("prediction", "boundary", looks=8192)
    yield Setting("prediction", "threshold", samples=400, fresh=True)


def _controls() -> Iterator[Setting]:
    for certificate in CELL_CERTIFICATES:
        yield Setting(certificate, "meeting", rho=0.001, control="no width")
    for certificate, form in (("region_mass", "ladder 1"), ("cosine_norm_ball", "axes 2"), ("prediction", "threshold")):
        yield Setting(certificate, form, rho=0.001, control="no width")
    for certificate in ("topk_overlap", "certified_rank", "pixel_status", "vote_status", "kendall"):
        yield Setting(certificate, "meeting", samples=2000, rho=0.15, control="half the radius")
    yield Setting("region_mass", "ladder 1", samples=2000, rho=0.15, control="half the radius")
    yield Setting("prediction", "boundary", looks=2048, control="unpaid looks")
    yield Setting("wang_kong_2024_as_printed", "disjoint", "uniform_ball", control="as printed")
