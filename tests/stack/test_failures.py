"""What only decoding or computing can show: failed jobs with stable codes, and a worker that lives on."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.service.polling import children
from tests.stack.test_main_job import run
from worker.cli.client import Client, Refused


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def noise(seed: int) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 255, (64, 64), dtype=np.uint8))


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(noise(3))).save(buffer, format="JPEG")
    return buffer.getvalue()


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut in the middle of its pixels": (lambda: noise(1)[:-900], "image_unreadable"),
    "a broken checksum": (lambda: noise(2).replace(b"IDAT", b"IDAT\x00", 1), "image_unreadable"),
    "a JPEG that ends too early": (lambda: jpeg()[:-800], "image_unreadable"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_image_fails_its_job_within_a_second_and_harms_nothing(
    client: Client, tmp_path: Path, digit: Path, case: str
) -> None:
    make, code = CASES[case]
    (tmp_path / "image").write_bytes(make())
    run(client, digit, {"samples": 32})  # the worker has imported and loaded everything
    before = set(children(os.getpid()))
    began = time.monotonic()
    job, _ = run(client, tmp_path / "image", {})
    assert time.monotonic() - began < 1.0
    assert job.state == "failed" and job.error is not None
    assert (job.error.code, job.error.pointer) == (code, "/image")
    with pytest.raises(Refused) as refused:
        client.result(job)
    assert refused.value.code == code
    assert set(children(os.getpid())) == before, "a process died or was replaced"
    assert run(client, digit, {"samples": 32})[0].state == "succeeded"


def test_a_k_that_leaves_no_cell_is_refused_where_that_is_known(client: Client, digit: Path) -> None:
    """At the POST where it leaves none of the 64 elements, by the job where it leaves none of the four patches."""
    with pytest.raises(Refused) as refused:
        client.submit(digit, {"certificates": [{"name": "topk_overlap", "k": 0.001}]})
    assert (refused.value.code, refused.value.pointer) == ("no_cells", "/spec/certificates/0/k")
    coarse = {"granularity": {"name": "patch", "size": 4}, "certificates": [{"name": "topk_overlap", "k": 0.05}]}
    job, _ = run(client, digit, coarse)
    assert job.error is not None
    assert (job.error.code, job.error.pointer) == ("no_cells", "/spec/certificates/0/k")


def test_a_cancelled_job_stops_and_the_next_one_runs(client: Client, digit: Path) -> None:
    job = client.submit(digit, {"samples": 65_536, "seed": 1})
    for seen in client.follow(job):
        if seen.progress.done > 0:
            break
    assert client.cancel(job).state == "cancelled"
    with pytest.raises(Refused) as refused:
        client.result(job)
    assert refused.value.code == "job_cancelled"
    assert run(client, digit, {"samples": 32})[0].state == "succeeded"
