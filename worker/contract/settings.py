"""Settings, read once from the environment (`SURETY_...`) at an entry point and passed down. Units are in the names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """One frozen object for the API, the workers and the command line."""

    model_config = SettingsConfigDict(
        env_prefix="SURETY_",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # one that is not valid may still be a secret
    )

    redis_url: str | None = Field(
        default=None, description="redis://, rediss:// or unix:// URL; none: the embedded server"
    )
    state_dir: Path = Field(default=Path("var"), description="where the embedded server keeps its data")
    audit_dir: Path | None = Field(
        default=None, description="where the audit log is written, one folder for each store; none: audit in state_dir"
    )
    broker_url: str | None = Field(default=None, description="Celery's broker; none: the same server as redis_url")
    models_dir: Path | None = Field(default=None, description="a directory of further model cards (YAML)")
    signing_key_file: Path | None = Field(
        default=None, description="the workers' Ed25519 key (PEM, mode 0600); none: one in state_dir, made if missing"
    )
    allow_anonymous: bool | None = Field(
        default=None, description="requests without an API key; none: only `surety serve` on loopback allows them"
    )
    api_key: str | None = Field(default=None, repr=False, description="what the command line shows to the service")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    worker_processes: int = Field(default=1, ge=1, le=64)
    threads: int | None = Field(
        default=None, ge=1, description="torch threads of a worker process; none: its share of cores"
    )

    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    max_pixels: int = Field(default=64_000_000, ge=1)
    max_samples: int = Field(default=65_536, ge=1)
    max_queue: int = Field(default=100, ge=1)

    rate_limit: int = Field(default=0, ge=0, description="images a client may send in the window; 0: no limit")
    rate_window_seconds: float = Field(default=60.0, ge=1.0)

    webhook_hosts: str = Field(default="", description="hosts that webhooks may name: host or host:port, by commas")
    webhook_inside_hosts: str = Field(default="", description="likewise, and these may use http and private addresses")
    webhook_secret: str | None = Field(
        default=None,
        repr=False,
        pattern="^whsec_[A-Za-z0-9+/]{32,88}={0,2}$",
        description="signs webhooks: whsec_ and 24 to 64 random bytes in base64",
    )
    archives: Path | None = Field(default=None, description="the DICOMweb archives that requests may name (YAML)")
    archive_patience_seconds: float = Field(
        default=120.0, ge=0.0, description="how long a job tries again to fetch its image from an archive that is away"
    )
    log: Literal["text", "json"] = "text"

    result_ttl_seconds: int = Field(default=24 * 3600, ge=1)
    lease_seconds: float = Field(default=20.0, gt=0.0)
    resend_seconds: float = Field(default=30.0, gt=0.0, description="a queued job is sent again after this long")
    deadline_seconds: float = Field(default=3600.0, gt=0.0, description="a running attempt is ended after this long")
    max_attempts: int = Field(default=3, ge=1)
    shard_blocks: int = Field(
        default=128, ge=1, description="a job of more blocks than this is split into shards, for any workers to take"
    )
    kernel: str = Field(
        default="worker.service.explain:kernel", description="what computes a job: module:name; for tests"
    )
