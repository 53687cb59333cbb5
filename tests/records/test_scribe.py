"""From the store into the log: every event once and in order, whatever dies when, and no secret or pixel."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.conftest import REPOSITORY
from tests.records.conftest import MakeScribe
from tests.service.polling import wait_for
from tests.service.test_store import PROBLEM, claim, create
from worker.contract.audit import Asker, Entry
from worker.contract.settings import Settings
from worker.service.ledger import Ledger, LedgerError, checked
from worker.service.scribe import Scribe
from worker.service.supervisor import environment
from worker.store.audit import AuditStream
from worker.store.desk import Desk
from worker.store.jobs import JobStore
from worker.store.keys import Keyring
from worker.store.orders import Item, Order

ADA = Asker("ada", "k1", "r9")


def entries(settings: Settings) -> list[Entry]:
    return [line.entry for line in checked(Ledger(settings).files)]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def jobs(settings: Settings) -> list[str]:
    """Those submitted, in the log's order."""
    return [entry.job for entry in entries(settings) if entry.event == "submitted"]


def test_a_job_from_its_beginning_to_its_end(store: JobStore, scribe: Scribe, settings: Settings) -> None:
    asked = {"owner": "ada", "key": "k1", "correlation_id": "r1", "model": "digits"}
    first, second, third, fourth = (create(store, **asked) for _ in range(4))
    claim(store, first)
    assert store.finish(first, 1, b"{}", {}, facts={"counts_sha256": "c"})
    claim(store, second)
    assert store.fail(second, 1, PROBLEM)
    for _ in range(2):
        store.cancel(third, ADA)
        store.delete(first, ADA)
    reused = create(store, source=fourth, **asked)
    scribe.write()
    begun, *written = entries(settings)
    assert begun.event == "begun"
    base = {"owner": "ada", "kind": "explanation"}
    digests = {"input_sha256": _digest(b"pixels"), "spec_sha256": _digest(b'{"samples": 7}')}
    submitted = [entry for entry in written if entry.event == "submitted"]
    assert [entry.job for entry in submitted] == [first, second, third, fourth, reused]
    for entry in submitted:
        assert entry.facts == base | digests | {"key": "k1", "request": "r1", "model": "digits"}
    ended = [(entry.event, entry.job, entry.facts) for entry in written if entry.event != "submitted"]
    assert ended == [
        ("succeeded", first, base | {"request": "r1", "counts_sha256": "c"}),
        ("failed", second, base | {"request": "r1", "code": "degenerate_map"}),
        ("cancelled", third, base | ADA._asdict()),
        ("deleted", first, base | ADA._asdict() | {"state": "succeeded"}),
    ]


def test_a_result_that_was_taken_over_names_its_source(
    make_scribe: MakeScribe, store: JobStore, settings: Settings
) -> None:
    first = create(store)
    claim(store, first)
    store.finish(first, 1, b"{}", {})
    second = create(store, source=first)
    make_scribe().write()
    assert [(e.event, e.job, e.facts.get("source")) for e in entries(settings)[-2:]] == [
        ("submitted", second, None),
        ("reused", second, first),
    ]


def test_ends_that_nobody_asked_for_are_written_too(
    make_store: Callable[..., JobStore], scribe: Scribe, settings: Settings, raw: redis.Redis
) -> None:
    store = make_store(max_attempts=1)
    job_id = create(store)
    claim(store, job_id)
    raw.hset(f"surety:job:{job_id}", "lease_until", 0)
    raw.zadd("surety:active", {job_id: 0})
    store.reconcile()
    scribe.write()
    assert entries(settings)[-1].facts["code"] == "attempts_exhausted"


