"""F15: jobs all the time, and every other second a fault at a random place. The seed says which, and when."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from signal import SIGCONT, SIGKILL, SIGSTOP

from benchmarks.chaos.processes import Broken, send
from benchmarks.chaos.row import Row
from benchmarks.chaos.service import LEASE, Service
from benchmarks.chaos.session import Session
from worker.contract.errors import StoreUnavailable

BLOCKS = 6


def storm(session: Session, row: Row, seed: int, seconds: float, jobs: int) -> None:
    """`jobs` jobs over `seconds` seconds of faults; recovery is from a fault to the next commit of any job."""
    service, dice = session.service, random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    ends = time.monotonic() + seconds
    commits: list[float] = []
    over = threading.Event()
    client = _Client(session, jobs, seconds)
    watch = threading.Thread(target=_watch, args=(service, commits, over))
    client.start()
    watch.start()
    faults = []
    try:
        while time.monotonic() < ends:
            name = dice.choice(sorted(FAULTS))
            print(f"  {seconds - (ends - time.monotonic()):5.1f} s  {name}", flush=True)
            faults.append(time.monotonic())
            FAULTS[name](service, dice)
            time.sleep(dice.uniform(0.5, 2.5))
        client.join()
        if client.broken:
            raise Broken(client.broken)
        wait = time.monotonic() + 60
        while service.store.unfinished() and time.monotonic() < wait:
            time.sleep(0.1)
    finally:
        client.join()
        over.set()
        watch.join()
        row.faults += len(faults)
    for fault in faults:
        row.recoveries += [min(later)] if (later := [at - fault for at in commits if at > fault]) else []


class _Client(threading.Thread):
    """Sends jobs at an even pace, again and again until each is taken."""

    def __init__(self, session: Session, jobs: int, seconds: float) -> None:
        super().__init__(name="client")
        self.broken = ""
        self._session, self._jobs, self._pause = session, jobs, seconds / jobs

    def run(self) -> None:
        due = time.monotonic()
        try:
            for _ in range(self._jobs):
                self._session.submit(blocks=BLOCKS)
                due += self._pause
                time.sleep(max(0.0, due - time.monotonic()))
        except Broken as error:
            self.broken = str(error)


def _watch(service: Service, commits: list[float], over: threading.Event) -> None:
    last = service.count("succeeded")
    while not over.wait(0.05):
        with suppress(StoreUnavailable):
            now = service.count("succeeded")
            if now > last:
                commits.append(time.monotonic())
            last = now


def _kill_child(service: Service, dice: random.Random) -> None:
    send(SIGKILL, _one(dice, [pid for worker in service.workers for pid in service.pool(worker)]))


def _kill_consumer(service: Service, dice: random.Random) -> None:
    send(SIGKILL, _one(dice, [pid for worker in service.workers for pid in service.consumer(worker)]))


def _kill_worker(service: Service, dice: random.Random) -> None:
    worker = dice.choice(service.workers)
    os.kill(worker.pid, SIGKILL)
    service.replace_worker(worker)


def _kill_api(service: Service, _: random.Random) -> None:
    if service.api:
        service.api.kill()
        service.api.wait()
        service.start_api()


def _kill_redis(service: Service, dice: random.Random) -> None:
    service.kill_redis()
    time.sleep(dice.uniform(0.1, 2.0))
    service.revive_redis()


def _freeze_worker(service: Service, dice: random.Random) -> None:
    _freeze(service.family(dice.choice(service.workers)), dice.uniform(0.3, 2.0) * LEASE)


def _freeze_redis(service: Service, dice: random.Random) -> None:
    _freeze([service.server.pid or 0], dice.uniform(0.2, 1.5))


def _freeze_api(service: Service, dice: random.Random) -> None:
    _freeze([service.api.pid] if service.api else [], dice.uniform(0.2, 1.5))


def _freeze(pids: list[int], seconds: float) -> None:
    send(SIGSTOP, pids)
    try:
        time.sleep(seconds)
    finally:
        send(SIGCONT, pids)


def _one(dice: random.Random, pids: list[int]) -> list[int]:
    return [dice.choice(pids)] if pids else []


FAULTS: dict[str, Callable[[Service, random.Random], None]] = {
    "kill -9 a pool process": _kill_child,
    "kill -9 a consumer": _kill_consumer,
    "kill -9 a worker": _kill_worker,
    "kill -9 the API": _kill_api,
    "kill -9 Redis": _kill_redis,
    "freeze a worker": _freeze_worker,
    "freeze Redis": _freeze_redis,
    "freeze the API": _freeze_api,
}
