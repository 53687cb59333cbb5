"""A job that was split: what its shards may do, what ends them, and what a client sees of it all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from tests.service.test_store import PROBLEM, Age, claim, create
from worker.contract.errors import JobExpired, JobNotFinished, JobNotFound, QueueFull
from worker.store.jobs import JobStore
from worker.store.orders import ShardOrder

ORDERS = [ShardOrder(f'{{"shard": {number}}}', total) for number, total in enumerate((3, 2, 1))]


def split(store: JobStore, **more: object) -> tuple[str, list[str]]:
    """A job of seven samples, one of them done, and its shards of three, two and one."""
    job_id = create(store, **more)
    shards = store.split(job_id, claim(store, job_id).attempt, b"pilot", ORDERS)
    assert shards is not None and len(set(shards)) == 3
    return job_id, shards


def left(raw: redis.Redis) -> list[str]:
    """The keys that belong to shards."""
    owned = [key for key in raw.keys("surety:job:*") if raw.hexists(key, "parent")]
    return [*owned, *raw.keys("surety:counts:*"), *raw.keys("surety:shards"), *raw.keys("surety:blob:*:checkpoint")]


def test_a_split_job_runs_to_a_client_and_is_nobodys(store: JobStore) -> None:
    job_id, shards = split(store, correlation_id="c1", owner="o1")
    record = store.get(job_id)
    assert (record.state, record.attempt, record.finished, record.shards) == ("running", 1, False, tuple(shards))
    assert record.progress.done == 1 and record.progress.total == 7
    assert store.claim(job_id, "w") == "held"
    assert [found.id for found in store.jobs(state="running")[0]] == [job_id]
    assert [found.correlation_id for found in store.shards(job_id)] == ["c1"] * 3
    with pytest.raises(JobNotFinished):
        store.blob(job_id, "result")


def test_the_attempt_that_split_a_job_holds_it_no_more(store: JobStore, raw: redis.Redis) -> None:
    job_id, shards = split(store)
    before = raw.hgetall(f"surety:job:{job_id}")
    assert store.beat(job_id, 1, 5, 7, b"x") == "lost" and not store.handback(job_id, 1, b"x")
    assert not store.finish(job_id, 1, b"{}", {}) and not store.fail(job_id, 1, PROBLEM)
    assert raw.hgetall(f"surety:job:{job_id}") == before
    assert store.stats()["fenced"] == 2 and store.stats()["split"] == 1
    assert [record.state for record in store.shards(job_id)] == ["queued"] * 3 and len(shards) == 3


def test_a_split_by_an_attempt_that_lost_the_job_is_refused(store: JobStore, raw: redis.Redis, age: Age) -> None:
    job_id = create(store)
    claim(store, job_id)
    age(job_id, 21)
    assert claim(store, job_id, "w2").attempt == 2
    before = set(raw.keys())
    assert store.split(job_id, 1, b"", ORDERS) is None
    assert set(raw.keys()) == before and store.get(job_id).shards == () and store.stats()["fenced"] == 1


def test_a_split_and_a_delivery_sent_twice_are_one(store: JobStore, raw: redis.Redis) -> None:
    """As the client library does when a connection breaks before the answer."""
    job_id = create(store)
    claim(store, job_id)
    shards = store.split(job_id, 1, b"", ORDERS[:2]) or []
    assert store.split(job_id, 1, b"", ORDERS[:2]) == shards and len(shards) == 2
    assert store.get(job_id).returned == 1 and raw.zcard("surety:shards") == 2
    for shard, ready in zip(shards, ([], [job_id]), strict=True):
        claim(store, shard)
        assert store.deliver(shard, 1, b"a") == store.deliver(shard, 1, b"a") == ready
    assert claim(store, job_id).parts == (b"a", b"a") and store.get(job_id).progress.done == 7
    assert store.stats()["split"] == 1 and "fenced" not in store.stats()


def test_a_shard_is_claimed_with_the_image_of_its_job(store: JobStore) -> None:
    job_id, shards = split(store, correlation_id="c1")
    found = claim(store, shards[1])
    assert (found.kind, found.payload, found.image) == ("shard", '{"shard": 1}', b"pixels")
    assert (found.checkpoint, found.parts, found.correlation_id, found.attempt) == (None, (), "c1", 1)
    assert store.claim(shards[1], "w2") == "held" and store.get(job_id).attempt == 1


def test_shards_have_no_address_and_take_no_room(make_store: Callable[..., JobStore]) -> None:
    store = make_store(max_queue=2)
    job_id, shards = split(store)
    claim(store, shards[0])
    store.beat(shards[0], 1, 1, 3, b"x")
    claim(store, shards[1])
    store.deliver(shards[1], 1, b"counts")
    for shard in shards:
        for call in (store.get, store.cancel, store.shards):
            with pytest.raises(JobNotFound):
                call(shard)
        for name in ("image", "counts", "checkpoint", "result"):
            with pytest.raises(JobNotFound):
                store.blob(shard, name)
        store.delete(shard)
    assert [record.state for record in store.shards(job_id)] == ["running", "succeeded", "queued"]
    assert [record.id for record in store.jobs()[0]] == [job_id]
    assert store.unfinished() == 1 and store.stats()["created"] == 1
    create(store)
    with pytest.raises(QueueFull):
        create(store)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_last_delivery_queues_the_job_and_the_parts_keep_their_order(
    store: JobStore, raw: redis.Redis, order: tuple[int, ...]
) -> None:
    job_id, shards = split(store)
    for number in order:
        claim(store, shards[number])
        ready = store.deliver(shards[number], 1, b"counts %d" % number)
        assert ready == ([job_id] if number == order[-1] else [])
        assert store.claim(shards[number], "w") == "finished"
    assert store.get(job_id).state == "running" and store.get(job_id).progress.done == 7
    found = claim(store, job_id, "w2")
    assert (found.attempt, found.kind, found.checkpoint) == (2, "explanation", b"pilot")
    assert store.beat(job_id, 2, 0, 0) == "ok" and store.get(job_id).progress.done == 7
    assert found.parts == (b"counts 0", b"counts 1", b"counts 2")
    assert store.finish(job_id, 2, b"{}", {"map.npz": b"m"})
    assert left(raw) == [] and store.get(job_id).state == "succeeded"
    assert store.stats()["succeeded"] == 1 and store.unfinished() == 0


def test_progress_is_the_sum_of_the_shards(store: JobStore, age: Age) -> None:
    job_id, shards = split(store)
    for shard in shards:
        claim(store, shard)
    age(job_id, 10)
    for shard, done, expected in ((0, 1, 2), (1, 1, 3), (0, 2, 4), (0, 2, 4), (2, 1, 5)):
        assert store.beat(shards[shard], 1, done, ORDERS[shard].total, b"x") == "ok"
        assert store.get(job_id).progress.done == expected
    progress = store.get(job_id).progress
    assert progress.total == 7 and progress.eta_seconds == pytest.approx(5.0, abs=1.0)  # four in ten seconds, two left
    store.deliver(shards[0], 1, b"a")
    assert store.get(job_id).progress.done == 6


def test_a_shard_of_a_dead_worker_is_taken_over_from_its_checkpoint(store: JobStore, age: Age) -> None:
    job_id, shards = split(store)
    claim(store, shards[0])
    store.beat(shards[0], 1, 2, 3, b"two")
    age(shards[0], 21)
    assert store.reconcile() == [shards[0]]
    second = claim(store, shards[0], "w2")
    assert (second.attempt, second.checkpoint) == (2, b"two")
    assert store.beat(shards[0], 1, 3, 3, b"late") == "lost" and store.deliver(shards[0], 1, b"late") is None
    assert store.deliver(shards[0], 2, b"a") == [] and store.get(job_id).progress.done == 4
    assert store.stats()["leases_expired"] == 1 and store.stats()["fenced"] == 1 and store.get(job_id).attempt == 1


def test_a_shard_that_is_handed_back_goes_to_the_next(store: JobStore) -> None:
    _, shards = split(store)
    claim(store, shards[0])
    assert store.handback(shards[0], 1, b"so far") and store.reconcile() == [shards[0]]
    assert claim(store, shards[0]).checkpoint == b"so far"


def test_lost_messages_of_shards_and_of_the_merge_are_sent_again(store: JobStore, age: Age) -> None:
    job_id, shards = split(store)
    assert store.reconcile() == []
    for shard in shards:
        age(shard, 31)
    assert sorted(store.reconcile()) == sorted(shards)
    for shard in shards:
        claim(store, shard)
        store.deliver(shard, 1, b"a")
    age(job_id, 31)
    assert store.reconcile() == [job_id]


def test_a_worker_that_dies_merging_is_followed_by_another(make_store: Callable[..., JobStore], age: Age) -> None:
    """The attempt that split the job is not held against it."""
    store = make_store(max_attempts=2)
    job_id, shards = split(store)
    for shard in shards:
        claim(store, shard)
        store.deliver(shard, 1, b"a")
    for attempt in (2, 3):
        found = claim(store, job_id)
        assert found.attempt == attempt and found.parts == (b"a",) * 3
        age(job_id, 21)
        assert store.reconcile() == ([job_id] if attempt == 2 else [])
    error = store.get(job_id).error
    assert error and error.code == "attempts_exhausted"


def _fails(store: JobStore, age: Age, shards: list[str]) -> str:
    assert store.fail(shards[0], 1, PROBLEM)
    return PROBLEM.code


def _dies_too_often(store: JobStore, age: Age, shards: list[str]) -> str:
    for attempt in (1, 2, 3):
        age(shards[0], 21)
        assert store.reconcile() == ([shards[0]] if attempt < 3 else [])
        assert attempt == 3 or claim(store, shards[0]).attempt == attempt + 1
    return "attempts_exhausted"


def _is_late(store: JobStore, age: Age, shards: list[str]) -> str:
    age(shards[0], 3601)
    assert store.beat(shards[0], 1, 1, 3) == "deadline"
    return "deadline_exceeded"


@pytest.mark.parametrize("end", [_fails, _dies_too_often, _is_late])
def test_a_shard_that_fails_fails_its_job(
    store: JobStore, raw: redis.Redis, age: Age, end: Callable[[JobStore, Age, list[str]], str]
) -> None:
    job_id, shards = split(store)
    for shard in shards[:2]:
        claim(store, shard)
    code = end(store, age, shards)
    record = store.get(job_id)
    assert record.state == "failed" and record.error and record.error.code == code and record.expires_at
    assert left(raw) == [] and store.unfinished() == 0 and store.stats()["failed"] == 1
    assert store.beat(shards[1], 1, 1, 2, b"x") == "lost" and store.deliver(shards[1], 1, b"x") is None
    assert store.claim(shards[2], "w") == "gone" and left(raw) == []


@pytest.mark.parametrize("merging", [False, True], ids=["waiting", "merging"])
@pytest.mark.parametrize("end", ["cancel", "delete", "deadline"])
def test_no_shard_outlives_its_job(store: JobStore, raw: redis.Redis, age: Age, end: str, merging: bool) -> None:
    job_id, shards = split(store)
    for shard in shards:
        claim(store, shard)
        store.beat(shard, 1, 1, 3, b"x")
    store.deliver(shards[0], 1, b"a")
    if merging:
        assert store.deliver(shards[1], 1, b"b") == [] and store.deliver(shards[2], 1, b"c") == [job_id]
        claim(store, job_id)
    if end == "deadline":
        age(job_id, 3601)
        assert store.reconcile() == [] and store.get(job_id).state == "failed"
    else:
        getattr(store, end)(job_id)
    assert left(raw) == [] and store.unfinished() == 0 and store.reconcile() == []
    assert store.beat(shards[1], 1, 2, 2, b"x") == "lost" and store.deliver(shards[2], 1, b"x") is None
    assert left(raw) == []
    if end == "delete":
        assert sorted(raw.keys()) == ["surety:audit", "surety:stats"]


def test_expiry_leaves_nothing_of_a_split_job(make_store: Callable[..., JobStore], raw: redis.Redis) -> None:
    store = make_store(result_ttl_seconds=1)
    job_id, shards = split(store)
    store.fail(shards[0], claim(store, shards[0]).attempt, PROBLEM)
    for key in raw.keys(f"surety:*:{job_id}*"):
        if not key.startswith("surety:gone"):
            assert raw.pexpiretime(key) > 0
            raw.pexpireat(key, 1)
    raw.zadd("surety:expiry", {job_id: 1})
    store.reconcile()
    assert sorted(raw.keys()) == ["surety:audit", f"surety:gone:{job_id}", "surety:stats"]
    with pytest.raises(JobExpired):
        store.get(job_id)


def test_a_full_store_lets_a_split_job_end(store: JobStore, raw: redis.Redis) -> None:
    job_id = create(store)
    claim(store, job_id)
    raw.config_set("maxmemory", "1")
    try:
        shards = store.split(job_id, 1, b"", ORDERS) or []
        for shard in shards:
            claim(store, shard)
            assert store.deliver(shard, 1, b"a") is not None
        assert len(claim(store, job_id).parts) == 3 and store.finish(job_id, 2, b"{}", {})
    finally:
        raw.config_set("maxmemory", "0")
