"""GET /v1/jobs/{id}/events: a job's progress as server-sent events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from app.caller import Seen
from app.state import Shared
from app.watch import Watch
from worker.contract.errors import JobError
from worker.store.record import JobRecord

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

# Below the minute after which proxies end silent connections.
HEARTBEAT_SECONDS = 15.0
# A proxy that buffers would hold every event back until the end.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `progress`, then one `finished`; the data of each is the job.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "The client has seen the last event: it need not connect again."},
}
Last = Annotated[str | None, Header(alias="Last-Event-ID", max_length=128)]


@router.get("/{job_id}/events", response_class=Response, responses=DESCRIBED)
async def get_events(record: Seen, shared: Shared, last_event_id: Last = None) -> Response:
    """The job at every change until it has finished. With `Last-Event-ID` only what came after that event."""
    if record.finished and last_event_id == _mark(record):
        return Response(status_code=204)
    return EventSourceResponse(_events(shared.watch, record, last_event_id), headers=HEADERS)


async def _events(watch: Watch, record: JobRecord, seen: str | None) -> AsyncIterator[bytes]:
    spoke = time.monotonic()
    try:
        async for now in watch.changes(record):
            if (mark := _mark(now)) != seen:
                name = "finished" if now.finished else "progress"
                yield format_sse_event(event=name, data_str=now.job().model_dump_json(), id=mark)
                seen, spoke = mark, time.monotonic()
            elif time.monotonic() - spoke >= HEARTBEAT_SECONDS:
                yield KEEPALIVE_COMMENT
                spoke = time.monotonic()
    except JobError:
        return  # deleted meanwhile: the client that asks again is told so


def _mark(record: JobRecord) -> str:
    """The id of an event: it changes when there is something new to say."""
    return f"{record.state}-{record.attempt}-{record.progress.done}"
