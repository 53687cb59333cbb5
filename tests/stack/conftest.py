"""The whole service, started once: a real Redis server, a real worker, a real API on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.service.polling import children
from tests.stack.squeezenet import write_card
from worker.cli.client import Client
from worker.cli.stack import Stack
from worker.contract.settings import Settings


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service, with an operator's own models directory that holds SqueezeNet where its weights are at hand."""
    models = tmp_path_factory.mktemp("models")
    write_card(models)
    before = set(children(os.getpid()))
    with Stack(Settings(redis_url=None, state_dir=tmp_path_factory.mktemp("state"), models_dir=models)) as running:
        yield running
    assert set(children(os.getpid())) <= before, "a process was left behind"


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as http:
        yield http
