"""surety verify: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.verify.leaves import changed, written
from worker.cli.main import app
from worker.contract.settings import Settings
from worker.service.signing import SigningKey


@pytest.fixture
def folder(tmp_path: Path, small: dict[str, Any], key: SigningKey) -> Path:
    """The certificate, a changed one, and the public key."""
    (tmp_path / "certificate.json").write_bytes(written(small))
    (tmp_path / "changed.json").write_bytes(written(changed(small, ("notice",), "Approved for clinical use.")))
    (tmp_path / "key.pem").write_text(key.public.pem)
    return tmp_path


def run(*arguments: object, state: Path) -> Result:
    environment = {"SURETY_STATE_DIR": str(state), "COLUMNS": "200", "NO_COLOR": "1"}
    return CliRunner().invoke(app, ["verify", *map(str, arguments)], env=environment)


def test_a_good_certificate_ends_with_0_and_says_what_was_looked_at(
    folder: Path, settings: Settings, digit: Path
) -> None:
    """With this machine's own key, which nobody had to name."""
    done = run(folder / "certificate.json", "--image", digit, "--blocks", "100%", state=settings.state_dir)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert any(line.startswith("passed") and "signature" in line for line in lines)
    assert any(line.startswith("passed") and "blocks" in line and "equal integers" in line for line in lines)
    assert "All that was asked for holds" in done.output


def test_without_the_image_that_nothing_was_run_again_is_said(folder: Path) -> None:
    done = run(folder / "certificate.json", "--key", folder / "key.pem", state=folder)
    assert done.exit_code == 0 and "not checked" in done.output and "Without the image" in done.output


def test_something_wrong_ends_with_1(folder: Path, digit: Path) -> None:
    key = ("--key", folder / "key.pem")
    for arguments in (
        (folder / "changed.json", *key),
        (folder / "key.pem", *key),
        (folder / "certificate.json", "--image", folder / "key.pem", *key),
        (folder / "changed.json", "--image", digit, *key),
    ):
        done = run(*arguments, state=folder)
        assert done.exit_code == 1 and "must not be relied on" in done.output, done.output


def test_want_of_a_key_is_neither_right_nor_wrong(folder: Path, settings: Settings) -> None:
    done = run(folder / "certificate.json", state=folder)
    assert done.exit_code == 2 and "No key to check with" in done.output
    assert run(folder / "certificate.json", "--key-id", "0" * 16, state=settings.state_dir).exit_code == 2
    assert run(folder / "certificate.json", "--key", folder / "certificate.json", state=folder).exit_code == 2
    assert run(folder / "certificate.json", "--url", "http://127.0.0.1:1", state=folder).exit_code == 2
    assert run(folder / "certificate.json", "--blocks", "much", state=folder).exit_code == 2
    assert not (folder / "signing-key.pem").exists(), "verifying makes no key"


def test_a_key_id_chooses_among_the_known_keys(folder: Path, settings: Settings, key: SigningKey) -> None:
    chosen = ("--key-id", key.public.key_id)
    assert run(folder / "certificate.json", *chosen, state=settings.state_dir).exit_code == 0


def test_the_seed_that_is_printed_repeats_the_choice(folder: Path, settings: Settings, digit: Path) -> None:
    arguments = (folder / "certificate.json", "--image", digit, "--blocks", "30", "--seed", "9")
    one, two = (run(*arguments, state=settings.state_dir).output for _ in range(2))
    assert "chosen with seed 9" in one and one == two
    assert json.loads((folder / "certificate.json").read_text())["samples"] == 256
