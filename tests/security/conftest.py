"""The fixtures of tests/api: a service over a real store, with nothing that computes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.conftest import MakeClient, client, make_client, post, raw, store, url
from worker.contract.settings import Settings
from worker.store.keys import Keyring

__all__ = ["client", "make_client", "post", "raw", "store", "url"]


@pytest.fixture
def keyring(url: str, make_client: MakeClient) -> Iterator[Keyring]:
    """The keys of the emptied store."""
    found = Keyring(Settings(redis_url=url))
    yield found
    found.close()
