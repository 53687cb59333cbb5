"""A request that says what is wanted: posted, planned and computed by the worker, shown on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from tests.stack.test_main_job import run
from worker.cli.client import Client
from worker.cli.main import app
from worker.cli.stack import Stack

SPEC: dict[str, Any] = {"plan": {"radius": 0.05, "budget": 2048, "at_least": 0.3}, "granularity": "pixel"}


def test_a_planned_job(client: Client, digit: Path) -> None:
    job, seen = run(client, digit, SPEC)
    assert job.state == "succeeded", job.error
    assert job.progress.total == 2048 and job.progress.percent == 100
    assert [item.progress.done for item in seen] == sorted(item.progress.done for item in seen)
    result = client.result(job)
    assert result.plan and result.plan.reached is True and result.plan.value >= 0.3
    assert result.spec.plan is None and {item.granularity.name for item in result.plan.tried} == {"pixel"}
    assert result.samples + result.plan.pilot_samples == 2048


def test_the_command_line_plans_and_says_so(stack: Stack, digit: Path, tmp_path: Path) -> None:
    arguments = ["--url", stack.url, "--out", str(tmp_path), "--plan", "0.05", "--budget", "1024", "--sigma", "0.25"]
    done = CliRunner().invoke(app, ["explain", str(digit), *arguments], env={"COLUMNS": "400"})
    assert done.exit_code == 0, done.output
    assert "gaussian sigma 0.25" in done.output and "256 pilot samples, 768 fresh ones" in done.output
    assert "topk_overlap within 0.05: predicted" in done.output
    assert (tmp_path / "certificate.json").is_file()
