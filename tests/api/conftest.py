"""The API over a real store, without a worker: nothing is computed, so every answer is the API's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from app.main import create_app
from tests.api.client import Client
from tests.images.files import encode, smooth
from worker.contract.settings import Settings
from worker.service.server import RedisServer
from worker.store.jobs import JobStore

LIMIT = 64 * 1024
PNG = encode(smooth(8, 8), "PNG")
MakeClient = Callable[..., Client]


class Post:
    """Posts to /v1/explanations."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __call__(self, image: bytes = PNG, spec: object = None, **headers: str) -> Any:
        """A form; a spec that is text is sent as it is."""
        data = {} if spec is None else {"spec": spec if isinstance(spec, str) else json.dumps(spec)}
        return self.client.post("/v1/explanations", files={"image": ("a.png", image)}, data=data, headers=headers)

    def raw(self, body: bytes, kind: str) -> Any:
        return self.client.post("/v1/explanations", content=body, headers={"Content-Type": kind})


@pytest.fixture(scope="package")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with RedisServer(Settings(redis_url=None, state_dir=tmp_path_factory.mktemp("api"))) as server:
        yield f"{server}?db=1"


@pytest.fixture(scope="package")
def raw(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client


@pytest.fixture
def make_client(url: str, raw: redis.Redis) -> Iterator[MakeClient]:
    """Clients of services with these settings, on an emptied store."""
    raw.flushdb()
    with ExitStack() as stack:

        def make(**fields: object) -> Client:
            defaults = {
                "redis_url": url,
                "max_body_bytes": LIMIT,
                "max_pixels": 1_000_000,
                "max_samples": 10_000,
                "allow_anonymous": True,
            }
            settings = Settings.model_validate({**defaults, "max_queue": 100_000, **fields})
            return stack.enter_context(Client(create_app(settings)))

        yield make


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    return make_client()


@pytest.fixture
def post(client: Client) -> Post:
    return Post(client)


@pytest.fixture
def store(url: str, make_client: MakeClient) -> Iterator[JobStore]:
    """The store as a worker has it."""
    found = JobStore(Settings(redis_url=url))
    yield found
    found.close()
