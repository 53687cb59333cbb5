"""Real worker processes under a real supervisor; what happens when they are killed, frozen, cancelled, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from standardwebhooks import Webhook

from tests.service.polling import alive, children, wait_for
from tests.service.test_webhooks import SECRET, Receiver
from worker.contract.errors import DegenerateMap, StoreUnavailable
from worker.contract.settings import Settings
from worker.service.server import RedisServer
from worker.service.supervisor import Supervisor, environment
from worker.store.courier import Courier, broker_url
from worker.store.jobs import JobStore
from worker.store.record import JobRecord

LEASE = 1.0


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def settings(make_settings: Callable[..., Settings], receiver: Receiver) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        yield make_settings(
            db=2,
            kernel="tests.service.kernels:kernel",
            worker_processes=2,
            lease_seconds=LEASE,
            resend_seconds=1.0,
            deadline_seconds=4.5,
            max_attempts=2,
            webhook_inside_hosts=receiver.host,
            webhook_secret=SECRET,
        )


@pytest.fixture(scope="module")
def supervisor(settings: Settings) -> Iterator[Supervisor]:
    with redis.Redis.from_url(str(settings.redis_url)) as client:
        client.flushdb()
    with Supervisor(settings) as running:
        yield running
    assert running.pid is None


@pytest.fixture(scope="module")
def jobs(settings: Settings) -> Iterator[JobStore]:
    store = JobStore(settings)
    yield store
    store.close()


@pytest.fixture(scope="module")
def queue(settings: Settings) -> Iterator[Courier]:
    made = Courier(settings)
    yield made
    made.close()


@pytest.fixture
def submit(jobs: JobStore, queue: Courier, supervisor: Supervisor, tmp_path: Path) -> Callable[..., str]:
    def send(do: str, **order: object) -> str:
        payload = json.dumps({"do": do, "dir": str(tmp_path), **order})
        job_id = jobs.create("explanation", payload, b"pixels", digest="d").id
        assert queue.send(job_id)
        return job_id

    return send


def finished(jobs: JobStore, job_id: str, seconds: float = 20.0) -> JobRecord:
    wait_for(lambda: jobs.get(job_id).finished, seconds, f"end of {jobs.get(job_id)}")
    return jobs.get(job_id)


def answers(jobs: JobStore) -> bool:
    try:
        jobs.ping()
    except StoreUnavailable:
        return False
    return True


def worker_pid(jobs: JobStore, job_id: str) -> int:
    return int(str(jobs.get(job_id).worker).rpartition(":")[2])


def test_job_runs(jobs: JobStore, submit: Callable[..., str]) -> None:
    job_id = submit("steps", total=3, pause=0)
    record = finished(jobs, job_id)
    assert (record.state, record.attempt, record.progress.percent) == ("succeeded", 1, 100.0)
    assert json.loads(jobs.blob(job_id, "result")) == {"first": 0, "image": "pixels", "attempt": 1}
    assert jobs.blob(job_id, "steps.txt") == b"3"


def test_a_webhook_is_told_of_the_end(
    jobs: JobStore, queue: Courier, supervisor: Supervisor, receiver: Receiver, tmp_path: Path
) -> None:
    payload = json.dumps({"do": "steps", "dir": str(tmp_path), "total": 1, "pause": 0})
    job_id = jobs.create("explanation", payload, b"pixels", digest="d", webhook=receiver.url).id
    queue.send(job_id)
    wait_for(lambda: receiver.got)
    ((headers, body),) = receiver.got
    told = Webhook(SECRET).verify(body, headers)
    assert (told["type"], told["data"]["id"]) == ("job.succeeded", job_id)


def test_workers_are_announced(jobs: JobStore, supervisor: Supervisor) -> None:
    wait_for(lambda: jobs.workers() == [supervisor.name])


def test_problem_reaches_the_client(jobs: JobStore, submit: Callable[..., str]) -> None:
    error = finished(jobs, submit("problem")).error
    assert error == DegenerateMap("The map is flat.", pointer="/image").problem()


def test_unforeseen_error_stays_inside(jobs: JobStore, submit: Callable[..., str]) -> None:
    job_id = submit("error")
    error = finished(jobs, job_id).error
    assert error and error.code == "internal_error" and job_id in error.detail and "secret" not in error.detail


def test_progress_is_seen_while_running(jobs: JobStore, submit: Callable[..., str]) -> None:
    job_id = submit("steps", total=10, pause=0.2)
    wait_for(lambda: 0 < jobs.get(job_id).progress.percent < 100)
    wait_for(lambda: jobs.get(job_id).progress.eta_seconds)
    assert finished(jobs, job_id).attempt == 1


def test_long_call_keeps_its_lease(jobs: JobStore, submit: Callable[..., str], tmp_path: Path) -> None:
    job_id = submit("wait")
    wait_for((tmp_path / "pid-1").exists)
    start = time.monotonic()
    wait_for(lambda: time.monotonic() - start > 2.5 * LEASE or jobs.get(job_id).attempt > 1)
    (tmp_path / "open").touch()
    assert finished(jobs, job_id).attempt == 1


def test_lost_message_is_sent_again(jobs: JobStore, supervisor: Supervisor, tmp_path: Path) -> None:
    payload = json.dumps({"do": "steps", "dir": str(tmp_path), "total": 1, "pause": 0})
    assert finished(jobs, jobs.create("explanation", payload, b"", digest="d").id).state == "succeeded"


def test_kill_9_of_the_pool_process(jobs: JobStore, submit: Callable[..., str], tmp_path: Path) -> None:
    job_id = submit("steps", total=8, pause=0.3)
    wait_for(lambda: jobs.get(job_id).progress.done >= 3)
    killed = time.monotonic()
    os.kill(worker_pid(jobs, job_id), signal.SIGKILL)
    wait_for(lambda: jobs.get(job_id).attempt == 2)
    assert time.monotonic() - killed < LEASE + 2.0 + 3.0  # the other process takes it: no start to wait for
    record = finished(jobs, job_id)
    answer = json.loads(jobs.blob(job_id, "result"))
    assert (record.state, answer["attempt"]) == ("succeeded", 2) and answer["first"] >= 3
    assert {path.name for path in tmp_path.glob("2-*")} == {f"2-{step}" for step in range(answer["first"], 8)}


def test_frozen_worker_commits_nothing(jobs: JobStore, submit: Callable[..., str], tmp_path: Path) -> None:
    fenced = jobs.stats().get("fenced", 0)
    job_id = submit("wait")
    wait_for((tmp_path / "pid-1").exists)
    frozen = worker_pid(jobs, job_id)
    os.kill(frozen, signal.SIGSTOP)
    try:
        wait_for((tmp_path / "pid-2").exists)
        (tmp_path / "open").touch()
        record = finished(jobs, job_id)
    finally:
        os.kill(frozen, signal.SIGCONT)
    wait_for(lambda: jobs.stats().get("fenced", 0) == fenced + 1)
    assert (record.state, record.attempt) == ("succeeded", 2) and jobs.get(job_id) == record
    assert json.loads(jobs.blob(job_id, "result")) == {"attempt": 2} and worker_pid(jobs, job_id) != frozen


def test_poison_job_fails_and_the_queue_goes_on(jobs: JobStore, submit: Callable[..., str]) -> None:
    poison = submit("crash")
    next_job = submit("steps", total=1, pause=0)
    assert finished(jobs, next_job).state == "succeeded"
    record = finished(jobs, poison)
    assert record.error and record.error.code == "attempts_exhausted" and record.attempt == 2
    assert finished(jobs, submit("steps", total=1, pause=0)).state == "succeeded"


def test_cancel_of_a_running_job(jobs: JobStore, submit: Callable[..., str], tmp_path: Path) -> None:
    job_id = submit("steps", total=1000, pause=0.05)
    wait_for(lambda: jobs.get(job_id).progress.done > 0)
    jobs.cancel(job_id)
    assert jobs.get(job_id).state == "cancelled"
    # Both processes are free again, before the cancelled job could have come to its end.
    others = [submit("steps", total=20, pause=0.05) for _ in range(2)]
    assert {finished(jobs, other, 5).state for other in others} == {"succeeded"}
    assert jobs.get(job_id).state == "cancelled" and len(list(tmp_path.glob("1-*"))) < 200


def test_deadline_inside_native_code(jobs: JobStore, submit: Callable[..., str], tmp_path: Path) -> None:
    job_id = submit("wait")
    wait_for((tmp_path / "pid-1").exists)
    stuck = worker_pid(jobs, job_id)
    error = finished(jobs, job_id).error
    assert error and error.code == "deadline_exceeded" and jobs.get(job_id).attempt == 1
    wait_for(lambda: not alive(stuck), what="the kill of the stuck process")
    assert finished(jobs, submit("steps", total=1, pause=0)).state == "succeeded"


def test_dead_consumer_is_restarted(jobs: JobStore, submit: Callable[..., str], supervisor: Supervisor) -> None:
    first = supervisor.pid
    assert first
    family = children(first)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not any(map(alive, family)), what="the end of the killed consumer's children")
    assert finished(jobs, submit("steps", total=1, pause=0)).state == "succeeded"
    assert supervisor.pid not in (None, first)


@pytest.fixture
def apart(settings: Settings) -> Settings:
    """One process on an empty database of its own, so that the module's supervisor is not in the way."""
    url = str(settings.redis_url).replace("db=2", "db=3")
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return settings.model_copy(update={"redis_url": url, "worker_processes": 1})


