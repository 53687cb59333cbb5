"""What the service is made of: locked, listed, and asked about by somebody who notices when there was no answer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

LOCKS = REPOSITORY / "requirements"
CLEAN = {"name": "numpy", "version": "2.4.0", "vulns": []}
BAD = {"name": "pillow", "version": "13.0.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["13.0.1"], "aliases": []}]}
# As the real one says it where it cannot reach its database; it then ends with 0.
SKIPPED = {"name": "amqp", "skip_reason": "Dependency not found on PyPI and could not be audited: amqp (5.4.2)"}


def audit(folder: Path, output: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """`make audit` of one lock, with a pip-audit that says this."""
    (folder / "said").write_text(output)
    program = folder / "pip-audit"
    program.write_text(f'#!/bin/sh\ncat "{folder / "said"}"\necho trouble >&2\nexit {status}\n')
    program.chmod(0o755)
    (folder / "one.lock").touch()
    code = "import sys; from pathlib import Path; import audit; sys.exit(audit.main(sys.argv[1], [Path(sys.argv[2])]))"
    return subprocess.run(
        [sys.executable, "-c", code, str(program), str(folder / "one.lock")],
        env={**os.environ, "PYTHONPATH": str(LOCKS)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("output", "ended", "status", "says"),
    [
        (report(CLEAN, CLEAN), 0, 0, "one.lock: clean"),
        (report(CLEAN, BAD), 1, 1, "pillow 13.0.0: PYSEC-1 (fixed in 13.0.1)"),
        (report(BAD, SKIPPED), 1, 1, "one.lock: VULNERABLE"),
        (report(CLEAN, SKIPPED), 0, 2, "one.lock: INCOMPLETE\n  skipped amqp"),
        (report(SKIPPED, SKIPPED), 0, 3, "one.lock: NOT AUDITED\n  all 2 packages were skipped"),
        (report(), 0, 3, "NOT AUDITED"),
        ("", 1, 3, "NOT AUDITED\n  pip-audit gave no report; it ended with 1: trouble"),
        ("Connection refused", 0, 3, "NOT AUDITED"),
        (report(CLEAN), 1, 2, "INCOMPLETE\n  pip-audit ended with 1: trouble"),
    ],
    ids=["clean", "bad", "bad-and-skipped", "some-skipped", "offline", "empty", "crashed", "garbage", "odd-status"],
)
def test_the_audit_passes_only_if_every_package_was_looked_up(
    tmp_path: Path, output: str, ended: int, status: int, says: str
) -> None:
    done = audit(tmp_path, output, ended)
    assert (done.returncode, says in done.stdout) == (status, True), done.stdout + done.stderr


def test_without_pip_audit_nothing_was_audited(tmp_path: Path) -> None:
    audit(tmp_path, "")
    (tmp_path / "pip-audit").unlink()
    done = subprocess.run(
        [sys.executable, "-c", f"import audit; print(audit.audit(audit.Path('x'), {str(tmp_path / 'pip-audit')!r}))"],
        env={**os.environ, "PYTHONPATH": str(LOCKS)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith('(3, ["pip-audit did not run'), done.stderr


def test_both_builds_of_torch_are_one_version() -> None:
    """The audit looks at one of them."""
    texts = [(LOCKS / f"torch-{build}.lock").read_text() for build in ("cpu", "cuda")]
    versions = {re.search(r"^torch==([0-9.]+)", text, re.MULTILINE)[1] for text in texts}  # type: ignore[index]
    assert len(versions) == 1


def test_the_sbom_lists_every_locked_package_with_its_hashes(tmp_path: Path) -> None:
    """As `make sbom` makes it."""
    lock = LOCKS / "api.lock"
    output = tmp_path / "api.json"
    program = str(Path(sys.executable).with_name("cyclonedx-py"))
    arguments = ["--pyproject", str(REPOSITORY / "pyproject.toml"), "--validate", "--output-reproducible"]
    command = [program, "requirements", str(lock), *arguments, "-o", str(output)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    document = json.loads(output.read_text())
    assert document["bomFormat"] == "CycloneDX" and document["metadata"]["component"]["name"] == "surety"
    locked = set(re.findall(r"^([a-z0-9._-]+)==([^ ]+)", lock.read_text(), re.MULTILINE))
    listed = {(part["name"], part["version"]): part for part in document["components"]}
    assert set(listed) == locked and len(locked) > 30
    for part in listed.values():
        (where,) = part["externalReferences"]
        assert all(len(digest["content"]) == 64 for digest in where["hashes"]) and where["hashes"]