def test_keys_and_batches(store: JobStore, scribe: Scribe, settings: Settings) -> None:
    keyring, desk = Keyring(settings), Desk(settings)
    text, key = keyring.create("ada", ["read", "submit"])
    for _ in range(2):
        keyring.revoke(key.id)
    order = Order("explanation", "{}", 1, owner="ada", key=key.id)
    batch = desk.batch(desk.create_batch(order, [Item("d", "", b"one"), Item("d", "", b"two")]).id)
    desk.cancel_batch(batch, ADA)
    desk.delete_batch(batch, ADA)
    keyring.close()
    desk.close()
    scribe.write()
    written = entries(settings)[1:]
    known = {"key": key.id, "owner": "ada", "scopes": "submit read"}
    assert [(entry.event, entry.facts) for entry in written[:2]] == [("key_created", known), ("key_revoked", known)]
    assert [entry.event for entry in written[2:]] == ["submitted"] * 2 + ["cancelled"] * 2 + ["deleted"] * 2
    assert all(entry.facts["request"] == "r9" and entry.facts["by"] == "ada" for entry in written[4:])
    everything = Ledger(settings).files[0].read_text()
    assert text.rpartition("_")[2] not in everything and key.sha256 not in everything


def test_no_pixels_and_no_spec_are_written(store: JobStore, scribe: Scribe, settings: Settings) -> None:
    store.create("explanation", '{"secret": "spec"}', b"secret pixels", digest="d", webhook="https://x/secret")
    scribe.write()
    assert "secret" not in Ledger(settings).files[0].read_text()


def test_the_same_call_sent_twice_is_one_event(store: JobStore, raw: redis.Redis, settings: Settings) -> None:
    """As the client library does when a connection breaks before the answer."""
    job_id = create(store)
    asked = json.dumps(ADA._asdict())
    claim(store, job_id)
    stream, before = AuditStream(settings), raw.xlen("surety:audit")
    for call in (("finish", job_id, 1, "{}", "{}", "result", b"r"), ("delete", job_id, asked)):
        for _ in range(2):
            store._scripts.run(*call)
        before += 1
        assert raw.xlen("surety:audit") == before
    events = stream.waiting()
    for _ in range(2):
        assert stream.written("", "1 x", events[:2])
    assert stream.waiting() == events[2:] and not stream.written("other", "2 x", events)
    stream.close()


