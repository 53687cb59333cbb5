"""Celery as the courier: a message is a job's id and nothing else, and a lost one is sent again by the reconciler."""

from __future__ import annotations

import logging
from urllib.parse import parse_qs, urlsplit, urlunsplit

import redis
from celery import Celery  # type: ignore[import-untyped]  # celery ships no types
from kombu.exceptions import OperationalError

from worker.contract.settings import Settings

TASK = "surety.run"
QUEUE = "surety"
# The worker's own thread ends a job at its deadline. This much later its process is killed.
KILL_MARGIN_SECONDS = 2.0

_log = logging.getLogger(__name__)


def make_celery(settings: Settings) -> Celery:
    """The Celery app of these settings. Nothing is connected until it is used."""
    app = Celery("surety", broker=broker_url(settings), include=["worker.service.tasks"], set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_default_queue=QUEUE,
        # Early: a message lost with its worker is sent again when the lease is over, much before a visibility timeout.
        task_acks_late=False,
        task_publish_retry=False,
        task_time_limit=settings.deadline_seconds + KILL_MARGIN_SECONDS,
        worker_pool="prefork",
        worker_concurrency=settings.worker_processes,
        # fork after CUDA or threads were used does not work; a fresh interpreter always does.
        worker_pool_start_method="spawn",
        worker_proc_alive_timeout=120,  # importing torch on a cold disk; a shorter limit would never recover
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": 10,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 5,
        },
    )
    return app


def broker_url(settings: Settings) -> str:
    """The broker's URL as kombu wants it, from one as redis-py does. Without broker_url it is the store's server."""
    url = settings.broker_url or settings.redis_url
    if url is None:
        raise ValueError("Celery needs settings.redis_url or settings.broker_url; RedisServer gives one")
    parts = urlsplit(url)
    if parts.scheme == "unix":
        database = parse_qs(parts.query).get("db", ["0"])[0]
        return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in parts.query:
        # kombu would not check the server's certificate at all; redis-py does by default.
        query = "&".join(part for part in (parts.query, "ssl_cert_reqs=required") if part)
        return urlunsplit(parts._replace(query=query))
    return url


class Courier:
    """Sends job ids to the workers. May be used by many threads."""

    def __init__(self, settings: Settings) -> None:
        self._app = make_celery(settings)
        # By default kombu tries for six seconds; a client waits for us, and the reconciler does not give up anyway.
        self._app.conf.broker_transport_options |= {"max_retries": 1, "interval_start": 0.1, "interval_step": 0}

    def send(self, job_id: str) -> bool:
        """True if the broker took the message. If not, nothing is lost: the reconciler sends it again."""
        try:
            self._app.send_task(TASK, args=[job_id], ignore_result=True)
        except (OperationalError, redis.RedisError, OSError) as error:
            _log.warning("job %s: could not be sent (%s); it will be sent again", job_id, type(error).__name__)
            return False
        return True

    def close(self) -> None:
        self._app.close()
