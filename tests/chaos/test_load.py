"""The short form of `make load`, and the judge's own eyes."""

from __future__ import annotations

import os
from dataclasses import replace

import httpx
import pytest

from benchmarks.chaos.processes import children
from benchmarks.load.__main__ import PAGE, with_sums
from benchmarks.load.clients import KINDS, orders
from benchmarks.load.ledger import PROBLEM, Ledger
from benchmarks.load.mixed import mixed
from benchmarks.load.settings import QUICK
from benchmarks.load.sums import HEADER, Site, needed, samples_per_core
from benchmarks.load.usage import last_half, usage

SEED = 5


def test_mixed_requests_are_all_answered_as_they_must_be() -> None:
    before = set(children(os.getpid()))
    found = mixed(replace(QUICK, requests=32, clients=8, patience=0.2), SEED)
    assert found["broken"] == []
    assert found["requests"] == 32 and found["jobs"] > 5
    assert found["states"].keys() <= {"succeeded", "cancelled"} and sum(found["states"].values()) == found["jobs"]
    assert all(at["middle"] > 10 for at in found["memory_mib"].values()), "the processes were not seen"
    assert found["post_ms"]["p50"] <= found["post_ms"]["p99"]
    assert set(children(os.getpid())) <= before, "a process was left behind"


def test_orders_are_those_of_the_seed_and_have_every_kind() -> None:
    assert orders(1000, SEED) == orders(1000, SEED) != orders(1000, SEED + 1)
    assert {kind for kind, _ in orders(len(KINDS), SEED)} == set(KINDS)


def _answer(status: int, body: dict[str, str] | None = None, **headers: str) -> httpx.Response:
    kind = {"content-type": PROBLEM} if status >= 400 else {}
    return httpx.Response(status, json=body or {"code": "some_code"}, headers={**kind, **headers})


@pytest.mark.parametrize(
    "answer",
    [
        _answer(500),
        _answer(503),
        _answer(429),
        _answer(404),
        _answer(202),
        _answer(422, {"code": "another"}),
        _answer(422, **{"content-type": "text/html"}),
    ],
    ids=["500", "503 without a time", "429 without a time", "404", "accepted", "another code", "no problem document"],
)
def test_an_answer_that_may_not_be_is_noted(answer: httpx.Response) -> None:
    ledger = Ledger()
    assert not ledger.note("bad spec", answer, (422,), "some_code") and len(ledger.broken) == 1


def test_answers_that_may_be_are_counted_alone() -> None:
    ledger = Ledger()
    assert ledger.note("bad spec", _answer(422), (422,), "some_code") and ledger.note("job", _answer(200), (200,))
    for status in (429, 503):
        assert not ledger.note("job", _answer(status, **{"retry-after": "5"}), (200,)), "it was not accepted"
    assert ledger.broken == [] and ledger.refused == 2 and sum(ledger.answers.values()) == 4


def test_growth_is_that_of_the_last_half() -> None:
    at = list(range(11))
    late = last_half(at, [50.0, 40, 30, 20, 10, 0, 1, 2, 3, 4, 5])
    assert (late.begins, late.ends, late.gain) == pytest.approx((0, 5, 5))


def test_usage_sees_what_a_process_takes() -> None:
    before = usage([os.getpid()])
    held = bytearray(os.urandom(2**20) * 64)
    with PAGE.open() as file:
        after = usage([os.getpid()])
    assert file.closed and len(held) // 2**20 == 64
    assert after.mib - before.mib > 50 and after.files == before.files + 1 and before.threads >= 1
    assert usage([]) == (0, 0, 0)


def test_the_sum_of_a_site() -> None:
    """By hand: 2 jobs/s of 1,000 samples on cores of 30/s; 150 kB kept besides an image of 100 kB, for 10 s."""
    large = {"image": 50e3, "redis_kept": 200e3, "redis_in": 300e3, "redis_out": 400e3}
    site = Site("here", images=2000, seconds=1000.0, image_bytes=100e3, samples=1000, ttl=10.0)
    row = dict(zip(HEADER, needed(site, large, queue_rate=50.0, per_core=30.0), strict=True))
    assert list(row.values()) == ["here", "2.00", "2,000", "67", "0.0", "5.6", "7.2", "4.0%"]
    long = replace(site, ttl=1e9)  # no more than there are
    assert needed(long, large, 50.0, 30.0)[4] == "0.5"
    assert 1 < samples_per_core() < 10_000


def test_the_sums_have_their_place_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    made = with_sums(page, "| a |")
    assert "| a |" in made and with_sums(made, "| b |") == made.replace("| a |", "| b |")
    with pytest.raises(ValueError, match="no place"):
        with_sums("nothing", "| a |")
