"""RabbitMQ as the courier, by its URL alone: jobs are done, and what a killed process held is taken over."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from kombu import Connection

from tests.conftest import missing
from tests.service.polling import wait_for
from worker.cli.address import LOOPBACK, free_port
from worker.contract.settings import Settings
from worker.service import launch
from worker.service.supervisor import Supervisor
from worker.store.courier import Courier
from worker.store.jobs import JobStore

STEPS = 15
CONFIGURATION = """\
listeners.tcp.local = {host}:{port}
log.file = false
log.console = true
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a RabbitMQ server of our own. It, its name server and what it says to other nodes are on loopback."""
    found, names = shutil.which("rabbitmq-server"), shutil.which("epmd")
    if not found or not names:
        missing("rabbitmq-server is not on PATH: the broker by URL was not tried.")
    folder, port, names_port = tmp_path_factory.mktemp("rabbitmq"), free_port(LOOPBACK), free_port(LOOPBACK)
    (folder / "rabbitmq.conf").write_text(CONFIGURATION.format(host=LOOPBACK, port=port))
    (folder / "plugins").write_text("[].\n")
    environment = {
        **os.environ,
        "HOME": str(folder),  # of the cookie
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_EPMD_PORT": str(names_port),
        "RABBITMQ_NODENAME": "surety@localhost",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_DIST_PORT": str(free_port(LOOPBACK)),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
    }
    # The package's command wants to be root and changes the user; the script beside it does neither.
    script = Path(found).resolve().with_name("rabbitmq-server")
    with (folder / "log").open("wb") as log:
        started = [
            launch.spawn(command, on_death=signal.SIGTERM, environment=environment, output=log)
            for command in ([names], [str(script)])
        ]
        try:
            url = f"amqp://guest:guest@{LOOPBACK}:{port}//"
            wait_for(lambda: _answers(url) or started[1].poll() is not None, 120, "a start of RabbitMQ")
            assert started[1].poll() is None, (folder / "log").read_text()
            yield url
        finally:
            for process in reversed(started):
                launch.end(process, 10.0)


def _answers(url: str) -> bool:
    try:
        with Connection(url, connect_timeout=2) as connection:
            connection.connect()
    except OSError:
        return False
    return True


@pytest.fixture
def settings(broker: str, make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        made = make_settings(
            db=5,
            broker_url=broker,
            state_dir=tmp_path,
            kernel="tests.service.kernels:kernel",
            worker_processes=2,
            lease_seconds=1.0,
        )
        with redis.Redis.from_url(str(made.redis_url)) as client:
            client.flushdb()
        yield made


def test_jobs_go_by_rabbitmq_and_a_killed_process_costs_none(settings: Settings, tmp_path: Path) -> None:
    store, queue = JobStore(settings), Courier(settings)
    order = {"do": "steps", "dir": str(tmp_path), "total": STEPS, "pause": 0.1}
    with Supervisor(settings):
        ids = [store.create("explanation", json.dumps(order), b"pixels", digest="d").id for _ in range(2)]
        assert all(map(queue.send, ids))
        wait_for(lambda: store.get(ids[0]).progress.done > 3, 60, "some steps of the first job")
        os.kill(int(str(store.get(ids[0]).worker).rpartition(":")[2]), signal.SIGKILL)
        wait_for(lambda: all(store.get(job_id).finished for job_id in ids), 60, "the end of both jobs")
    with redis.Redis.from_url(str(settings.redis_url)) as client:
        assert not [key for key in client.keys("*") if not key.startswith(b"surety:")], "messages went by Redis"
    first, second = map(store.get, ids)
    assert (first.state, first.attempt) == ("succeeded", 2), first.error
    assert (second.state, second.attempt) == ("succeeded", 1), second.error
    assert json.loads(store.blob(ids[0], "result"))["first"] > 0, "what was done was done again"
    store.close()
    queue.close()
