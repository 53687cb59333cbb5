"""Rules of the code base that neither ruff, mypy nor import-linter checks."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, missing
from worker.contract.spec import Method
from worker.core.noises.base import Noise
from worker.core.noises.gaussian import Gaussian
from worker.core.registry import Registry

MODULES = [path for folder in ("app", "worker", "models") for path in sorted((REPOSITORY / folder).rglob("*.py"))]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_modules_are_short_and_say_what_they_are(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text)), "a module begins by saying what it is"


def test_nothing_unpickles_or_evaluates() -> None:
    forbidden = {"pickle", "marshal", "shelve", "dill"}
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                assert not forbidden & {alias.name for alias in node.names}, module
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, module
            if isinstance(node, ast.Attribute):
                assert not (node.attr == "load" and isinstance(node.value, ast.Name) and node.value.id == "torch"), (
                    module
                )


def test_two_methods_of_one_name_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "twice"
    package.mkdir()
    (package / "__init__.py").touch()
    body = "from worker.core.noises.gaussian import Gaussian\nclass Copy(Gaussian):\n    name = 'gaussian'\n"
    (package / "a.py").write_text(body)
    (package / "b.py").write_text(body)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(TypeError, match="two noises are called gaussian"):
        _ = Registry("noise", "twice", Noise).entries


def test_a_new_method_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "more"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wide.py").write_text(
        "from worker.core.noises.gaussian import Gaussian\nclass Wide(Gaussian):\n    name = 'wide'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    built = Registry("noise", "more", Noise).build(Method.model_validate({"name": "wide", "sigma": 1.0}), "/spec/noise")
    assert isinstance(built, Gaussian) and built.params.sigma == 1.0


def test_locks_hold_hashes_and_no_addresses() -> None:
    for lock in sorted((REPOSITORY / "requirements").glob("*.lock")):
        text = lock.read_text()
        assert "://" not in text and "index-url" not in text
        requirements = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
        assert requirements and all(line.endswith("\\") for line in requirements), lock


def test_dockerfiles_and_compose_are_sound() -> None:
    """hadolint on both files; the compose file through a compose client, where there is one."""
    files = [str(path) for path in sorted((REPOSITORY / "docker").glob("*.Dockerfile"))]
    assert len(files) == 3
    done = subprocess.run(
        [str(Path(sys.executable).with_name("hadolint")), *files], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout


def test_compose_file_is_valid() -> None:
    for client in (["docker", "compose"], ["docker-compose"]):
        try:
            known = subprocess.run([*client, "version"], capture_output=True, timeout=30).returncode == 0
        except OSError:
            known = False
        if known:
            break
    else:
        missing("There is no compose client: docker-compose.yml was not checked.")
    command = [
        *client,
        "-f",
        str(REPOSITORY / "docker-compose.yml"),
        "--profile",
        "gpu",
        "--profile",
        "archive",
        "config",
    ]
    environment = {"SURETY_REDIS_PASSWORD": "x", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": environment["PATH"]})
    assert refused.returncode != 0, "a missing password must stop it"