@pytest.mark.parametrize("do", ["steps", "wait"])
def test_sigterm_hands_back_at_once(apart: Settings, tmp_path: Path, do: str) -> None:
    """A supervisor of its own, in its own process: stopped by SIGTERM inside Python and inside native code."""
    own = apart.model_copy(update={"lease_seconds": 60.0, "resend_seconds": 60.0})
    program = (
        "import sys; sys.path.insert(0, '.'); from worker.contract.settings import Settings;"
        "from worker.service import supervisor; supervisor.STOP_SECONDS = 2.0; supervisor.Supervisor(Settings()).run()"
    )
    with subprocess.Popen([sys.executable, "-c", program], env=environment(own, os.environ)) as process:
        store, queue = JobStore(own), Courier(own)
        payload = json.dumps({"do": do, "dir": str(tmp_path), "total": 1000, "pause": 0.02})
        job_id = store.create("explanation", payload, b"", digest="d").id
        queue.send(job_id)
        wait_for((tmp_path / "pid-1").exists if do == "wait" else lambda: store.get(job_id).progress.done > 0)
        family = children(process.pid)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: store.get(job_id).returned == 1, 2)
        assert process.wait(6) == 0 and not any(map(alive, family))
    assert store.get(job_id).state == "queued" and store.workers() == [] and store.stats()["handed_back"] == 1
    if do == "steps":
        again = store.claim(job_id, "w")
        assert not isinstance(again, str) and again.checkpoint and again.attempt == 2
    store.delete(job_id)
    store.close()
    queue.close()


