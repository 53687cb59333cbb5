"""Webhooks against a receiver on this machine: who is told what, and whom the service never calls."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpcore
import pytest
import redis
from standardwebhooks import Webhook, WebhookVerificationError

from tests.listener import Listener, Quiet
from tests.service.conftest import MakeSettings
from tests.service.polling import wait_for
from tests.service.test_store import PROBLEM, claim, create, in_state
from worker.contract.errors import WebhookRefused
from worker.contract.job import Job
from worker.contract.settings import Settings
from worker.contract.webhook import destination
from worker.service.outside import AddressRefused, post, public
from worker.service.postman import Postman
from worker.store.jobs import JobStore
from worker.store.mailbox import Mailbox

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ALLOWED = Settings(
    webhook_hosts="hooks.example.org, other.example.org:8443,[2606:2800::1]",
    webhook_inside_hosts="pacs.ward,127.0.0.1:8080",
    webhook_secret=SECRET,
)


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("https://hooks.example.org/x?y=1", False), ("https://HOOKS.example.org:443/", False),
        ("https://other.example.org:8443/", False), ("https://[2606:2800::1]/", False), ("https://pacs.ward/", True),
        ("http://pacs.ward/", True), ("http://127.0.0.1:8080/", True), ("https://127.0.0.1:8080/", True),
    ],
)  # fmt: skip
def test_allowed(url: str, inside: bool) -> None:
    assert destination(url, ALLOWED).inside == inside


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "hooks.example.org", "//hooks.example.org", "http://hooks.example.org/", "ftp://hooks.example.org/",
        "file:///etc/passwd", "https://evil.org/", "https://hooks.example.org.evil.org/", "https://hooks.example.org:444/",
        "https://other.example.org/", "https://evil.org@hooks.example.org/", "https://hooks.example.org@evil.org/",
        "https://hooks.example.org/#x", "https://hooks.example.org/é", "https://hooks.example.org/ x", "https:///x",
        "https://hooks.example.org:99999/", "https://hooks.example.org:x/", "https://[::1/", "https://hooks.example.org\\@evil",
        "https://hooks.example.org/\r\nHost: evil", "https://hooks.example.org/" + "x" * 2048, "http://127.0.0.1:8081/",
        "http://127.0.0.1/", "http://2130706433:8080/", "https://169.254.169.254/", "https://.hooks.example.org/",
    ],
)  # fmt: skip
def test_refused(url: str) -> None:
    with pytest.raises(WebhookRefused) as refused:
        destination(url, ALLOWED)
    assert refused.value.pointer == "/webhook/url"


@pytest.mark.parametrize("missing", ["hosts", "webhook_secret"])
def test_off_by_default(missing: str) -> None:
    without = {"webhook_hosts": "", "webhook_inside_hosts": ""} if missing == "hosts" else {missing: None}
    for settings in (Settings(), ALLOWED.model_copy(update=without)):
        with pytest.raises(WebhookRefused, match="Webhooks are off"):
            destination("https://hooks.example.org/", settings)
    assert SECRET not in repr(ALLOWED)


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("93.184.216.34", True), ("2606:2800::1", True), ("127.0.0.1", False), ("10.1.2.3", False), ("0.0.0.0", False),
        ("172.16.0.1", False), ("192.168.0.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1%eth0", False),
        ("fc00::1", False), ("ff02::1", False), ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", False),
        ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("2001:0:7f00:1::", False),
    ],
)  # fmt: skip
def test_public_addresses(address: str, is_public: bool) -> None:
    assert public(address) == is_public


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"]])
def test_a_name_of_an_inside_address_is_not_called(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    """Also one of several: a server that answers now this way and now that (DNS rebinding) gets nothing."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 1)) for address in found])
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it connected"))
    with pytest.raises(AddressRefused):
        post("https://hooks.example.org/", b"", {}, inside=False)


