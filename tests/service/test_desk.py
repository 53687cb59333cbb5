"""What the API asks of the store beside single jobs: batches, results taken over, limits, the backlog."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from tests.service.conftest import MakeSettings
from tests.service.test_store import claim, create
from worker.contract.errors import BatchNotFound, IdempotencyConflict, QueueFull
from worker.store.desk import Desk
from worker.store.orders import Item, Order

Age = Callable[[str, float], None]
ORDER = Order("explanation", "{}", total=10)


@pytest.fixture
def make_desk(make_settings: MakeSettings, raw: redis.Redis) -> Iterator[Callable[..., Desk]]:
    raw.flushdb()
    made: list[Desk] = []

    def make(**fields: object) -> Desk:
        made.append(Desk(make_settings(**fields)))
        return made[-1]

    yield make
    for desk in made:
        desk.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


def items(many: int) -> list[Item]:
    return [Item(f"d{number}", "", f"pixels {number}".encode()) for number in range(many)]


def finish(desk: Desk, job_id: str) -> None:
    claim(desk, job_id)
    assert desk.finish(job_id, 1, b"{}", {"map.npz": b"m"})


def test_a_batch_is_a_job_for_each_image(desk: Desk) -> None:
    made = desk.create_batch(ORDER._replace(owner="o", correlation_id="c", webhook="https://x"), items(3))
    assert made.fresh
    batch = desk.batch(made.id, "o")
    assert len(batch.jobs) == 3
    for number, (job_id, record) in enumerate(batch.jobs.items()):
        assert record and (record.batch, record.owner, record.correlation_id) == (made.id, "o", "c")
        assert (record.state, record.digest, record.webhook) == ("queued", f"d{number}", "https://x")
        assert record.links["batch"] == f"/v1/batches/{made.id}"
        assert desk.blob(job_id, "image") == f"pixels {number}".encode()
    for wrong in ("p", "other"):
        with pytest.raises(BatchNotFound):
            desk.batch(made.id, wrong)
    for wrong in ("0" * 32, "x", "*", ""):
        with pytest.raises(BatchNotFound):
            desk.batch(wrong)


def test_a_batch_is_taken_whole_or_not_at_all(make_desk: Callable[..., Desk], raw: redis.Redis) -> None:
    desk = make_desk(max_queue=3)
    create(desk)
    before = sorted(raw.keys())
    with pytest.raises(QueueFull):
        desk.create_batch(ORDER._replace(idempotency_key="k"), items(3))
    assert sorted(raw.keys()) == before and desk.unfinished() == 1
    desk.create_batch(ORDER, items(2))
    assert desk.unfinished() == 3


def test_the_same_batch_twice_is_one(desk: Desk) -> None:
    order = ORDER._replace(idempotency_key="k")
    first = desk.create_batch(order, items(2))
    again = desk.create_batch(order, items(2))
    assert again.id == first.id and not again.fresh and desk.unfinished() == 2
    for other in (items(3), items(2)[::-1]):
        with pytest.raises(IdempotencyConflict):
            desk.create_batch(order, other)
    with pytest.raises(IdempotencyConflict):
        desk.create("explanation", "{}", b"x", digest="d0", idempotency_key="k")


def test_a_batch_ends_with_its_last_job(make_desk: Callable[..., Desk], raw: redis.Redis) -> None:
    desk = make_desk(result_ttl_seconds=1000)
    made = desk.create_batch(ORDER._replace(idempotency_key="k"), items(4))
    ids = list(desk.batch(made.id).jobs)
    finish(desk, ids[0])
    desk.cancel(ids[1])
    desk.cancel(ids[1])
    desk.delete(ids[2])
    desk.delete(ids[0])
    keys = [f"surety:batch:{made.id}", *raw.scan_iter("surety:idem:*")]
    assert len(keys) == 2 and all(raw.pttl(key) == -1 for key in keys), "one job still waits"
    finish(desk, ids[3])
    assert all(990_000 < int(str(raw.pttl(key))) <= 1_000_000 for key in keys)
    states = [record and record.state for record in desk.batch(made.id).jobs.values()]
    assert states == [None, "cancelled", None, "succeeded"]


def test_cancel_and_delete_a_batch(desk: Desk, raw: redis.Redis) -> None:
    made = desk.create_batch(ORDER._replace(idempotency_key="k"), items(3))
    finish(desk, next(iter(desk.batch(made.id).jobs)))
    for _ in range(2):
        desk.cancel_batch(desk.batch(made.id))
        states = [record and record.state for record in desk.batch(made.id).jobs.values()]
        assert states == ["succeeded", "cancelled", "cancelled"] and desk.unfinished() == 0
    desk.delete_batch(desk.batch(made.id))
    assert set(raw.keys()) <= {"surety:audit", "surety:stats"}, "nothing but what happened is left"
    with pytest.raises(BatchNotFound):
        desk.batch(made.id)


def test_a_result_is_taken_over_with_all_its_parts(make_desk: Callable[..., Desk], raw: redis.Redis) -> None:
    desk = make_desk(max_queue=1, result_ttl_seconds=1000)
    source = create(desk)
    assert desk.computed("", "d1") is None
    finish(desk, source)
    assert desk.computed("", "d1") == source
    raw.pexpire(f"surety:blob:{source}:result", 5000)
    waiting = create(desk)
    copy = desk.create("explanation", '{"samples": 7}', b"pixels", digest="d1", total=7, source=source)
    record = desk.get(copy.id)
    assert (record.state, record.source, record.names) == ("succeeded", source, ("image", "result", "map.npz"))
    assert record.job().reused and record.progress.percent == 100.0, "also with a full queue: nothing has to be done"
    ends = {raw.pexpiretime(f"surety:blob:{copy.id}:{name}") for name in record.names}
    assert ends == {raw.pexpiretime(f"surety:job:{copy.id}")}, "its own end, not the source's"
    desk.delete(source)
    assert desk.blob(copy.id, "map.npz") == b"m" and desk.computed("", "d1") is None
    desk.cancel(waiting)
    for more in ({"source": "0" * 32}, {"source": waiting}, {"source": copy.id, "owner": "o"}):
        other = desk.create("explanation", "{}", b"pixels", digest="d1", **more)  # type: ignore[arg-type]
        assert desk.get(other.id).state == "queued"
        desk.cancel(other.id)
    assert desk.stats()["reused"] == 1


def test_admission_is_counted_by_client_and_window(desk: Desk, raw: redis.Redis) -> None:
    seen = [desk.admit("a", cost, 5, 60.0) for cost in (2, 2, 2, 1, 1)]
    assert [(one.admitted, one.left) for one in seen] == [(True, 3), (True, 1), (False, 1), (True, 0), (False, 0)]
    assert all(50 < one.seconds <= 60 for one in seen)
    assert desk.admit("b", 5, 5, 60.0).admitted
    for name in raw.scan_iter("surety:rate:*"):
        assert name.removeprefix("surety:rate:") != "a", "an address is not kept"
        raw.pexpire(name, 1)
    while raw.keys("surety:rate:*"):
        pass
    assert desk.admit("a", 1, 5, 60.0).admitted


def test_backlog(desk: Desk, age: Age) -> None:
    assert desk.backlog() == (0, 0, 0.0)
    old, _, running = create(desk), create(desk), create(desk)
    claim(desk, running)
    age(old, 100)
    age(running, 500)
    backlog = desk.backlog()
    assert (backlog.queued, backlog.running) == (2, 1) and 100 <= backlog.oldest_seconds < 105


def test_every_sample_is_counted_once(desk: Desk, age: Age) -> None:
    job_id = create(desk)
    claim(desk, job_id)
    for done in (2, 3, 3):
        desk.beat(job_id, 1, done, 7)
    assert desk.stats()["samples"] == 3
    for _ in range(2):  # the client library may repeat a call
        assert desk.finish(job_id, 1, b"{}", {}, {"samples": 5, "outcome_vacuous": 2})
    assert (desk.stats()["samples"], desk.stats()["outcome_vacuous"]) == (5, 2)
