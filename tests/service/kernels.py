"""Kernels for the tests: the payload says what to do. The worker processes find this module by PYTHONPATH."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from worker.contract.errors import DegenerateMap
from worker.service.work import Answer, Outcome, Work

if TYPE_CHECKING:
    from worker.core.statistics.counts import Counts


def kernel(payload: str, image: bytes, work: Work) -> Outcome:
    order = json.loads(payload)
    return {"steps": _steps, "wait": _wait, "crash": _crash, "problem": _problem, "error": _error}[order["do"]](
        order, image, work
    )


def slow(payload: str, image: bytes, work: Work) -> Answer:
    """The real kernel, with blocks that take PAUSE seconds more and are written into the file BLOCKS as they begin."""
    from worker.core.sampler import Sampler  # torch takes seconds to import, and only this kernel needs it
    from worker.service import explain

    def update(self: Sampler, counts: Counts, block: int) -> Counts:
        with Path(os.environ["BLOCKS"]).open("a") as file:
            file.write(f"{os.getpid()} {block}\n")
        time.sleep(float(os.environ["PAUSE"]))
        return self.count(counts, block, self.attributed(block))

    Sampler.update = update  # type: ignore[method-assign]
    return explain.kernel(payload, image, work)


def _steps(order: dict[str, object], image: bytes, work: Work) -> Outcome:
    """Counts up to `total` from the checkpoint on, and leaves a file per step that it did."""
    first = int(work.checkpoint or b"0")
    total = int(str(order["total"]))
    for step in range(first, total):
        (Path(str(order["dir"])) / f"{work.attempt}-{step}").touch()
        work.progress(step + 1, total, checkpoint=str(step + 1).encode)
        time.sleep(float(str(order["pause"])))
    answer = {"first": first, "image": image.decode(), "attempt": work.attempt}
    return Outcome(json.dumps(answer).encode(), {"steps.txt": str(total).encode()})


def _wait(order: dict[str, object], image: bytes, work: Work) -> Outcome:
    """Like native code: listens to nobody until a file appears."""
    gate = Path(str(order["dir"]))
    (gate / f"pid-{work.attempt}").write_text(str(os.getpid()))
    while not (gate / "open").exists():
        time.sleep(0.02)
    return Outcome(json.dumps({"attempt": work.attempt}).encode(), {})


def _crash(order: dict[str, object], image: bytes, work: Work) -> Outcome:
    os._exit(9)


def _problem(order: dict[str, object], image: bytes, work: Work) -> Outcome:
    raise DegenerateMap("The map is flat.", pointer="/image")


def _error(order: dict[str, object], image: bytes, work: Work) -> Outcome:
    raise RuntimeError("a secret of the service")
