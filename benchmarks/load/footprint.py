"""What a job weighs: its memory in Redis, and what goes over the wire for it."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import httpx
import redis
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks.chaos.service import Service
from benchmarks.load.requests import IMAGES, explained
from benchmarks.load.settings import Sizes, service
from models import vision

LARGE = "drawn"
SIDE = 224
_CARD = {
    "name": LARGE,
    "title": "SqueezeNet with weights as they are drawn",
    "architecture": "squeezenet1_0",
    "weights": "drawn.safetensors",
    "input": {
        "channels": 3,
        "height": SIDE,
        "width": SIDE,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
    "classes": [str(index) for index in range(1000)],
    "licence": "none",
    "source": "torchvision's initialisation",
    "intended_use": "Measuring how large a job is.",
    "batch": 16,
}


def weigh(sizes: Sizes) -> dict[str, dict[str, float]]:
    """By input size, the means over `sizes.kept` finished jobs.

    `redis_kept`: memory of Redis that a finished job takes until it expires, its image among it. `redis_in`,
    `redis_out`: bytes to and from Redis. `client`: the image, the result and the certificate.
    `seconds`: from start to commit.
    """
    with tempfile.TemporaryDirectory(prefix="surety-bytes-") as name:
        folder = Path(name)
        _write_model(folder / "models")
        with service(folder / "service", models_dir=folder / "models") as running:
            small = _weigh(running, IMAGES[0].read_bytes(), {"samples": sizes.samples}, sizes.kept)
            spec = {"model": LARGE, "samples": sizes.samples, "precision": "bfloat16"}
            return {"8x8": small, f"{SIDE}x{SIDE}": _weigh(running, _photograph(), spec, sizes.kept)}


def _weigh(running: Service, image: bytes, spec: Mapping[str, object], jobs: int) -> dict[str, float]:
    with (
        httpx.Client(base_url=running.url, timeout=60.0, trust_env=False) as http,
        redis.Redis.from_url(running.server.url) as store,
    ):
        _one(running, http, image, {**spec, "seed": jobs})  # what is made once is made
        before = _counters(store)
        done = [_one(running, http, image, {**spec, "seed": seed}) for seed in range(jobs)]
        grown = {name: (value - before[name]) / jobs for name, value in _counters(store).items()}
    client, seconds = (sum(column) / jobs for column in zip(*done, strict=True))
    return {"image": len(image), **grown, "client": client, "seconds": seconds}


def _one(running: Service, http: httpx.Client, image: bytes, spec: Mapping[str, object]) -> tuple[int, float]:
    """The bytes that its client sent and got, and the seconds it took."""
    job, result = explained(http, spec, image)
    got = http.get(f"{job}/artifacts/certificate.json").raise_for_status()
    record = running.record(job.rpartition("/")[2])
    if not record.started_at or not record.finished_at:
        raise RuntimeError("a finished job has no times")
    return len(image) + len(result.content) + len(got.content), (record.finished_at - record.started_at).total_seconds()


def _counters(store: redis.Redis) -> dict[str, float]:
    found = store.info()
    names = {
        "redis_kept": "used_memory",
        "redis_in": "total_net_input_bytes",
        "redis_out": "total_net_output_bytes",
    }
    return {name: float(found[key]) for name, key in names.items()}


def _write_model(folder: Path) -> None:
    """A directory with one model for 224 x 224 pixels, whose weights nobody has trained."""
    folder.mkdir()
    torch.manual_seed(0)
    weights = folder / str(_CARD["weights"])
    save_file(vision.build("squeezenet1_0", 1000, 3).state_dict(), weights)
    card = {**_CARD, "sha256": sha256(weights.read_bytes()).hexdigest()}
    (folder / "drawn.yaml").write_text(json.dumps(card), encoding="utf-8")  # JSON is YAML


def _photograph() -> bytes:
    """A JPEG as a camera might have made it: smooth, with some noise."""
    dice = torch.Generator().manual_seed(0)
    coarse = torch.rand((1, 3, 12, 12), generator=dice)
    smooth = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic")[0]
    pixels = (smooth + 0.03 * torch.randn(smooth.shape, generator=dice)).clamp(0, 1) * 255
    file = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).byte().numpy()).save(file, "JPEG", quality=90)
    return file.getvalue()
