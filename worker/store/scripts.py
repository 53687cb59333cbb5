"""The Lua scripts of the store, and the one place where an error of Redis becomes an error of the service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.contract.errors import AttemptsExhausted, DeadlineExceeded, StoreUnavailable
from worker.contract.settings import Settings

_LUA = Path(__file__).with_name("lua")
_NAMES = (
    *("create", "claim", "beat", "finish", "fail", "handback", "cancel", "delete", "reconcile"),
    *("split", "deliver", "admit", "tell", "told", "keep", "written"),
)
# Answers of a server that is there but cannot do it now: disk full, loading its data, a replica, a script that hangs.
_UNABLE = ("MISCONF", "LOADING", "READONLY", "BUSY", "OOM", "NOREPLICAS")

Argument = str | bytes | int


def connect(url: str) -> redis.Redis:
    """A client whose every call ends within seconds. It may be used by many threads, and not across a fork."""
    # One retry and no more: enough for a pooled connection that a restart of the server has cut; every script allows
    # being sent twice. Whoever can wait longer than that does so itself.
    retry: Retry = Retry(NoBackoff(), 1)
    options: dict[str, Any] = {"socket_timeout": 10, "health_check_interval": 5, "retry": retry}
    if not url.startswith("unix:"):
        options |= {"socket_connect_timeout": 2, "socket_keepalive": True}
    return redis.Redis.from_url(url, **options)


@contextmanager
def store_errors() -> Iterator[None]:
    """Inside, a server that is away, full or unable raises StoreUnavailable; a fault of ours stays what it is."""
    try:
        yield
    except redis.OutOfMemoryError as error:
        raise StoreUnavailable(
            "The job store is full. Try again later: finished jobs make room when they expire."
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise StoreUnavailable("The job store does not answer. Try again in a few seconds.") from error
    except redis.ResponseError as error:
        if not str(error).startswith(_UNABLE) and not isinstance(error, redis.ReadOnlyError):
            raise
        raise StoreUnavailable("The job store cannot write at the moment. Try again in a few seconds.") from error


class Scripts:
    """Runs the scripts by name. Each is atomic: it happens as a whole or not at all."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        common = (_LUA / "common.lua").read_text()
        self._rules = json.dumps(rules(settings))
        self._scripts = {}
        for name in _NAMES:
            head, body = (_LUA / f"{name}.lua").read_text().split("\n", 1)
            self._scripts[name] = client.register_script(f"{head}\n{common}\n{body}")

    def run(self, name: str, *arguments: Argument) -> Any:
        with store_errors():
            return self._scripts[name](args=[self._rules, *arguments])


def rules(settings: Settings) -> dict[str, int | str]:
    """What the scripts must know of the settings; times in milliseconds."""
    exhausted = AttemptsExhausted(
        f"The job was started {settings.max_attempts} times and each time the worker ended before the job did. "
        "Ask for less (fewer samples, a smaller image), or report it with the job's id."
    )
    late = DeadlineExceeded(
        f"The job ran longer than the {settings.deadline_seconds:g} seconds this service allows. Ask for fewer samples."
    )
    return {
        "lease": round(settings.lease_seconds * 1000),
        "deadline": round(settings.deadline_seconds * 1000),
        "resend": round(settings.resend_seconds * 1000),
        "ttl": settings.result_ttl_seconds * 1000,
        "max_attempts": settings.max_attempts,
        "max_queue": settings.max_queue,
        "exhausted_problem": exhausted.problem().model_dump_json(),
        "deadline_problem": late.problem().model_dump_json(),
    }
