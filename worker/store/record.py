"""A job as the store knows it: everything that the record holds, read in one step at one moment of Redis's clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from pydantic import BaseModel, ConfigDict

from worker.contract.errors import Problem
from worker.contract.job import FINISHED, Job, JobState, Progress, Stored

# Blobs that are not artifacts: clients get the result at an address of its own, and the others never.
HIDDEN = frozenset({"image", "result", "checkpoint"})


class JobRecord(BaseModel):
    """A job's record without the blobs. `attempt` is the fence; `returned` counts hand-backs and splits among
    the attempts.

    `source` is the job whose result this one took over, `told` counts the tries to reach the webhook, `archive` is
    where the results shall be stored and `stored` what became of it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    state: JobState
    attempt: int
    returned: int
    worker: str | None
    owner: str
    correlation_id: str
    digest: str
    payload: str
    names: tuple[str, ...]
    shards: tuple[str, ...]
    webhook: str
    archive: str
    batch: str
    source: str
    told: int
    stored: Stored | None
    progress: Progress
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    lease_until: datetime | None
    deadline: datetime | None
    error: Problem | None

    @property
    def finished(self) -> bool:
        return self.state in FINISHED

    @property
    def links(self) -> dict[str, str]:
        """Where the parts of the job are: artifacts appear when it has succeeded."""
        base = f"/v1/jobs/{self.id}"
        known = {"self": base, "result": f"{base}/result"}
        known |= {"events": f"{base}/events", "cancel": f"{base}/cancel"} if not self.finished else {}
        known |= {"batch": f"/v1/batches/{self.batch}"} if self.batch else {}
        known |= {"source": f"/v1/jobs/{self.source}"} if self.source else {}
        return known | {name: f"{base}/artifacts/{name}" for name in self.names if name not in HIDDEN}

    def job(self) -> Job:
        """The part that clients see."""
        return Job(
            id=self.id,
            kind=self.kind,
            state=self.state,
            attempt=self.attempt,
            progress=self.progress,
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            expires_at=self.expires_at,
            reused=bool(self.source),
            stored=self.stored,
            links=self.links,
            error=self.error,
        )


def read_record(job_id: str, fields: Mapping[bytes, bytes], now_ms: int) -> JobRecord:
    """The record of a Redis hash, with the progress as of `now_ms`."""
    text = {name.decode(): value.decode() for name, value in fields.items()}
    created = _time(text, "created_at")
    if created is None:
        raise ValueError(f"the record of job {job_id} has no created_at")
    if text["state"] == "waiting" or (text["state"] == "queued" and "shards" in text):
        text["state"] = "running"  # its shards are computed, or wait to be merged: to a client it is one job that runs
    running = text["state"] == "running"
    return JobRecord(
        id=job_id,
        kind=text["kind"],
        state=cast(JobState, text["state"]),
        attempt=int(text["attempt"]),
        returned=int(text["returned"]),
        worker=text.get("worker"),
        owner=text["owner"],
        correlation_id=text["correlation_id"],
        digest=text["digest"],
        payload=text["payload"],
        names=tuple(text["names"].split()),
        shards=tuple(text.get("shards", "").split()),
        webhook=text["webhook"],
        archive=text.get("archive", ""),
        batch=text["batch"],
        source=text["source"],
        told=int(text.get("tries_webhook", 0)),
        stored=_stored(text),
        progress=_progress(text, now_ms),
        created_at=created,
        started_at=_time(text, "started_at"),
        finished_at=_time(text, "finished_at"),
        expires_at=_time(text, "expires_at"),
        lease_until=_time(text, "lease_until") if running else None,
        deadline=_time(text, "deadline") if running else None,
        error=Problem.model_validate_json(text["error"]) if "error" in text else None,
    )


def _stored(text: Mapping[str, str]) -> Stored | None:
    """What was not computed is not stored either."""
    if not text.get("archive"):
        return None
    return cast(Stored, text.get("stored", "failed" if text["state"] in ("failed", "cancelled") else "pending"))


def _time(text: Mapping[str, str], field: str) -> datetime | None:
    return datetime.fromtimestamp(int(text[field]) / 1000, UTC) if field in text else None


def _progress(text: Mapping[str, str], now_ms: int) -> Progress:
    done, total = int(text["done"]), int(text["total"])
    share = done / total if total else float(text["state"] == "succeeded")
    return Progress(done=done, total=total, percent=round(100.0 * min(share, 1.0), 1), eta_seconds=_eta(text, now_ms))


def _eta(text: Mapping[str, str], now_ms: int) -> float | None:
    """What is left at the pace of this attempt: work of an earlier attempt came from its checkpoint, at no cost."""
    fresh = int(text["done"]) - int(text["base"])
    if text["state"] != "running" or fresh <= 0:
        return None
    claimed, beat = int(text["claimed_at"]), int(text["beat_at"])
    left = (int(text["total"]) - int(text["done"])) * (beat - claimed) / fresh
    return round(max(0.0, left - (now_ms - beat)) / 1000, 1)
