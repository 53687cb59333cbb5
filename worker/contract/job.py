"""A job as the API shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from worker.contract.errors import Problem

Stored = Literal["pending", "stored", "failed"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
# The kind of a job that is a part of another: no client sees it.
SHARD = "shard"
VERIFICATION = "verification"
FINISHED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})


class Progress(BaseModel):
    """How far a job is. `eta_seconds` is None until the pace is known."""

    model_config = ConfigDict(frozen=True)

    done: int
    total: int
    unit: str = "samples"
    percent: float
    eta_seconds: float | None = None


class Job(BaseModel):
    """One unit of work and where its parts are found. Times are RFC 3339, UTC.

    `reused`: the result was there already, from the job that `links.source` names, and was not computed again.
    `stored`: what became of storing the DICOM objects in the archive that the request named; None if it named none.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    state: JobState
    attempt: int
    progress: Progress
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    reused: bool = False
    stored: Stored | None = None
    links: dict[str, str]
    error: Problem | None = None

    @property
    def finished(self) -> bool:
        return self.state in FINISHED
