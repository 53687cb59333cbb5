"""The command line as a person uses it, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.polling import alive, children, wait_for
from tests.stack.test_main_job import SPEC
from worker.cli.stack import Stack

PICTURES = {"certified.png", "curve.png", "heatmap.png", "input.png", "overlay.png"}
FILES = {"certificate.json", "map.npz", "observation.json", "radii.json", *PICTURES}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "worker.cli", *map(str, arguments)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SURETY_")}
    return {**plain, "SURETY_STATE_DIR": str(tmp_path / "state"), "COLUMNS": "400", "NO_COLOR": "1"}


@pytest.fixture
def serving(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command("serve"), env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: (tmp_path / "state" / "address").exists(), 60, "surety serve did not come up")
        yield process
    finally:
        process.kill()
        process.wait()


def test_demo_shows_the_certificate_writes_its_files_and_leaves_nothing_running(
    environment: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = subprocess.run(
        command("demo", "--out", out), env=environment, capture_output=True, text=True, timeout=120, check=True
    ).stdout
    assert "With 95 % confidence over the random sampling, at least" in said
    assert "Research use only" in said and "100%" in said
    assert {file.name for file in out.iterdir()} == FILES
    document = json.loads((out / "certificate.json").read_text())
    assert document["certificates"][0]["statement"] in said
    assert not _started_from(tmp_path)


def test_ctrl_c_stops_everything_the_demo_started(environment: dict[str, str], tmp_path: Path) -> None:
    # A shell that runs the tests in its background lets them ignore Ctrl-C, and would so their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command("demo", "--out", tmp_path / "out"), env=environment, stdout=subprocess.DEVNULL)
    wait_for(lambda: len(children(process.pid)) >= 4, 60, "the stack did not start")
    started = children(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert not [pid for pid in started if alive(pid)]


def test_explain_talks_to_the_service_that_serve_runs_and_agrees_with_local(
    environment: dict[str, str], tmp_path: Path, digit: Path, serving: subprocess.Popen[bytes]
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SPEC))
    for folder, extra in (("remote", []), ("here", ["--local"])):
        arguments = ["explain", digit, "--spec", spec, "--out", tmp_path / folder, *extra]
        subprocess.run(command(*arguments), env=environment, capture_output=True, timeout=120, check=True)
    remote, here = (json.loads((tmp_path / name / "certificate.json").read_text()) for name in ("remote", "here"))
    assert remote["counts"] == here["counts"] and remote["certificates"] == here["certificates"]
    started = children(serving.pid)
    serving.terminate()
    assert serving.wait(30) == 0
    assert not [pid for pid in started if alive(pid)]
    assert not (tmp_path / "state" / "address").exists()


def test_explain_without_a_service_says_what_to_do(environment: dict[str, str], digit: Path) -> None:
    done = subprocess.run(command("explain", digit), env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "surety serve" in done.stderr and "--local" in done.stderr


def test_explain_shows_the_services_refusal(environment: dict[str, str], stack: Stack, digit: Path) -> None:
    arguments = command("explain", digit, "--url", stack.url, "--sigma", "-1")
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "/spec/noise/sigma" in done.stderr and "Traceback" not in done.stderr


def test_doctor_is_content_here_and_says_how_to_mend_a_broken_models_directory(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert subprocess.run(command("doctor"), env=environment, timeout=60).returncode == 0
    environment["SURETY_MODELS_DIR"] = str(tmp_path / "nowhere")
    done = subprocess.run(command("doctor"), env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "nowhere" in done.stdout and "Traceback" not in done.stderr


def test_models_lists_what_ships(environment: dict[str, str]) -> None:
    done = subprocess.run(command("models"), env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "digits" in done.stdout and "pneumonia" in done.stdout and "CC BY 4.0" in done.stdout


def _started_from(folder: Path) -> list[int]:
    """Processes whose command line or environment names the folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except (OSError, ValueError):
            continue
        if process.name.isdecimal() and int(process.name) != os.getpid() and str(folder).encode() in text:
            found.append(int(process.name))
    return [pid for pid in found if alive(pid)]
