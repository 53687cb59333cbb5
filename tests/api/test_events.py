"""Server-sent events: what is new and only that, for as long as somebody listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message

import app.routes.events as module
from tests.api.client import Client
from tests.api.conftest import Post
from tests.api.problem import problem
from tests.api.test_jobs import finished, queued
from worker.contract.errors import StoreUnavailable
from worker.contract.job import Job
from worker.store.jobs import JobStore
from worker.store.orders import Claim

Event = dict[str, str]


class Listener:
    """One client of the stream, on the ASGI interface. `bytes` is what it got so far."""

    def __init__(self, client: Client, job_id: str, last: str | None = None) -> None:
        self.bytes = b""
        self.status = 0
        self._left = asyncio.Event()
        headers = [(b"last-event-id", last.encode())] if last else []
        path = f"/v1/jobs/{job_id}/events"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "server": ("surety", 80),
            "client": ("127.0.0.1", 1),
        }
        self.task = asyncio.create_task(client.app(scope, self._receive, self._send))

    def leave(self) -> None:
        self._left.set()

    async def until(self, condition: Callable[[Listener], object]) -> None:
        async with asyncio.timeout(10):
            while not condition(self):
                assert not self.task.done(), self.task
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        async with asyncio.timeout(10):
            await self.task

    @property
    def events(self) -> list[Event]:
        parts = self.bytes.decode().split("\n\n")[:-1]
        return [dict(line.split(": ", 1) for line in part.splitlines()) for part in parts if not part.startswith(":")]

    @property
    def marks(self) -> list[tuple[str, str]]:
        """Without the data, whose estimate of the time left depends on when it was read."""
        return [(event["event"], event["id"]) for event in self.events]

    async def _receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.bytes += message.get("body", b"")


@pytest.fixture
def running(post: Post, store: JobStore) -> str:
    job_id = queued(post)
    assert isinstance(store.claim(job_id, "w"), Claim)
    return job_id


def test_progress_then_finished_each_once(client: Client, store: JobStore, running: str) -> None:
    async def play() -> list[Event]:
        first = Listener(client, running)
        await first.until(lambda it: len(it.events) == 1)
        store.beat(running, 1, 100, 1024)
        await first.until(lambda it: len(it.events) == 2)
        later = Listener(client, running, last=first.events[0]["id"])
        current = Listener(client, running, last=first.events[1]["id"])
        await later.until(lambda it: len(it.events) == 1)
        await asyncio.sleep(0.4)
        assert later.marks == first.marks[1:] and current.bytes == b"", "what was seen is not sent again"
        store.finish(running, 1, b"{}", {"map.npz": b"m"})
        for listener in (first, later, current):
            await listener.end()
        assert later.marks == first.marks[1:] and current.marks == first.marks[2:]
        return first.events

    events = asyncio.run(play())
    assert [event["event"] for event in events] == ["progress", "progress", "finished"]
    assert len({event["id"] for event in events}) == 3
    jobs = [Job.model_validate(json.loads(event["data"])) for event in events]
    assert [(job.id, job.state, job.progress.done) for job in jobs] == [
        (running, "running", 0),
        (running, "running", 100),
        (running, "succeeded", 1024),
    ]
    assert jobs[2] == Job.model_validate(client.get(f"/v1/jobs/{running}").json())


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_a_finished_job_has_one_event_and_then_no_more(client: Client, post: Post, store: JobStore, state: str) -> None:
    job_id = finished(post, store, state)
    response = client.get(f"/v1/jobs/{job_id}/events")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store" and response.headers["x-accel-buffering"] == "no"
    assert response.text.startswith("event: finished\n") and response.text.count("\n\n") == 1
    mark = response.text.split("id: ")[1].strip()
    again = client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": mark})
    assert again.status_code == 204 and again.content == b"", "a browser would connect again for ever"
    assert client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "running-1-3"}).text == response.text


def test_who_leaves_is_forgotten(client: Client, running: str) -> None:
    async def play() -> None:
        listener = Listener(client, running)
        await listener.until(lambda it: it.events)
        listener.leave()
        await listener.end()
        await asyncio.sleep(0.6)
        assert not client.app.state.surety.watch._reads

    asyncio.run(play())


def test_a_deleted_job_ends_the_stream(client: Client, store: JobStore, running: str) -> None:
    async def play() -> None:
        listener = Listener(client, running)
        await listener.until(lambda it: it.events)
        store.delete(running)
        await listener.end()
        assert [event["event"] for event in listener.events] == ["progress"]

    asyncio.run(play())
    problem(client.get(f"/v1/jobs/{running}/events"), 404, "job_not_found")


def test_many_listeners_are_one_reader_that_outlives_the_store(
    client: Client, store: JobStore, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also: a silent stream is kept open by comments."""
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.3)
    served = client.app.state.surety.store
    calls, original = 0, served.get

    def counted(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in (23, 24):
            raise StoreUnavailable("away")
        return original(*args)

    monkeypatch.setattr(served, "get", counted)

    async def play() -> None:
        listeners = [Listener(client, running) for _ in range(20)]
        for listener in listeners:
            await listener.until(lambda it: b": ping" in it.bytes)
            assert len(listener.events) == 1
        await asyncio.sleep(0.5)
        store.cancel(running)
        for listener in listeners:
            await listener.end()
            assert [event["event"] for event in listener.events] == ["progress", "finished"]

    asyncio.run(play())
    assert 24 < calls < 45, "a read for each at first; twenty that went on alone would be a hundred"
