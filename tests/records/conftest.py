"""The fixtures of tests/service, and a scribe with a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.service.conftest import MakeSettings, make_settings, make_store, raw, server_url
from worker.contract.settings import Settings
from worker.service.scribe import Scribe
from worker.store.jobs import JobStore

__all__ = ["make_settings", "make_store", "raw", "server_url"]

MakeScribe = Callable[..., Scribe]


@pytest.fixture
def store(make_store: Callable[..., JobStore]) -> JobStore:
    """A store whose queue is never full."""
    return make_store(max_queue=100_000)


@pytest.fixture
def settings(make_settings: MakeSettings, store: JobStore, tmp_path: Path) -> Settings:
    """Settings of the emptied store."""
    return make_settings(audit_dir=tmp_path / "audit")


@pytest.fixture
def make_scribe(settings: Settings) -> Iterator[MakeScribe]:
    """Scribes that write when they are told to."""
    with ExitStack() as stack:

        def make(**fields: object) -> Scribe:
            made = Scribe(settings.model_copy(update=fields))
            stack.enter_context(closing(made._stream))
            return made

        yield make


@pytest.fixture
def scribe(make_scribe: MakeScribe) -> Scribe:
    return make_scribe()