def test_the_address_that_was_checked_is_the_one_called(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up, called = [], []

    def resolve(host: str, *_: object, **__: object) -> list[Any]:
        looked_up.append(host)
        return [(0, 0, 0, "", ("93.184.216.34", 443))]

    def connect(_: object, host: str, *__: object, **___: object) -> httpcore.NetworkStream:
        called.append(host)
        raise httpcore.ConnectError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    with pytest.raises(httpcore.ConnectError):
        post("https://hooks.example.org/", b"", {}, inside=False)
    assert looked_up == ["hooks.example.org"] and called == ["93.184.216.34"]


@pytest.fixture
def mailbox(make_settings: MakeSettings, store: JobStore) -> Iterator[Mailbox]:
    made = Mailbox(make_settings())
    yield made
    made.close()


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_a_webhook_is_due_when_the_job_ends(mailbox: Mailbox, state: str) -> None:
    in_state(mailbox, state)
    job_id = create(mailbox, webhook="https://x")
    assert mailbox.due("webhook") == []
    claim(mailbox, job_id)
    if state == "succeeded":
        mailbox.finish(job_id, 1, b"{}", {})
    elif state == "failed":
        mailbox.fail(job_id, 1, PROBLEM)
    else:
        mailbox.cancel(job_id)
    assert mailbox.due("webhook") == [job_id] and mailbox.get(job_id).told == 1
    assert mailbox.due("webhook") == [], "it is put off before it is sent"
    mailbox.done("webhook", job_id, True)
    assert mailbox.stats()["webhooks_sent"] == 1


def test_a_webhook_is_tried_five_times_in_an_hour(mailbox: Mailbox, raw: redis.Redis) -> None:
    job_id = create(mailbox, webhook="https://x")
    claim(mailbox, job_id)
    mailbox.finish(job_id, 1, b"{}", {})
    waited = [0.0]
    for _ in range(5):
        before = float(str(raw.zscore("surety:hooks", job_id)))
        assert mailbox.due("webhook") == [job_id]
        waited.append((float(str(raw.zscore("surety:hooks", job_id))) - before) / 1000)
        raw.zadd("surety:hooks", {job_id: float(raw.time()[0]) * 1000})
    assert [round(wait, -1) for wait in waited] == [0, 30, 150, 600, 2700, 60] and sum(waited[:5]) < 3600
    assert mailbox.due("webhook") == [] and raw.zcard("surety:hooks") == 0
    assert mailbox.stats()["webhooks_failed"] == 1
    deleted = create(mailbox, webhook="https://x")
    claim(mailbox, deleted)
    mailbox.finish(deleted, 1, b"{}", {})
    mailbox.delete(deleted)
    assert mailbox.due("webhook") == [] and raw.zcard("surety:hooks") == 0


class Receiver(Listener):
    """Keeps what it was sent; answers with `status`."""

    def __init__(self) -> None:
        self.status = 204
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Location", receiver.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

        super().__init__(Handler)
        self.url = f"http://{self.host}/told?secret-path"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def postman(make_settings: MakeSettings, store: JobStore, receiver: Receiver) -> Iterator[Postman]:
    made = Postman(make_settings(webhook_inside_hosts=receiver.host, webhook_secret=SECRET))
    yield made
    made.stop()


def ended(store: JobStore, url: str, state: str = "succeeded") -> str:
    job_id = store.create("explanation", '{"secret": "spec"}', b"secret image", digest="d", webhook=url).id
    claim(store, job_id)
    if state == "succeeded":
        store.finish(job_id, 1, b'{"secret": "result"}', {"map.npz": b"m"})
    else:
        store.fail(job_id, 1, PROBLEM)
    return job_id


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_the_receiver_is_told_once_and_can_check_it(
    postman: Postman, store: JobStore, receiver: Receiver, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = ended(store, receiver.url, state)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            postman.deliver()
    ((headers, body),) = receiver.got
    told = Webhook(SECRET).verify(body, headers)
    assert told["type"] == f"job.{state}" and Job.model_validate(told["data"]) == store.get(job_id).job()
    assert headers["webhook-id"] == job_id and b"secret" not in body
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(job_id.encode(), b"0" * 32), headers)
    assert store.stats()["webhooks_sent"] == 1 and "answered with 204" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("status", [500, 404, 301, 307])
def test_what_was_not_taken_is_sent_again_with_the_same_id(
    postman: Postman, store: JobStore, receiver: Receiver, raw: redis.Redis, status: int
) -> None:
    """A redirect is no answer either, and is not followed."""
    receiver.status = status
    job_id = ended(store, receiver.url)
    postman.deliver()
    assert len(receiver.got) == 1 and raw.zcard("surety:hooks") == 1
    raw.zadd("surety:hooks", {job_id: 0})
    receiver.status = 200
    postman.deliver()
    assert [headers["webhook-id"] for headers, _ in receiver.got] == [job_id, job_id]
    assert raw.zcard("surety:hooks") == 0 and store.stats()["webhooks_sent"] == 1


def test_gone_means_never_again(postman: Postman, store: JobStore, receiver: Receiver, raw: redis.Redis) -> None:
    receiver.status = 410
    ended(store, receiver.url)
    postman.deliver()
    assert raw.zcard("surety:hooks") == 0 and store.stats()["webhooks_failed"] == 1


def test_one_that_is_away_or_not_allowed_keeps_nobody_waiting(
    postman: Postman, store: JobStore, receiver: Receiver, raw: redis.Redis
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    postman._settings = postman._settings.model_copy(
        update={"webhook_inside_hosts": f"{receiver.host},{away.removeprefix('http://').strip('/')}"}
    )
    first, second = ended(store, away), ended(store, "https://evil.example.org/")
    third = ended(store, receiver.url)
    postman.deliver()
    assert [headers["webhook-id"] for headers, _ in receiver.got] == [third]
    assert raw.zrange("surety:hooks", 0, -1) == [first], "only this one is tried again"
    assert store.get(first).told == store.get(second).told == 1 and store.stats()["webhooks_failed"] == 1


def test_the_thread_delivers_and_stops(
    postman: Postman, store: JobStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.service.sender._TURN_SECONDS", 0.02)
    ended(store, receiver.url)
    postman.start()
    wait_for(lambda: store.stats().get("webhooks_sent") == 1)
    postman.stop()
    assert not postman._thread.is_alive()
