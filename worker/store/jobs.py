"""The job store: what happened to a job is what Redis says, and every change of a job is one atomic script.

Guarantees: a job that was created ends in exactly one final state; its result comes from one attempt; record, blobs and
idempotency key expire at one moment. Redis's clock is the only clock. Needs Redis 7.0 or Valkey 7.2 or newer.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal, cast

from pydantic import BaseModel

from worker.contract.audit import Asker
from worker.contract.errors import (
    ArtifactNotFound,
    IdempotencyConflict,
    JobExpired,
    JobFinished,
    JobNotFinished,
    JobNotFound,
    Problem,
    QueueFull,
)
from worker.contract.job import SHARD, JobState
from worker.contract.model import ModelCard
from worker.contract.settings import Settings
from worker.contract.signature import KnownKey, PublicKey
from worker.store.orders import Claim, Created, Item, Order, ShardOrder
from worker.store.record import JobRecord, read_record
from worker.store.scripts import Scripts, connect, store_errors

Refusal = Literal["finished", "held", "cancelled", "gone", "exhausted"]
Verdict = Literal["ok", "lost", "cancelled", "deadline"]

# A worker says every ANNOUNCE_SECONDS that it is there; two may get lost before it counts as gone.
ANNOUNCE_SECONDS = 5.0
_SEEN_MS = round(3 * ANNOUNCE_SECONDS * 1000)
_ID = re.compile(r"[0-9a-f]{32}")
_BLOB = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NONE: Mapping[str, int] = MappingProxyType({})
_NO_FACTS: Mapping[str, str] = MappingProxyType({})
_RESERVED = frozenset({"image", "result", "checkpoint"})


class News(BaseModel):
    """What a worker announces."""

    code: str
    models: tuple[ModelCard, ...]


class JobStore:
    """Jobs, their blobs and the workers seen. One object per process; its methods may be called by many threads.

    Every method raises StoreUnavailable when Redis does not answer; those that take a client's id raise JobNotFound or
    JobExpired.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.redis_url is None:
            raise ValueError("the job store needs settings.redis_url; RedisServer gives one")
        self._redis = connect(settings.redis_url)
        self._scripts = Scripts(self._redis, settings)

    def close(self) -> None:
        self._redis.close()

    def ping(self) -> None:
        """Returns when Redis answers."""
        with store_errors():
            self._redis.ping()

    # What the API does

    def create(
        self,
        kind: str,
        payload: str,
        image: bytes,
        *,
        digest: str,
        idempotency_key: str | None = None,
        correlation_id: str = "",
        owner: str = "",
        total: int = 0,
        webhook: str = "",
        source: str = "",
        key: str = "",
        model: str = "",
        archive: str = "",
    ) -> Created:
        """A queued job with its image, both or neither; with a known key and the same `digest`, the job there is.

        The caller makes `digest` from all that decides the answer, and puts the owner into `idempotency_key`. If the
        job `source` is of this owner and digest and has succeeded, the new one is finished with copies of its parts.
        Raises IdempotencyConflict, QueueFull.
        """
        order = Order(kind, payload, total, idempotency_key, correlation_id, owner, webhook, key, model, archive)
        return self._create(order, digest, "", [Item(digest, source, image)])

    def _create(self, order: Order, digest: str, batch: str, items: Sequence[Item]) -> Created:
        key = "" if order.idempotency_key is None else hashlib.sha256(order.idempotency_key.encode()).hexdigest()
        mail = json.dumps({"webhook": order.webhook, "archive": order.archive})
        if order.webhook or order.archive:
            digest += mail
        head = (order.kind, order.payload, key, digest, order.correlation_id, order.owner, order.total, mail)
        jobs = [part for item in items for part in (secrets.token_hex(16), *item, _submitted(order, item))]
        answer = self._scripts.run("create", *head, batch, *jobs)
        outcome, known = answer[0].decode(), answer[1].decode()
        if outcome == "conflict":
            raise IdempotencyConflict(
                "This Idempotency-Key came with another request before. Use a new key for a new request."
            )
        if outcome == "full":
            raise QueueFull("As many jobs are waiting as this service allows. Try again later.")
        return Created(known, fresh=outcome == "created")

    def get(self, job_id: str, owner: str | None = None) -> JobRecord:
        """The job, if it is of this owner (None: of anybody). To everybody else it was never there."""
        record = self._records([job_id])[0] if _ID.fullmatch(job_id) else None
        if record is None or record.kind == SHARD or owner not in (None, record.owner):
            raise self._missing(job_id, owner)
        return record

    def shards(self, job_id: str) -> list[JobRecord]:
        """The shards of an unfinished job that was split, in order; they have no address of their own."""
        return [record for record in self._records(list(self.get(job_id).shards)) if record]

    def blob(self, job_id: str, name: str) -> bytes:
        """The image, the result or an artifact. Raises JobNotFinished, ArtifactNotFound."""
        if _ID.fullmatch(job_id) and _BLOB.fullmatch(name) and name != "checkpoint":
            with store_errors():
                data = self._redis.get(f"surety:blob:{job_id}:{name}")
            if data is not None:
                return cast(bytes, data)
        if not self.get(job_id).finished:
            raise JobNotFinished("The job has not finished. Ask for the job to see how far it is.")
        raise ArtifactNotFound("The job has nothing of this name. The links of its result name what there is.")

    def jobs(
        self, *, state: JobState | None = None, owner: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[JobRecord], str | None]:
        """Up to `limit` jobs, newest first, and the cursor of the next page or None. A bad cursor raises ValueError."""
        found: list[JobRecord] = []
        for place, record in self._walk(cursor, page=max(limit, 20)):
            if record and state in (None, record.state) and owner in (None, record.owner):
                found.append(record)
                if len(found) == limit:
                    return found, place
        return found, None

    def cancel(self, job_id: str, asker: Asker | None = None) -> None:
        """The job is cancelled, now or before. Raises JobFinished if it succeeded or failed."""
        outcome = self._scripts.run("cancel", job_id, _asked(asker)).decode()
        if outcome == "finished":
            raise JobFinished("The job has finished; there is nothing to cancel.")
        if outcome != "ok":
            raise self._missing(job_id)

    def delete(self, job_id: str, asker: Asker | None = None) -> None:
        """Nothing of the job is left, running or not, known or not. Its id is unknown from now on."""
        self._scripts.run("delete", job_id, _asked(asker))

    # What a worker does

    def claim(self, job_id: str, worker: str) -> Claim | Refusal:
        """The job with the next attempt's number, or why it cannot be had."""
        answer = self._scripts.run("claim", job_id, worker, secrets.token_hex(8))
        if answer[0] != b"claimed":
            return cast(Refusal, answer[0].decode())
        _, attempt, kind, payload, correlation, image, checkpoint, parts = answer
        return Claim(
            job_id,
            int(attempt),
            kind.decode(),
            payload.decode(),
            correlation.decode(),
            image or b"",
            checkpoint,
            tuple(parts),
        )

    def beat(self, job_id: str, attempt: int, done: int, total: int, checkpoint: bytes | None = None) -> Verdict:
        """Renews the lease and keeps the checkpoint; anything but "ok" means: stop, the job is not yours any more."""
        news = () if checkpoint is None else (checkpoint,)
        return cast(Verdict, self._scripts.run("beat", job_id, attempt, done, total, *news).decode())

    def finish(
        self,
        job_id: str,
        attempt: int,
        result: bytes,
        artifacts: Mapping[str, bytes],
        tally: Mapping[str, int] = _NONE,
        facts: Mapping[str, str] = _NO_FACTS,
    ) -> bool:
        """True: the job has succeeded with exactly this. False: another attempt holds it; nothing was changed.

        `tally` is added to the statistics; its `samples` are all of the job's. `facts` go to the audit log.
        """
        bad = [name for name in artifacts if not _BLOB.fullmatch(name) or name in _RESERVED]
        if bad:
            raise ValueError(f"not names of artifacts: {bad}")
        parts = [part for pair in artifacts.items() for part in pair]
        news = (json.dumps(dict(tally)), json.dumps(dict(facts)))
        return bool(self._scripts.run("finish", job_id, attempt, *news, "result", result, *parts) == b"ok")

    def fail(self, job_id: str, attempt: int, problem: Problem) -> bool:
        """True: the job has failed with this problem. False: another attempt holds it; nothing was changed."""
        return bool(self._scripts.run("fail", job_id, attempt, problem.model_dump_json()) == b"ok")

    def handback(self, job_id: str, attempt: int, checkpoint: bytes | None = None) -> bool:
        """True: the job is queued again, at once, and this attempt is not held against it."""
        news = () if checkpoint is None else (checkpoint,)
        return bool(self._scripts.run("handback", job_id, attempt, *news) == b"ok")

    def split(self, job_id: str, attempt: int, checkpoint: bytes, orders: Sequence[ShardOrder]) -> list[str] | None:
        """The job waits for these shards, without a worker, and is queued again when the last has delivered.

        The ids to be sent; None if another attempt holds the job: nothing was changed. A shard that fails fails all.
        """
        parts = [part for order in orders for part in (secrets.token_hex(16), *order)]
        shards = self._scripts.run("split", job_id, attempt, checkpoint, *parts)
        return [shard.decode() for shard in shards] or None

    def deliver(self, shard_id: str, attempt: int, counts: bytes) -> list[str] | None:
        """These are the counts of the shard. The ids to be sent: its job's, if it was the last one, else none; None if
        another attempt holds the shard: nothing was changed."""
        outcome, *ready = self._scripts.run("deliver", shard_id, attempt, counts)
        return [job_id.decode() for job_id in ready] if outcome == b"ok" else None

    # What the supervisor does

    def reconcile(self, most: int = 100) -> list[str]:
        """Ends or requeues what time has run out for; the ids returned are to be sent again."""
        return [job_id.decode() for job_id in self._scripts.run("reconcile", most)]

    def announce(self, worker: str, cards: str, code: str = "") -> None:
        """This worker is there, has these models (a JSON list of model cards) and computes with this code."""
        news = f'{{"code": {json.dumps(code)}, "models": {cards}}}'
        with store_errors(), self._redis.pipeline(transaction=True) as pipe:
            pipe.set(f"surety:worker:{worker}", news, px=_SEEN_MS)
            pipe.sadd("surety:workers", worker)
            pipe.execute()

    def publish(self, key: PublicKey) -> None:
        """Certificates of this service may be signed with this key. It stays known when its worker is gone."""
        with store_errors():
            seconds, micros = self._redis.time()
            seen = datetime.fromtimestamp(seconds + micros / 1e6, UTC)
            known = KnownKey(**key.model_dump(), first_seen=seen)
            self._redis.hsetnx("surety:signers", key.key_id, known.model_dump_json())

    def retire(self, worker: str) -> None:
        """This worker is gone, without waiting for its announcement to run out."""
        with store_errors():
            self._redis.delete(f"surety:worker:{worker}")

    # What everybody may look at

    def workers(self) -> list[str]:
        """The workers announced of late."""
        return sorted(self._announced())

    def models(self) -> tuple[ModelCard, ...]:
        """The models of all workers announced of late, by name."""
        cards = {card.name: card for news in self._announced().values() for card in news.models}
        return tuple(cards[name] for name in sorted(cards))

    def codes(self) -> set[str]:
        """The digests of the code that the workers announced of late compute with."""
        return {news.code for news in self._announced().values()}

    def public_keys(self) -> list[KnownKey]:
        """The keys that workers of this service sign or signed with, the first seen first."""
        with store_errors():
            found = cast(dict[bytes, bytes], self._redis.hgetall("surety:signers"))
        return sorted(map(KnownKey.model_validate_json, found.values()), key=lambda key: (key.first_seen, key.key_id))

    def unfinished(self) -> int:
        """Queued and running jobs."""
        with store_errors():
            return self._redis.zcard("surety:active")

    def stats(self) -> dict[str, int]:
        """Counts since the store was made; what never happened is not in it.

        created, reused, split, succeeded, failed, cancelled, fenced, leases_expired, resent, handed_back, samples,
        webhooks_sent, webhooks_failed, results_stored, results_not_stored, and what was certified: outcome_certified,
        outcome_vacuous, outcome_unproven.
        """
        with store_errors():
            counts = cast(dict[bytes, bytes], self._redis.hgetall("surety:stats"))
        return {name.decode(): int(value) for name, value in counts.items()}

    def _records(self, ids: list[str]) -> list[JobRecord | None]:
        # No transaction: at its memory limit Redis refuses even reads in one. Each record is read in one step anyway.
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for job_id in ids:
                pipe.hgetall(f"surety:job:{job_id}")
            (seconds, micros), *hashes = pipe.execute()
        now = seconds * 1000 + micros // 1000
        return [
            read_record(job_id, fields, now) if fields else None for job_id, fields in zip(ids, hashes, strict=True)
        ]

    def _missing(self, job_id: str, owner: str | None = None) -> JobExpired | JobNotFound:
        with store_errors():
            was = cast(bytes | None, self._redis.get(f"surety:gone:{job_id}"))
        if was is not None and owner in (None, was.decode()):
            return JobExpired("The job's time is over, and its result was removed. Send the request again.")
        return JobNotFound("There is no job of this id, or it was deleted.")

    def _walk(self, cursor: str | None, page: int) -> Iterator[tuple[str, JobRecord | None]]:
        """All jobs behind the cursor, newest first, each with its own place. Ties of time are ordered by id."""
        top, last = _place(cursor) if cursor else (None, "")
        offset = 0
        while True:
            with store_errors():
                rows = cast(
                    list[tuple[bytes, float]],
                    self._redis.zrevrangebyscore(
                        "surety:jobs", "+inf" if top is None else top, "-inf", start=offset, num=page, withscores=True
                    ),
                )
            fresh = [(member.decode(), int(score)) for member, score in rows]
            fresh = [(job_id, score) for job_id, score in fresh if score != top or job_id < last]
            records = self._records([job_id for job_id, _ in fresh])
            for (job_id, score), record in zip(fresh, records, strict=True):
                yield f"{score}-{job_id}", record
            if len(rows) < page:
                return
            offset += page

    def _announced(self) -> dict[str, News]:
        with store_errors():
            names = sorted(cast(set[bytes], self._redis.smembers("surety:workers")))
            cards = self._redis.mget([b"surety:worker:" + name for name in names]) if names else []
            gone = [name for name, text in zip(names, cards, strict=True) if text is None]
            if gone:
                self._redis.srem("surety:workers", *gone)
        known = zip(names, cards, strict=True)
        return {name.decode(): News.model_validate_json(cast(bytes, text)) for name, text in known if text is not None}


def _submitted(order: Order, item: Item) -> str:
    """What the audit log says of a new job, beside what its record says. A digest tells nothing of an image that one
    does not have."""
    image, spec = hashlib.sha256(item.image).hexdigest(), hashlib.sha256(order.payload.encode()).hexdigest()
    return json.dumps({"key": order.key, "model": order.model, "input_sha256": image, "spec_sha256": spec})


def _asked(asker: Asker | None) -> str:
    return json.dumps(asker._asdict() if asker else {})


def _place(cursor: str) -> tuple[int, str]:
    score, _, job_id = cursor.partition("-")
    if not score.isdecimal() or not _ID.fullmatch(job_id):
        raise ValueError("not a cursor of this list")
    return int(score), job_id