def test_a_scribe_that_dies_before_it_tells_the_store_writes_nothing_twice(
    make_scribe: MakeScribe, store: JobStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each place where it can die: a first line, a first batch, a later one."""
    made: list[str] = []
    for dies_at in (1, 2, 1, 1):
        made += [create(store), create(store)]
        calls = iter(range(1, 99))

        def die(*_: object, at: int = dies_at, calls: object = calls, before: object = AuditStream.written) -> bool:
            if next(calls) == at:  # type: ignore[call-overload]
                raise KeyboardInterrupt
            return bool(before(*_))  # type: ignore[operator]

        with monkeypatch.context() as patch:
            patch.setattr(AuditStream, "written", die)
            with pytest.raises(KeyboardInterrupt):
                make_scribe().write()
    made.append(create(store))
    make_scribe().write()
    assert jobs(settings) == made


def test_a_line_that_was_cut_off_is_written_again(
    make_scribe: MakeScribe, store: JobStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [create(store)]
    make_scribe().write()
    made += [create(store), create(store), create(store)]
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
        with pytest.raises(OSError, match="full"):
            make_scribe().write()
    make_scribe().write()
    assert jobs(settings) == made


def test_kill_9_loses_and_doubles_nothing(store: JobStore, settings: Settings, raw: redis.Redis) -> None:
    """A scribe process is killed at random moments while jobs come in."""
    chance, made = random.Random(5), []
    command = [sys.executable, "-c", _SCRIBE]
    for _ in range(3):
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment(settings, os.environ))
        made.append(create(store))
        try:
            wait_for(lambda: raw.xlen("surety:audit") == 0)
            ends_at = time.monotonic() + chance.uniform(0, 0.1)
            while time.monotonic() < ends_at:
                made.append(create(store))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    last = Scribe(settings)
    last.write()
    last.stop()
    assert jobs(settings) == made and raw.xlen("surety:audit") == 0


_SCRIBE = """
from worker.contract.settings import Settings
from worker.service.scribe import Scribe
scribe = Scribe(Settings())
while True:
    scribe.write()
"""


def test_scribes_on_one_folder_take_turns(make_scribe: MakeScribe, store: JobStore, settings: Settings) -> None:
    over = threading.Event()
    failed: list[Exception] = []

    def work(scribe: Scribe) -> None:
        try:
            while not over.is_set():
                scribe.write()
        except Exception as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    threads = [threading.Thread(target=work, args=(make_scribe(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    made = [create(store) for _ in range(80)]
    over.set()
    for thread in threads:
        thread.join()
    make_scribe().write()
    assert not failed and jobs(settings) == made


def test_a_scribe_on_another_host_leaves_the_log_alone(
    make_scribe: MakeScribe, store: JobStore, settings: Settings, tmp_path: Path
) -> None:
    first = create(store)
    make_scribe().write()
    second = create(store)
    elsewhere = tmp_path / "elsewhere"
    for _ in range(2):
        with pytest.raises(LedgerError, match="lacks entry 2, the last of this store's log"):
            make_scribe(audit_dir=elsewhere).write()
    assert not list(elsewhere.glob("*.jsonl"))
    make_scribe().write()
    assert jobs(settings) == [first, second]


def test_a_log_cut_short_is_not_gone_on_with(
    make_scribe: MakeScribe, store: JobStore, settings: Settings, raw: redis.Redis
) -> None:
    create(store)
    make_scribe().write()
    file = Ledger(settings).files[0]
    whole = file.read_bytes()
    file.write_bytes(whole.splitlines(keepends=True)[0])
    second = create(store)
    with pytest.raises(LedgerError, match="lacks entry 2"):
        make_scribe().write()
    assert raw.xlen("surety:audit") == 1, "the event waits"
    raw.delete("surety:audit:head")  # the operator has read docs/records.md
    make_scribe().write()
    assert [entry.event for entry in entries(settings)] == ["begun", "begun", "submitted"]
    assert jobs(settings) == [second]


def test_two_stores_on_one_folder_are_told(
    make_scribe: MakeScribe, store: JobStore, settings: Settings, raw: redis.Redis
) -> None:
    create(store)
    make_scribe().write()
    mine = raw.get("surety:audit:head")
    raw.flushdb()
    create(store)
    make_scribe().write()
    assert [entry.event for entry in entries(settings)] == ["begun", "submitted"] * 2, "an emptied store goes on"
    raw.set("surety:audit:head", str(mine))
    create(store)
    with pytest.raises(LedgerError, match="lacks entry"):
        make_scribe().write()


def test_a_full_store_is_still_written_down(
    make_scribe: MakeScribe, store: JobStore, settings: Settings, raw: redis.Redis
) -> None:
    made = [create(store)]
    raw.config_set("maxmemory", 1)
    try:
        store.cancel(made[0], ADA)
        make_scribe().write()
    finally:
        raw.config_set("maxmemory", 0)
    assert [entry.event for entry in entries(settings)] == ["begun", "submitted", "cancelled"]
    assert raw.xlen("surety:audit") == 0


def test_what_waits_takes_little_memory(store: JobStore, raw: redis.Redis) -> None:
    before = None
    for _ in range(200):
        create(store, owner="a" * 64, key="k" * 16, correlation_id="r" * 64, model="m" * 40)
        before = before or raw.memory_usage("surety:audit", samples=0)
    each = (int(raw.memory_usage("surety:audit", samples=0) or 0) - int(before or 0)) / 199
    print(f"an event that waits takes {each:.0f} bytes of the store")
    assert each < 1024


def test_the_thread_writes_and_stops(
    settings: Settings, store: JobStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("worker.service.scribe._TURN_SECONDS", 0.02)
    scribe = Scribe(settings)
    first = create(store)
    scribe.start()
    wait_for(lambda: Ledger(settings).files and first in jobs(settings))
    Ledger(settings).files[0].write_bytes(b"")
    create(store)
    wait_for(lambda: "the audit log is not written" in caplog.text)
    time.sleep(0.1)
    assert caplog.text.count("the audit log is not written") == 1, "it is said once"
    scribe.stop()
    assert not scribe._thread.is_alive()
