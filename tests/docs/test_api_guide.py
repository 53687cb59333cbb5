"""Every shell block of docs/api.md runs as printed, in order, against the running service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from worker.cli.stack import Stack
from worker.contract.settings import Settings


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(Settings(redis_url=None, state_dir=tmp_path / "state")) as running:
        yield running


def test_every_block_of_the_guide_runs(stack: Stack, tmp_path: Path, digit: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is missing: the guide's examples were not run")
    blocks = re.findall(r"^```sh\n(.*?)^```", (REPOSITORY / "docs" / "api.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 10
    script = "set -euo pipefail\n" + "\n".join(
        f"echo '== block {number}'\n{block}" for number, block in enumerate(blocks)
    )
    environment = {"PATH": os.environ["PATH"], "URL": stack.url, "IMAGE": str(digit), "no_proxy": "*"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
