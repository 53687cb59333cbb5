"""The worker process: `python -m worker.service.consumer`. Settings come from the environment, jobs from the queue.

SIGTERM: nothing new is taken, a running job is handed back at once, and the process ends when its children are idle.
A child inside native code may keep it from ending; the job is safe by then, and the supervisor kills it.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from celery import signals  # type: ignore[import-untyped]  # celery ships no types

from worker.contract.settings import Settings
from worker.service.tasks import HAND_BACK
from worker.store.courier import make_celery


def main() -> int:
    """Runs until told to stop; the worker's exit status."""
    app = make_celery(Settings())
    app.set_current()
    app.set_default()
    worker = app.Worker(
        hostname=f"surety-{os.getpid()}@{socket.gethostname()}",
        without_mingle=True,
        without_gossip=True,
        quiet=True,
        loglevel="INFO",
    )

    def hand_back(**_: Any) -> None:
        pool = getattr(worker.pool, "_pool", None)
        for process in list(getattr(pool, "_pool", ())):
            try:
                os.kill(process.pid, HAND_BACK)
            except (ProcessLookupError, TypeError):  # it has just ended, or has not begun
                continue

    signals.worker_shutting_down.connect(hand_back, weak=False)
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
