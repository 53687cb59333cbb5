"""The API's process stays light: it shares plain data with the workers and nothing that computes."""

from __future__ import annotations

import subprocess
import sys

FORBIDDEN = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "matplotlib",
    "models",
    "worker.core",
    "worker.service",
    "worker.verify",
)


def test_a_fresh_interpreter_that_imports_the_service_has_nothing_that_computes() -> None:
    code = "import sys, app.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    names = loaded.stdout.split()
    assert "app.main" in names and "worker.store.jobs" in names
    assert [name for name in names if name.startswith(tuple(f"{bad}." for bad in FORBIDDEN)) or name in FORBIDDEN] == []
