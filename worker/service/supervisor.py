"""Keeps a worker running and the jobs moving: restarts the consumer, reconciles the store, announces the models.

Guarantee: `stop` returns within about ten seconds with no process left, and if we are killed the consumer dies with us.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from types import FrameType
from typing import IO, Self

from worker.contract.errors import StoreUnavailable
from worker.contract.settings import Settings
from worker.service import launch
from worker.service.archivist import Archivist
from worker.service.postman import Postman
from worker.service.provenance import code
from worker.service.scribe import Scribe
from worker.service.server import RedisServer, ServerError
from worker.service.signing import signing_key
from worker.store.courier import Courier
from worker.store.jobs import ANNOUNCE_SECONDS, JobStore

STOP_SECONDS = 8.0  # below the ten seconds after which `docker stop` kills
_TURN_SECONDS = 1.0
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 30.0
_HEALTHY_SECONDS = 60.0  # a consumer that lived this long starts again with the first backoff

_log = logging.getLogger(__name__)


class Supervisor:
    """One worker: its consumer process, its reconciler, its mail, its announcements, and the audit log's scribe.

    `cards` is a JSON list of model cards. The consumer writes to `output`, or to our own streams. `server` is our own
    Redis server, if it is for us to start it again. Several supervisors on one store do no harm: every pass of a
    reconciler is atomic. Raises SigningKeyError, ArchivesError: a worker that cannot do all of
    its work does not begin.
    """

    def __init__(
        self,
        settings: Settings,
        cards: str = "[]",
        *,
        server: RedisServer | None = None,
        output: IO[bytes] | None = None,
    ) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._settings = settings
        self._cards = cards
        self._server = server
        self._output = output
        self._key = signing_key(settings).public
        self._store = JobStore(settings)
        self._courier = Courier(settings)
        self._senders = (Postman(settings), Archivist(settings))
        self._scribe = Scribe(settings)
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._threads = [
            threading.Thread(target=self._nurse, name="nurse"),
            threading.Thread(target=self._keep, name="keeper"),
        ]

    @property
    def pid(self) -> int | None:
        """The consumer's process id, None when it is not running."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def run(self) -> None:
        """Works until SIGTERM or SIGINT. For the main thread."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self._stopping.set()

        before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with self:
                self._stopping.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        for sender in self._senders:
            sender.start()
        self._scribe.start()

    def stop(self) -> None:
        """The consumer has ended: its job is finished or handed back, or its process was killed."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for sender in self._senders:
            sender.stop()
        self._scribe.stop()
        try:
            self._store.retire(self.name)
        except StoreUnavailable:
            _log.info("the store is away; the announcement of this worker runs out by itself")
        self._courier.close()
        self._store.close()

    def _nurse(self) -> None:
        backoff = _FIRST_BACKOFF
        command = [sys.executable, "-m", "worker.service.consumer"]
        while not self._stopping.is_set():
            born = time.monotonic()
            self._process = launch.spawn(
                command,
                on_death=signal.SIGKILL,
                environment=environment(self._settings, os.environ),
                output=self._output,
            )
            while self._process.poll() is None and not self._stopping.wait(0.1):
                pass
            if self._stopping.is_set():
                break
            if time.monotonic() - born >= _HEALTHY_SECONDS:
                backoff = _FIRST_BACKOFF
            _log.warning("the consumer ended with status %s; next start in %g s", self._process.returncode, backoff)
            self._stopping.wait(backoff)
            backoff = min(2 * backoff, _LONGEST_BACKOFF)
        if self._process:
            launch.end(self._process, STOP_SECONDS)

    def _keep(self) -> None:
        away = False
        announced = float("-inf")
        while True:
            try:
                if self._server and self._server.revive():
                    _log.warning("our Redis server had ended; it runs again")
                for job_id in self._store.reconcile():
                    self._courier.send(job_id)
                if self.pid and time.monotonic() - announced >= ANNOUNCE_SECONDS:
                    self._store.publish(self._key)
                    self._store.announce(self.name, self._cards, code())
                    announced = time.monotonic()
                away = False
            except StoreUnavailable as error:
                if not away:
                    _log.warning("%s", error.detail)
                away = True
            except ServerError as error:
                _log.error("%s", error)
            except Exception:  # noqa: BLE001 - the jobs of everybody depend on this loop
                _log.exception("a pass of the reconciler failed")
            # Jittered, so that many supervisors do not look at the same moment.
            if self._stopping.wait(_TURN_SECONDS * random.uniform(0.8, 1.2)):  # noqa: S311 - nobody gains by guessing it
                return


def environment(settings: Settings, base: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """`base` with exactly these settings, for a process that reads its own from there."""
    found = {name: value for name, value in base.items() if not name.upper().startswith("SURETY_")}
    values = settings.model_dump(mode="json", exclude_none=True)
    return found | {f"SURETY_{name.upper()}": str(value) for name, value in values.items()}