def test_nothing_outlives_a_killed_supervisor(apart: Settings) -> None:
    program = (
        "from worker.contract.settings import Settings; from worker.service.supervisor import Supervisor;"
        "Supervisor(Settings()).run()"
    )
    with subprocess.Popen([sys.executable, "-c", program], env=environment(apart, os.environ)) as process:
        wait_for(lambda: len(children(process.pid)) >= 3, what="consumer, tracker and pool process")
        family = children(process.pid)
        process.kill()
        process.wait()
        wait_for(lambda: not any(map(alive, family)), 5, f"the end of {family}")


def test_kill_9_of_the_server_mid_job(settings: Settings, tmp_path: Path) -> None:
    """Our own server comes back by the supervisor, with all data; the worker waits for it and commits."""
    embedded = RedisServer(Settings(redis_url=None, state_dir=tmp_path / "state"))
    with embedded as url:
        own = settings.model_copy(update={"redis_url": url, "worker_processes": 1, "deadline_seconds": 20.0})
        store, queue = JobStore(own), Courier(own)
        payload = json.dumps({"do": "steps", "dir": str(tmp_path), "total": 10, "pause": 0.2})
        with Supervisor(own, server=embedded):
            ids = [store.create("explanation", payload, b"", digest="d").id for _ in range(2)]
            for job_id in ids:
                queue.send(job_id)
            wait_for(lambda: store.get(ids[0]).progress.done > 2)
            first = embedded.pid
            os.kill(first or 0, signal.SIGKILL)
            wait_for(lambda: embedded.pid != first and answers(store))
            assert [finished(store, job_id).state for job_id in ids] == ["succeeded", "succeeded"]
        store.close()
        queue.close()


def test_environment_carries_exactly_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SURETY_THREADS", raising=False)
    settings = Settings(redis_url="unix:///s?db=2", lease_seconds=1.5, threads=None, max_queue=7)
    found = environment(settings, {"SURETY_THREADS": "4", "HOME": "/h"})
    assert found["HOME"] == "/h" and "SURETY_THREADS" not in found
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///run/a.sock", "redis+socket:///run/a.sock?virtual_host=0"),
        ("unix://u:p@/run/a.sock?db=3", "redis+socket://u:p@/run/a.sock?virtual_host=3"),
        ("redis://h:1/2", "redis://h:1/2"),
        ("rediss://h:1/2", "rediss://h:1/2?ssl_cert_reqs=required"),
        ("rediss://h:1/2?ssl_cert_reqs=none", "rediss://h:1/2?ssl_cert_reqs=none"),
    ],
)
def test_broker_url(url: str, expected: str) -> None:
    assert broker_url(Settings(redis_url=url)) == expected
    assert broker_url(Settings(redis_url="redis://other", broker_url=url)) == expected


def test_queue_that_is_away_is_not_fatal(tmp_path: Path) -> None:
    queue = Courier(Settings(redis_url=f"unix://{tmp_path}/none.sock"))
    assert queue.send("0" * 32) is False
    queue.close()
