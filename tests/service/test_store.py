"""Every script of the store: each legal and each illegal step of a job, and what must never be seen in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from worker.contract.errors import (
    ArtifactNotFound,
    DegenerateMap,
    IdempotencyConflict,
    JobExpired,
    JobFinished,
    JobNotFinished,
    JobNotFound,
    QueueFull,
    StoreUnavailable,
)
from worker.contract.settings import Settings
from worker.store.jobs import JobStore
from worker.store.orders import Claim

Age = Callable[[str, float], None]
PROBLEM = DegenerateMap("flat").problem()
UNKNOWN = "0" * 32
STATES = ("queued", "running", "succeeded", "failed", "cancelled")


def create(store: JobStore, **more: object) -> str:
    return store.create("explanation", '{"samples": 7}', b"pixels", digest="d1", total=7, **more).id  # type: ignore[arg-type]


def claim(store: JobStore, job_id: str, worker: str = "w") -> Claim:
    found = store.claim(job_id, worker)
    assert isinstance(found, Claim), found
    return found


def in_state(store: JobStore, state: str) -> str:
    """A job in this state; all but a queued one had one attempt."""
    job_id = create(store)
    if state != "queued":
        claim(store, job_id)
    if state == "succeeded":
        assert store.finish(job_id, 1, b"{}", {"map.npz": b"m"})
    if state == "failed":
        assert store.fail(job_id, 1, PROBLEM)
    if state == "cancelled":
        store.cancel(job_id)
    assert store.get(job_id).state == state
    return job_id


def test_created_job_is_queued_with_its_image(store: JobStore, raw: redis.Redis) -> None:
    job_id = create(store, correlation_id="c1", owner="o1")
    record = store.get(job_id)
    assert (record.state, record.attempt, record.kind, record.names) == ("queued", 0, "explanation", ("image",))
    assert (record.correlation_id, record.owner, record.digest) == ("c1", "o1", "d1")
    assert record.progress.model_dump() == {
        "done": 0,
        "total": 7,
        "unit": "samples",
        "percent": 0.0,
        "eta_seconds": None,
    }
    assert store.blob(job_id, "image") == b"pixels"
    assert store.unfinished() == 1 and raw.zscore("surety:jobs", job_id) is not None


def test_claim_gives_everything_and_the_next_attempt(store: JobStore) -> None:
    job_id = create(store, correlation_id="c1")
    assert store.claim(job_id, "w1") == Claim(job_id, 1, "explanation", '{"samples": 7}', "c1", b"pixels", None)
    record = store.get(job_id)
    assert (record.state, record.attempt, record.worker) == ("running", 1, "w1")
    assert record.started_at and record.lease_until and record.deadline and record.lease_until < record.deadline


@pytest.mark.parametrize(
    ("state", "refusal"),
    [("running", "held"), ("succeeded", "finished"), ("failed", "finished"), ("cancelled", "cancelled")],
)
def test_claim_is_refused(store: JobStore, state: str, refusal: str) -> None:
    assert store.claim(in_state(store, state), "other") == refusal


def test_claim_of_unknown_job(store: JobStore) -> None:
    assert store.claim(UNKNOWN, "w") == "gone"


def test_same_claim_sent_twice_is_one_claim(store: JobStore) -> None:
    """As the client library does when a connection breaks before the answer."""
    job_id = create(store)
    first, second = (store._scripts.run("claim", job_id, "w", "nonce") for _ in range(2))
    assert first == second and store.get(job_id).attempt == 1


def test_expired_lease_is_claimable_with_its_checkpoint(store: JobStore, age: Age) -> None:
    job_id = in_state(store, "running")
    assert store.beat(job_id, 1, 3, 7, b"half") == "ok"
    age(job_id, 21)
    second = claim(store, job_id, "w2")
    assert (second.attempt, second.checkpoint) == (2, b"half")
    assert store.stats()["leases_expired"] == 1


def test_claim_when_attempts_are_exhausted(make_store: Callable[..., JobStore], age: Age) -> None:
    store = make_store(max_attempts=1)
    job_id = in_state(store, "running")
    age(job_id, 21)
    assert store.claim(job_id, "w2") == "exhausted"
    error = store.get(job_id).error
    assert error and error.code == "attempts_exhausted"


def test_claim_past_the_deadline(store: JobStore, age: Age) -> None:
    job_id = in_state(store, "running")
    age(job_id, 3601)
    assert store.claim(job_id, "w2") == "finished"
    error = store.get(job_id).error
    assert error and error.code == "deadline_exceeded"


def test_beat_renews_the_lease_and_tells_the_pace(store: JobStore, age: Age) -> None:
    job_id = in_state(store, "running")
    before = store.get(job_id).lease_until
    age(job_id, 10)
    assert store.beat(job_id, 1, 2, 7) == "ok"
    record = store.get(job_id)
    assert before and record.lease_until and record.lease_until >= before
    assert record.progress.percent == 28.6 and record.progress.eta_seconds == pytest.approx(25.0, abs=1.0)
    assert store.claim(job_id, "w2") == "held"


def test_eta_counts_only_what_this_attempt_did(store: JobStore, age: Age) -> None:
    job_id = in_state(store, "running")
    store.beat(job_id, 1, 5, 7, b"5")
    age(job_id, 21)
    claim(store, job_id)
    assert store.get(job_id).progress.eta_seconds is None
    age(job_id, 10)
    store.beat(job_id, 2, 6, 7)
    assert store.get(job_id).progress.eta_seconds == pytest.approx(10.0, abs=1.0)


def test_beat_says_why_to_stop(store: JobStore, age: Age) -> None:
    cancelled, deleted, late, taken = (in_state(store, "running") for _ in range(4))
    store.cancel(cancelled)
    store.delete(deleted)
    age(late, 3601)
    age(taken, 21)
    claim(store, taken, "w2")
    expected = {cancelled: "cancelled", deleted: "lost", late: "deadline", taken: "lost"}
    for _ in range(2):  # the answer stays the same
        assert {job_id: store.beat(job_id, 1, 1, 7, b"x") for job_id in expected} == expected
    error = store.get(late).error
    assert error and error.code == "deadline_exceeded"
    assert store.beat(taken, 2, 1, 7) == "ok"


@pytest.mark.parametrize("state", ["queued", "succeeded", "failed", "cancelled"])
def test_beat_outside_an_attempt_changes_nothing(store: JobStore, raw: redis.Redis, state: str) -> None:
    job_id = in_state(store, state)
    before = raw.hgetall(f"surety:job:{job_id}")
    assert store.beat(job_id, 1, 5, 7, b"x") != "ok"
    assert raw.hgetall(f"surety:job:{job_id}") == before and not raw.exists(f"surety:blob:{job_id}:checkpoint")


def test_finish_commits_everything(store: JobStore) -> None:
    job_id = in_state(store, "running")
    assert store.finish(job_id, 1, b'{"a": 1}', {"map.npz": b"m", "overlay.png": b"o"})
    record = store.get(job_id)
    assert (record.state, record.names) == ("succeeded", ("image", "result", "map.npz", "overlay.png"))
    assert record.progress.done == 7 and record.progress.percent == 100.0
    assert [store.blob(job_id, name) for name in record.names] == [b"pixels", b'{"a": 1}', b"m", b"o"]
    assert store.unfinished() == 0
    assert record.expires_at and record.finished_at and (record.expires_at - record.finished_at).days == 1
    assert record.job().finished and record.finished


def test_commit_sent_twice_is_one_commit(store: JobStore) -> None:
    done, failed = in_state(store, "succeeded"), in_state(store, "failed")
    assert store.finish(done, 1, b"{}", {}) and store.fail(failed, 1, PROBLEM)
    assert store.stats().get("fenced", 0) == 0 and store.stats()["succeeded"] == 1


@pytest.mark.parametrize("write", ["finish", "fail"])
@pytest.mark.parametrize("state", ["queued", "succeeded", "failed", "cancelled", "unknown", "taken over"])
def test_late_commit_is_refused_and_counted(
    store: JobStore, raw: redis.Redis, age: Age, state: str, write: str
) -> None:
    if state == "taken over":
        job_id = in_state(store, "running")
        age(job_id, 21)
        assert claim(store, job_id, "w2").attempt == 2
    else:
        job_id = UNKNOWN if state == "unknown" else in_state(store, state)
    attempt = 2 if state in ("succeeded", "failed") else 1
    before = raw.hgetall(f"surety:job:{job_id}")
    accepted = store.finish(job_id, attempt, b"late", {}) if write == "finish" else store.fail(job_id, attempt, PROBLEM)
    assert not accepted and store.stats()["fenced"] == 1
    assert raw.hgetall(f"surety:job:{job_id}") == before
    if state == "taken over":
        assert store.finish(job_id, 2, b"right", {}) and store.blob(job_id, "result") == b"right"


def test_artifact_names_are_checked(store: JobStore) -> None:
    job_id = in_state(store, "running")
    for name in ("result", "image", "checkpoint", "../x", "a b", "", "A"):
        with pytest.raises(ValueError, match="not names"):
            store.finish(job_id, 1, b"{}", {name: b""})


def test_fail_keeps_the_problem(store: JobStore) -> None:
    record = store.get(in_state(store, "failed"))
    assert record.error == PROBLEM and record.expires_at


def test_handback_is_not_held_against_the_job(make_store: Callable[..., JobStore]) -> None:
    store = make_store(max_attempts=1)
    job_id = create(store)
    for attempt in (1, 2, 3):
        assert claim(store, job_id).attempt == attempt
        assert store.handback(job_id, attempt, b"so far") and store.handback(job_id, attempt)
        assert store.get(job_id).state == "queued" and store.reconcile() == [job_id]
    assert store.get(job_id).returned == 3 and store.stats()["handed_back"] == 3
    assert claim(store, job_id).checkpoint == b"so far"


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_handback_of_a_finished_job_is_refused(store: JobStore, state: str) -> None:
    job_id = in_state(store, state)
    assert not store.handback(job_id, 1) and store.get(job_id).state == state


@pytest.mark.parametrize("state", STATES)
def test_cancel(store: JobStore, state: str) -> None:
    job_id = in_state(store, state)
    if state in ("succeeded", "failed"):
        with pytest.raises(JobFinished):
            store.cancel(job_id)
        assert store.get(job_id).state == state
        return
    store.cancel(job_id)
    store.cancel(job_id)
    record = store.get(job_id)
    assert record.state == "cancelled" and record.expires_at and store.unfinished() == 0
    assert store.stats()["cancelled"] == 1


@pytest.mark.parametrize("state", STATES)
def test_delete_leaves_nothing(store: JobStore, raw: redis.Redis, state: str) -> None:
    job_id = in_state(store, state)
    if state == "running":
        store.beat(job_id, 1, 1, 7, b"x")
    store.delete(job_id)
    store.delete(job_id)
    assert sorted(raw.keys()) == ["surety:audit", "surety:stats"], "what happened stays known"
    with pytest.raises(JobNotFound):
        store.get(job_id)


def test_delete_frees_the_idempotency_key(store: JobStore, raw: redis.Redis) -> None:
    job_id = create(store, idempotency_key="k")
    store.delete(job_id)
    assert sorted(raw.keys()) == ["surety:audit", "surety:stats"] and create(store, idempotency_key="k") != job_id


def test_idempotency(store: JobStore) -> None:
    first = store.create("explanation", "{}", b"a", digest="d1", idempotency_key="k")
    again = store.create("explanation", "{}", b"a", digest="d1", idempotency_key="k")
    assert first.fresh and not again.fresh and first.id == again.id and store.unfinished() == 1
    with pytest.raises(IdempotencyConflict):
        store.create("explanation", "{}", b"b", digest="d2", idempotency_key="k")
    assert store.create("explanation", "{}", b"a", digest="d1").id != first.id
    assert store.create("explanation", "{}", b"a", digest="d1", idempotency_key="k2").id != first.id


def test_queue_limit_counts_unfinished_jobs(make_store: Callable[..., JobStore]) -> None:
    store = make_store(max_queue=2)
    first, _ = create(store, idempotency_key="k"), claim(store, create(store))
    with pytest.raises(QueueFull):
        create(store)
    assert create(store, idempotency_key="k") == first  # an old request needs no room
    store.cancel(first)
    create(store)


def test_one_end_for_all_keys(make_store: Callable[..., JobStore], raw: redis.Redis) -> None:
    store = make_store(result_ttl_seconds=1000)
    job_id = create(store, idempotency_key="k")
    claim(store, job_id)
    store.beat(job_id, 1, 1, 7, b"x")
    store.finish(job_id, 1, b"{}", {"map.npz": b"m"})
    keys = [
        key
        for key in raw.scan_iter()
        if raw.type(key) != "zset" and key not in ("surety:stats", "surety:audit", f"surety:gone:{job_id}")
    ]
    ends = {raw.pexpiretime(key) for key in keys}
    assert len(keys) == 6 and len(ends) == 1 and ends.pop() == int(str(raw.hget(f"surety:job:{job_id}", "expires_at")))
    assert raw.pexpiretime(f"surety:gone:{job_id}") > raw.pexpiretime(f"surety:job:{job_id}")


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_expired_is_not_unknown(store: JobStore, raw: redis.Redis, state: str) -> None:
    job_id = in_state(store, state)
    past = 1
    for key in raw.keys(f"surety:*:{job_id}*"):
        if not key.startswith("surety:gone"):
            raw.pexpireat(key, past)
    raw.zadd("surety:expiry", {job_id: past})
    for call in (lambda: store.get(job_id), lambda: store.blob(job_id, "result"), lambda: store.cancel(job_id)):
        with pytest.raises(JobExpired):
            call()
    for call in (lambda: store.get(UNKNOWN), lambda: store.blob(UNKNOWN, "image"), lambda: store.cancel(UNKNOWN)):
        with pytest.raises(JobNotFound):
            call()
    with pytest.raises(JobNotFound):
        store.get("../../etc")
    assert store.claim(job_id, "w") == "gone" and store.jobs() == ([], None)
    store.reconcile()
    assert raw.zcard("surety:jobs") == 0 and raw.zcard("surety:expiry") == 0


def test_blob_that_is_not_there(store: JobStore) -> None:
    running, done = in_state(store, "running"), in_state(store, "succeeded")
    store.beat(running, 1, 1, 7, b"x")
    for name in ("result", "checkpoint", "map.npz"):
        with pytest.raises(JobNotFinished):
            store.blob(running, name)
    for name in ("checkpoint", "other.png", "../map.npz"):
        with pytest.raises(ArtifactNotFound):
            store.blob(done, name)


def test_reconcile_sends_what_waits_again_ever_more_seldom(store: JobStore, age: Age) -> None:
    job_id = create(store)
    assert store.reconcile() == []
    for wait in (30, 30, 60, 120, 240, 480, 960, 960):
        age(job_id, wait - 1)
        assert store.reconcile() == []
        age(job_id, 1)
        assert store.reconcile() == [job_id]
    assert store.stats()["resent"] == 8 and store.get(job_id).state == "queued"


def test_reconcile_requeues_then_gives_up(store: JobStore, age: Age) -> None:
    job_id = create(store)
    for attempt in (1, 2, 3):
        assert claim(store, job_id).attempt == attempt
        age(job_id, 19)
        assert store.reconcile() == [] and store.get(job_id).state == "running"
        age(job_id, 2)
        assert store.reconcile() == ([job_id] if attempt < 3 else [])
    error = store.get(job_id).error
    assert error and error.code == "attempts_exhausted" and store.stats()["leases_expired"] == 3
    assert store.unfinished() == 0


def test_reconcile_knows_of_renewed_leases(store: JobStore, age: Age) -> None:
    job_id = in_state(store, "running")
    age(job_id, 19)
    store.beat(job_id, 1, 1, 7)
    age(job_id, 10)
    assert store.reconcile() == [] and store.get(job_id).state == "running"


def test_reconcile_ends_what_is_past_its_deadline(store: JobStore, age: Age) -> None:
    job_id = in_state(store, "running")
    age(job_id, 3601)
    assert store.reconcile() == []
    error = store.get(job_id).error
    assert error and error.code == "deadline_exceeded"


def test_reconcile_is_bounded(store: JobStore, age: Age) -> None:
    ids = [create(store) for _ in range(5)]
    for job_id in ids:
        age(job_id, 31)
    first, second = store.reconcile(3), store.reconcile(3)
    assert len(first) == 3 and sorted(first + second) == sorted(ids)


def test_list_is_newest_first_and_pages(store: JobStore, raw: redis.Redis) -> None:
    ids = [create(store, owner="ab"[n % 2]) for n in range(7)]
    for n, job_id in enumerate(ids):
        raw.zadd("surety:jobs", {job_id: 1000 + n // 3})  # three of the same moment
    expected = sorted(ids, key=lambda job_id: (raw.zscore("surety:jobs", job_id), job_id), reverse=True)
    found: list[str] = []
    cursor = None
    for _ in range(4):
        page, cursor = store.jobs(limit=2, cursor=cursor)
        found += [record.id for record in page]
    assert found == expected and cursor is None
    store.cancel(ids[3])
    assert [record.id for record in store.jobs(state="cancelled")[0]] == [ids[3]]
    assert {record.id for record in store.jobs(owner="b")[0]} == {ids[1], ids[3], ids[5]}
    with pytest.raises(ValueError, match="cursor"):
        store.jobs(cursor="nonsense")


def test_workers_and_models_come_and_go(store: JobStore, raw: redis.Redis) -> None:
    card = (
        '{"name": "%s", "title": "t", "architecture": "a", "weights": "w", "sha256": "'
        + "0" * 64
        + '", "classes": ["x", "y"],'
        '"input": {"channels": 1, "height": 8, "width": 8, "mean": [0], "std": [1]}, "licence": "l", "source": "s",'
        '"intended_use": "u"}'
    )
    assert store.workers() == [] and store.models() == ()
    store.announce("w2", f"[{card % 'b'}]")
    store.announce("w1", f"[{card % 'b'}, {card % 'a'}]")
    assert store.workers() == ["w1", "w2"] and [model.name for model in store.models()] == ["a", "b"]
    assert 0 < raw.pttl("surety:worker:w1") <= 15_000
    store.retire("w1")
    assert store.workers() == ["w2"] and raw.smembers("surety:workers") == {"w2"}


@pytest.fixture
def full(raw: redis.Redis) -> Iterator[Callable[[], None]]:
    """Call it, and the server is at maxmemory."""
    yield lambda: raw.config_set("maxmemory", "1")
    raw.config_set("maxmemory", "0")


def test_full_store_takes_nothing_and_lets_everything_end(
    store: JobStore, raw: redis.Redis, full: Callable[[], None], age: Age
) -> None:
    running, deleted, cancelled, failed, returned = (in_state(store, "running") for _ in range(5))
    lapsed = in_state(store, "running")
    age(lapsed, 21)
    before = set(raw.keys())
    full()
    with pytest.raises(StoreUnavailable, match="full"):
        create(store, idempotency_key="k")
    assert set(raw.keys()) == before and store.unfinished() == 6
    assert store.get(running).state == "running" and len(store.jobs()[0]) == 6
    assert store.beat(running, 1, 1, 7, b"x") == "ok" and store.finish(running, 1, b"{}", {"map.npz": b"m"})
    assert store.fail(failed, 1, PROBLEM) and store.handback(returned, 1)
    store.cancel(cancelled)
    store.delete(deleted)
    assert set(store.reconcile()) == {lapsed, returned}


def test_server_that_is_away(tmp_path: object) -> None:
    store = JobStore(Settings(redis_url=f"unix://{tmp_path}/none.sock"))
    for call in (store.ping, store.workers, store.stats, lambda: store.get(UNKNOWN), lambda: create(store)):
        with pytest.raises(StoreUnavailable):
            call()


def test_store_needs_a_url() -> None:
    with pytest.raises(ValueError, match="redis_url"):
        JobStore(Settings(redis_url=None))
