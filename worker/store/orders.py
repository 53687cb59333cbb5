"""What goes into the job store and what comes out: orders for jobs and shards, and jobs in hand."""

from __future__ import annotations

from typing import NamedTuple


class Created(NamedTuple):
    """The job of a request. `fresh` is False when an earlier request with this Idempotency-Key made it."""

    id: str
    fresh: bool


class Order(NamedTuple):
    """What the jobs of one request have in common. `key` is the id of the API key, "" without one; `archive` names
    where the results shall be stored, "" for nowhere."""

    kind: str
    payload: str
    total: int
    idempotency_key: str | None = None
    correlation_id: str = ""
    owner: str = ""
    webhook: str = ""
    key: str = ""
    model: str = ""
    archive: str = ""


class Item(NamedTuple):
    """One job of a request. `source` is a job whose result it may take over, or ""."""

    digest: str
    source: str
    image: bytes


class ShardOrder(NamedTuple):
    """A part of a job that another worker may do."""

    payload: str
    total: int


class Claim(NamedTuple):
    """A job in hand. `attempt` is the fence that every later call must show. `parts` are the counts of its shards, in
    order, if it was split before."""

    id: str
    attempt: int
    kind: str
    payload: str
    correlation_id: str
    image: bytes
    checkpoint: bytes | None
    parts: tuple[bytes, ...] = ()
