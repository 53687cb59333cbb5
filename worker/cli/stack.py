"""The whole service on one machine: Redis, a worker and the API, started together and stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import IO, Self

from models.cards import load_cards, shipped
from worker.cli.address import LOOPBACK, demand_key, free_port, is_loopback, url_here
from worker.cli.client import Client
from worker.contract.model import ModelCard
from worker.contract.settings import Settings
from worker.service import launch
from worker.service.server import RedisServer, ServerError
from worker.service.supervisor import Supervisor, environment

START_SECONDS = 120.0
STOP_SECONDS = 5.0


def known_cards(settings: Settings) -> list[ModelCard]:
    """The cards of the shipped models and of the configured directory."""
    folders = [shipped(), *([settings.models_dir] if settings.models_dir else [])]
    return [entry.card for entry in load_cards(*folders).values()]


def cards_json(settings: Settings) -> str:
    return "[" + ",".join(card.model_dump_json() for card in known_cards(settings)) + "]"


class Stack:
    """`with Stack(settings) as stack:` is a service at `stack.url`; on leaving, everything it started has ended.

    On loopback it wants no API keys if the settings do not say so. Elsewhere it starts only if there is a key or the
    settings allow anonymous requests.
    """

    def __init__(self, settings: Settings, port: int = 0, host: str = LOOPBACK) -> None:
        anonymous = is_loopback(host) if settings.allow_anonymous is None else settings.allow_anonymous
        self._settings = settings.model_copy(update={"allow_anonymous": anonymous})
        self._host = host
        self._server = RedisServer(settings)
        self._supervisor: Supervisor | None = None
        self._api: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.port = port or free_port(host)
        self.log = settings.state_dir.absolute() / "service.log"

    @property
    def url(self) -> str:
        return url_here(self._host, self.port)

    @property
    def worker_pid(self) -> int:
        """The consumer's process; 0 while there is none."""
        return (self._supervisor and self._supervisor.pid) or 0

    @property
    def server_pid(self) -> int:
        """Our own Redis server's process; 0 if the server is not ours or has stopped."""
        return self._server.pid or 0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def check(self) -> None:
        """Raises ServerError when the API has ended."""
        if self._api and self._api.poll() is not None:
            raise ServerError(f"The API ended with status {self._api.returncode}; see {self.log}")

    def _start(self) -> None:
        self._server.start()
        settings = self._settings.model_copy(update={"redis_url": self._server.url})
        if not settings.allow_anonymous:
            demand_key(settings, self._host)
        self._log = self.log.open("ab")
        self._supervisor = Supervisor(settings, cards_json(settings), server=self._server, output=self._log)
        self._supervisor.start()
        command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--host", self._host]
        command += ["--port", str(self.port), "--log-level", "warning", "--no-server-header"]
        command += ["--timeout-graceful-shutdown", "3"]  # an open event stream would keep it from ending
        self._api = launch.spawn(
            command, on_death=signal.SIGTERM, environment=environment(settings, os.environ), output=self._log
        )
        self._await_ready()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with Client(self.url) as client:
            while not client.ready():
                self.check()
                if time.monotonic() > deadline:
                    raise ServerError(f"The service was not ready within {START_SECONDS:g} s; see {self.log}")
                time.sleep(0.1)

    def _stop(self) -> None:
        if self._api:
            launch.end(self._api, STOP_SECONDS)
        if self._supervisor:
            self._supervisor.stop()
        self._server.stop()
        if self._log:
            self._log.close()
