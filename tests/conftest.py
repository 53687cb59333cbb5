"""What every folder of tests may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

REPOSITORY = Path(__file__).parent.parent
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What settings leave open goes into a folder of this run: no test finds or leaves a key or a server elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SURETY_STATE_DIR", str(tmp_path_factory.mktemp("default-state")))
        yield


@pytest.fixture(scope="session")
def digit() -> Path:
    """A handwritten digit, a three, that the model never saw."""
    return REPOSITORY / "models" / "digits" / "samples" / "digit-3-0.png"


def missing(what: str) -> NoReturn:
    """Skip aloud for want of a program; in CI, which can install it, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} CI installs it in .ci/run.")
    pytest.skip(what)


def shared(name: str) -> Path:
    """A file or folder of the real inputs that are no part of the project; the test is skipped where it is missing."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"shared/{name} is not beside the repository: this test on real data was not run")
    return path
