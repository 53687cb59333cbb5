"""The real kernel, slowed and watched: the worker processes of the harness load it as SURETY_KERNEL.

Every block takes CHAOS_PAUSE seconds more and is noted in CHAOS_FOLDER/blocks as it begins. The first part of the
request's id says what its job does besides: `crash` kills its process, `stuck` stays in native code, `hold` has its
answer and waits for a file before it gives it, `unfenced` holds, and commits whether or not it still has the job.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

from worker.core.sampler import Sampler
from worker.core.statistics.counts import Counts
from worker.service import explain
from worker.service.work import Answer, Work

_FENCE = "if not holds(id, attempt) then"


def kernel(payload: str, image: bytes, work: Work) -> Answer:
    """Explains as the service does."""
    folder, pause = Path(os.environ["CHAOS_FOLDER"]), float(os.environ["CHAOS_PAUSE"])
    name = work.correlation_id

    def update(self: Sampler, counts: Counts, block: int) -> Counts:
        with (folder / "blocks").open("a") as file:
            file.write(f"{name} {block}\n")
        time.sleep(pause)
        return self.count(counts, block, self.attributed(block))

    Sampler.update = update  # type: ignore[method-assign]
    match name.partition("-")[0]:
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stuck":
            ctypes.CDLL(None).sleep(600)
        case "unfenced":
            _drop_fence(work)
    answer = explain.kernel(payload, image, work)
    if name.startswith(("hold-", "unfenced-")):
        (folder / f"held-{name}-{work.attempt}").touch()
        while not (folder / f"open-{name}").exists():
            time.sleep(0.02)
    return answer


def _drop_fence(work: Work) -> None:
    """From now on this process commits in any case: the product has no switch for that, and must not have one."""
    scripts = work._store._scripts
    finish = scripts._scripts["finish"]
    text = str(finish.script)
    if _FENCE not in text and "if false then" not in text:
        raise RuntimeError("finish.lua reads otherwise now: the control of the fence needs to be written again")
    scripts._scripts["finish"] = work._store._redis.register_script(text.replace(_FENCE, "if false then"))
