"""The one Celery task, and what a pool process sets up when it starts. Celery imports this module in every process."""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
import socket
import threading
from functools import cache
from importlib import import_module
from typing import Any, cast

from celery import shared_task, signals  # type: ignore[import-untyped]  # celery ships no types

from worker.contract import logs
from worker.contract.settings import Settings
from worker.service.runner import Runner
from worker.service.work import Kernel
from worker.store.courier import TASK, Courier
from worker.store.jobs import JobStore

# The worker's main process sends it to its pool processes when it shuts down; Celery and billiard do not use it.
HAND_BACK = signal.SIGUSR2
_ID = re.compile(r"[0-9a-f]{32}")

_log = logging.getLogger(__name__)
_runners: list[Runner] = []  # one in a pool process, none elsewhere


@shared_task(name=TASK, ignore_result=True)  # type: ignore[untyped-decorator]  # celery ships no types
def run(job_id: str) -> None:
    """Does the job of this id. The queue is not trusted: it names a job, and everything else is read from the store."""
    if not isinstance(job_id, str) or not _ID.fullmatch(job_id):
        _log.warning("a message without a job's id was dropped")
        return
    _runners[0].run(job_id)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def start_process(**_: Any) -> None:
    """Makes this pool process able to run jobs, and to hand its job back even while it is inside native code."""
    # Blocked here and so in all threads made later: the signal waits for the one thread that asks for it.
    # A handler would run only when the main thread comes back to Python.
    signal.pthread_sigmask(signal.SIG_BLOCK, {HAND_BACK})
    settings = Settings()
    kernel = cache(lambda: load_kernel(settings.kernel))
    name = f"{socket.gethostname()}:{os.getpid()}"
    runner = Runner(settings, JobStore(settings), Courier(settings).send, name, kernel)
    _runners[:] = [runner]
    threading.Thread(target=_wait_for_stop, args=(runner,), name="hand-back", daemon=True).start()
    try:
        kernel()  # now, so that the first job does not wait for the imports
    except Exception:  # noqa: BLE001 - ending here would mean restarts for ever; each job says what is wrong
        _log.exception("the kernel %s cannot be loaded", settings.kernel)
    # What is imported now stays. Left out of collections it makes them cheap, so that plots, which are rings of
    # references, do not pile up for dozens of jobs.
    gc.collect()
    gc.freeze()


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def set_up_logging(**_: Any) -> None:
    """Keeps Celery's hands off the logging of this process."""
    logs.set_up(Settings().log)


def load_kernel(name: str) -> Kernel:
    """The kernel of a name like `package.module:attribute`."""
    module, _, attribute = name.partition(":")
    return cast(Kernel, getattr(import_module(module), attribute))


def _wait_for_stop(runner: Runner) -> None:
    signal.sigwait({HAND_BACK})
    _log.info("shutting down: a running job is handed back")
    runner.stop()
