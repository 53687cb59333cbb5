"""`make bench`: samples per second of the sampler beside a bare loop and, where it is installed, Captum.

The bare loop is the forward and backward pass of the same model on the same batch in the same precision, on noisy
images drawn beforehand: what no sampler can undercut. Captum's NoiseTunnel over Saliency gets every option it has: the
same folded, channels_last model, its samples in the same batches, the same autocast. All take turns in one process.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.evidence.inputs import squeezenet
from benchmarks.evidence.study import REPOSITORY, Missing, table
from models import vision
from models.folding import fold, lay_out
from models.networks import Normalised
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec, Precision
from worker.core.pipeline import plan
from worker.service.device import describe, prepare

BLOCKS, SIGMA = 4, 0.2


class Setting(NamedTuple):
    """A network at 224 x 224, its precision and its batch."""

    network: str
    precision: Precision
    batch: int


class Rates(NamedTuple):
    """Samples per second, medians over the rounds; `captum` None where it is not installed."""

    bare: float
    sampler: float
    captum: float | None


SETTINGS = [
    Setting(network, precision, batch)
    for network, batch in (("squeezenet1_0", 16), ("resnet50", 8))
    for precision in ("float32", "bfloat16")
]


def build(network: str) -> nn.Module:
    """SqueezeNet with its real weights where they are; else, and for others, weights as they are drawn."""
    if network == "squeezenet1_0":
        try:
            return squeezenet()[1]
        except Missing:
            pass
    torch.manual_seed(0)
    model = Normalised(vision.build(network, 1000, 3), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)).eval()
    fold(model)
    lay_out(model)
    return model.requires_grad_(False)


def measure(setting: Setting, rounds: int) -> Rates:
    """Take turns: `BLOCKS` batches of each contender a round."""
    device = prepare(Settings())
    model = build(setting.network).to(device)
    image = torch.rand((3, 224, 224), generator=torch.Generator().manual_seed(1)).to(device)
    spec = ExplanationSpec.model_validate(
        {
            "precision": setting.precision,
            "noise": {"name": "gaussian", "sigma": SIGMA},
            "samples": setting.batch * BLOCKS * (rounds + 1),
        }
    )
    sampler = plan(spec, model, image, [str(index) for index in range(1000)], setting.batch).sampler
    noisy = image + sampler.noise.draw(0, 0, (setting.batch, 3, 224, 224)).to(device)
    counts, done = sampler.empty(), 0

    def bare() -> None:
        for _ in range(BLOCKS):
            images = noisy.detach().requires_grad_(True)
            with torch.autocast(device.type, torch.bfloat16, enabled=setting.precision == "bfloat16"):
                logits = model(images)
            torch.autograd.grad(logits[:, sampler.target].sum(), images)

    def ours() -> None:
        nonlocal counts, done
        for _ in range(BLOCKS):
            counts, done = sampler.update(counts, done), done + 1

    contenders = [bare, ours, *_captum(setting, model, image, sampler.target or 0)]
    times: list[list[float]] = [[_timed(each, device) for each in contenders] for _ in range(rounds + 1)][1:]
    rates = [setting.batch * BLOCKS / median(column) for column in zip(*times, strict=True)]
    return Rates(rates[0], rates[1], rates[2] if len(rates) > 2 else None)


def _captum(setting: Setting, model: nn.Module, image: Tensor, target: int) -> list[Callable[[], None]]:
    if find_spec("captum") is None:
        return []
    captum = import_module("captum.attr")
    tunnel = captum.NoiseTunnel(captum.Saliency(model))

    def run() -> None:
        with torch.autocast(image.device.type, torch.bfloat16, enabled=setting.precision == "bfloat16"):
            tunnel.attribute(
                image[None],
                nt_type="smoothgrad",
                nt_samples=setting.batch * BLOCKS,
                nt_samples_batch_size=setting.batch,
                stdevs=SIGMA,
                target=target,
            )

    return [run]


def _timed(work: Callable[[], None], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main() -> int:
    quick = os.environ.get("QUICK") == "1"
    device = prepare(Settings())
    rows = []
    for setting in SETTINGS[:2] if quick else SETTINGS:
        rates = measure(setting, rounds=1 if quick else 7)
        beside = "not installed" if rates.captum is None else f"{rates.captum:.1f}"
        rows.append([*setting, f"{rates.bare:.1f}", f"{rates.sampler:.1f}", rates.sampler / rates.bare, beside])
        print(f"{setting.network} {setting.precision}: {rows[-1][3:]}", file=sys.stderr, flush=True)
    header = ["network, 224 x 224", "precision", "batch", "bare loop", "sampler", "sampler / bare", "Captum, one map"]
    text = (
        f"# Speed\n\nSamples per second on {describe(device)}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}; granularity pixel, map sparsified; medians.\n\n{table(header, rows)}\n"
    )
    print(text)
    if not quick:
        (REPOSITORY / "docs" / "evidence" / "speed.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
