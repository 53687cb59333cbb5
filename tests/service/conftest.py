"""A real server for the folder, and a clean store for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
import redis

from tests.service.polling import children
from worker.contract.settings import Settings
from worker.service.server import RedisServer
from worker.store.jobs import JobStore

MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="package")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(redis_url=None, state_dir=tmp_path_factory.mktemp("state"))
    with RedisServer(settings) as url:
        yield url
    assert not children(os.getpid()), "a process was left behind"


@pytest.fixture(scope="package")
def make_settings(server_url: str) -> MakeSettings:
    """Settings on database `db` of the server; other fields as given."""

    def make(db: int = 1, **fields: object) -> Settings:
        return Settings.model_validate({"redis_url": f"{server_url}?db={db}", **fields})

    return make


@pytest.fixture(scope="package")
def raw(make_settings: MakeSettings) -> Iterator[redis.Redis]:
    """A plain client on database 1, to look behind the store and to move its clock."""
    url = make_settings().redis_url
    with redis.Redis.from_url(str(url), decode_responses=True) as client:
        yield client


@pytest.fixture
def make_store(make_settings: MakeSettings, raw: redis.Redis) -> Iterator[Callable[..., JobStore]]:
    """Stores on the emptied database 1, with the settings given."""
    raw.flushdb()
    made: list[JobStore] = []

    def make(**fields: object) -> JobStore:
        made.append(JobStore(make_settings(**fields)))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: Callable[..., JobStore]) -> JobStore:
    return make_store()


@pytest.fixture
def age(raw: redis.Redis) -> Callable[[str, float], None]:
    """Makes a job older, as if so many seconds had passed since everything that is written of it."""

    def move(job_id: str, seconds: float) -> None:
        shift = round(seconds * 1000)
        key = f"surety:job:{job_id}"
        for field in ("created_at", "started_at", "claimed_at", "beat_at", "lease_until", "deadline"):
            if raw.hexists(key, field):
                raw.hincrby(key, field, -shift)
        for index in ("surety:active", "surety:shards", "surety:jobs"):
            if raw.zscore(index, job_id) is not None:
                raw.zincrby(index, -shift, job_id)

    return move
