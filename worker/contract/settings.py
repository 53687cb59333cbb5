"""Settings, read once from the environment (`SURETY_...`) at an entry point and passed down. Units are in the names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """One frozen object for the API, the workers and the command line."""

    model_config = SettingsConfigDict(env_prefix="SURETY_", frozen=True, extra="ignore")

    redis_url: str | None = Field(
        default=None, description="redis://, rediss:// or unix:// URL; none: the embedded server"
    )
    state_dir: Path = Field(default=Path("var"), description="where the embedded server keeps its data")
    broker_url: str | None = Field(default=None, description="Celery's broker; none: the same server as redis_url")
    models_dir: Path | None = Field(default=None, description="a directory of further model cards (YAML)")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    worker_processes: int = Field(default=1, ge=1, le=64)
    threads: int | None = Field(
        default=None, ge=1, description="torch threads of a worker process; none: its share of cores"
    )

    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    max_pixels: int = Field(default=64_000_000, ge=1)
    max_samples: int = Field(default=65_536, ge=1)
    max_queue: int = Field(default=100, ge=1)

    result_ttl_seconds: int = Field(default=24 * 3600, ge=1)
    lease_seconds: float = Field(default=20.0, gt=0.0)
    resend_seconds: float = Field(default=30.0, gt=0.0, description="a queued job is sent again after this long")
    deadline_seconds: float = Field(default=3600.0, gt=0.0, description="a running attempt is ended after this long")
    max_attempts: int = Field(default=3, ge=1)
    kernel: str = Field(
        default="worker.service.explain:kernel", description="what computes a job: module:name; for tests"
    )
