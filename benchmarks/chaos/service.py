"""The real service for a harness: a Redis with AOF, workers and the API, each a process that can be killed alone.

Nothing here heals by itself but what the product heals: a killed worker, API or Redis stays away until it is told.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from signal import SIGKILL, SIGTERM
from subprocess import Popen
from typing import IO, Any, Self
from unittest import mock

from benchmarks.chaos.processes import children, command, wait_for
from benchmarks.evidence.study import REPOSITORY
from worker.cli.address import LOOPBACK, free_port
from worker.cli.client import Client
from worker.contract.errors import StoreUnavailable
from worker.contract.settings import Settings
from worker.service import launch
from worker.service.server import RedisServer
from worker.service.supervisor import environment
from worker.store.desk import Desk
from worker.store.record import JobRecord

LEASE = 1.5
PAUSE = 0.1
WORKERS = 2
API = "benchmarks.chaos.api:create_app"


class Service:
    """`with Service(folder, binary) as service:`; on leaving everything has ended. `binary` is the Redis server's,
    `api` makes the application, and `fields` are settings that shall be others than those for faults."""

    def __init__(self, folder: Path, binary: str, *, workers: int = WORKERS, api: str = API, **fields: object) -> None:
        self.folder = folder
        self._binary = binary
        self._count = workers
        self._application = api
        self._settings = Settings(redis_url=None, state_dir=folder / "state")
        self.server = RedisServer(self._settings)
        self.settings = self._settings.model_copy(
            update={
                "redis_url": self.server.url,
                "allow_anonymous": True,
                "kernel": "benchmarks.chaos.kernels:kernel",
                "lease_seconds": LEASE,
                "resend_seconds": LEASE,
                "deadline_seconds": 120.0,
                "max_attempts": 10,  # random kills may hit one job often, and that is not what is asked
                "shard_blocks": 16,
                "max_queue": 1000,
                "threads": 1,
            }
            | fields
        )
        self.url = f"http://{LOOPBACK}:{free_port(LOOPBACK)}"
        self.workers: list[Popen[bytes]] = []
        self.api: Popen[bytes] | None = None
        self.store = Desk(self.settings)
        self._log: IO[bytes] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "blocks").touch()
        self._log = self._stack.enter_context((self.folder / "service.log").open("ab"))
        self._stack.enter_context(mock.patch("worker.service.server.find_binary", return_value=self._binary))
        self._stack.callback(self._stop)
        try:
            self.server.start()
            self.start_workers()
            self.heal()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _stop(self) -> None:
        for process in (*self.workers, *([self.api] if self.api else [])):
            launch.end(process, 12.0)
        self.store.close()
        self.server.stop()

    # What can be started

    def start_workers(self, *, reconciler: bool = True, **fields: Any) -> None:
        """All workers anew, with other settings or without their reconcilers."""
        for process in self.workers:
            launch.end(process, 12.0)
        program = ["worker.cli", "worker"] if reconciler else ["benchmarks.chaos.unreconciled"]
        self.settings = self.settings.model_copy(update=fields)
        self.workers = [self._spawn(program) for _ in range(self._count)]

    def replace_worker(self, dead: Popen[bytes]) -> None:
        """Another one in the place of one that has ended, as a service manager would."""
        dead.wait(15)
        self.workers[self.workers.index(dead)] = self._spawn(["worker.cli", "worker"])

    def start_api(self) -> None:
        port = self.url.rpartition(":")[2]
        program = ["uvicorn", "--factory", self._application, "--host", LOOPBACK, "--port", port]
        self.api = self._spawn([*program, "--log-level", "warning"])

    def heal(self) -> None:
        """Whatever was killed runs again; returns when jobs can be sent, and every worker has its processes."""
        self.server.revive()
        for worker in self.workers:
            if worker.poll() is not None:
                self.replace_worker(worker)
        if self.api is None or self.api.poll() is not None:
            self.start_api()
        with Client(self.url) as client:
            wait_for(client.ready, "a ready API")
        wait_for(lambda: all(self.pool(worker) for worker in self.workers), "pool processes")

    def _spawn(self, program: list[str]) -> Popen[bytes]:
        extra = {"CHAOS_FOLDER": str(self.folder), "CHAOS_PAUSE": str(PAUSE), "PYTHONPATH": str(REPOSITORY)}
        return launch.spawn(
            [sys.executable, "-m", *program],
            on_death=SIGTERM,
            environment=environment(self.settings, {**os.environ, **extra}),
            output=self._log,
        )

    # What can be killed

    def consumer(self, worker: Popen[bytes]) -> list[int]:
        """The process of a worker that takes messages from Redis; none while it is being restarted."""
        return [pid for pid in children(worker.pid) if "worker.service.consumer" in command(pid)][:1]

    def pool(self, worker: Popen[bytes]) -> list[int]:
        """The processes of a worker that compute."""
        return [pid for pid in children(worker.pid) if "spawn_main" in command(pid)]

    def family(self, worker: Popen[bytes]) -> list[int]:
        return [worker.pid, *children(worker.pid)]

    def worker_of(self, pid: int) -> Popen[bytes]:
        """The worker that this pool process is of."""
        return next(worker for worker in self.workers if pid in children(worker.pid))

    def kill_redis(self) -> None:
        os.kill(self.server.pid or 0, SIGKILL)
        wait_for(lambda: not self.answers(), "the end of Redis")

    def revive_redis(self) -> None:
        """Returns when it answers, with all that was written."""
        wait_for(self.server.revive, "the start of Redis")

    # What can be seen

    def answers(self) -> bool:
        try:
            self.store.ping()
        except StoreUnavailable:
            return False
        return True

    def count(self, event: str) -> int:
        return self.store.stats().get(event, 0)

    def record(self, job_id: str) -> JobRecord:
        return self.store.get(job_id)

    def holder(self, job_id: str) -> int:
        """The pool process that has this job or, if it is split, one of its shards."""
        holders = [self.record(job_id), *self.store.shards(job_id)]
        found = next(at for at in reversed(holders) if at.state == "running" and at.worker)
        return int(str(found.worker).rpartition(":")[2])

    def blocks(self, name: str) -> list[int]:
        """The blocks that were begun for the request of this id, in order of time."""
        lines = (line.split() for line in (self.folder / "blocks").read_text().splitlines())
        return [int(block) for request, block in lines if request == name]
