"""Clients that send all kinds of requests at once, good and bad, and wait when they are told to."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks.load.ledger import AGAIN, Accepted, Ledger
from benchmarks.load.requests import BAD, FRESH, IMAGES, form
from benchmarks.load.settings import Sizes

SEEDS = 4  # few, so that many requests are equal


class Client(threading.Thread):
    """Sends what it takes from `orders`, pairs of a kind and a seed, until there is nothing more."""

    def __init__(self, url: str, orders: queue.SimpleQueue[tuple[str, int]], ledger: Ledger, sizes: Sizes) -> None:
        super().__init__(name="client", daemon=True)
        self._orders, self._ledger, self._sizes = orders, ledger, sizes
        self._http = httpx.Client(base_url=url, timeout=60.0, trust_env=False)

    def run(self) -> None:
        with self._http:
            while True:
                try:
                    kind, seed = self._orders.get_nowait()
                except queue.Empty:
                    return
                if kind in OF_A_JOB and not self._ledger.jobs:
                    kind = "listing"
                try:
                    KINDS[kind](self, kind, random.Random(seed))  # noqa: S311 - to be repeated, not to be secret
                except httpx.HTTPError as error:
                    self._ledger.complain(f"{kind}: {type(error).__name__} {error}")

    def _send(
        self, kind: str, method: str, path: str, expected: tuple[int, ...], code: str = "", **options: Any
    ) -> tuple[httpx.Response, bool]:
        """The answer, and whether it is one of those expected."""
        answer = self._http.request(method, path, **options)
        good = self._ledger.note(kind, answer, expected, code)
        if answer.status_code in AGAIN:
            time.sleep(min(float(answer.headers.get("retry-after", 1)), self._sizes.patience))
        return answer, good

    def bad(self, kind: str, _: random.Random) -> None:
        wrong = BAD[kind]
        self._send(kind, wrong.method, wrong.path, (wrong.status,), wrong.code, **wrong.options)

    def explain(self, kind: str, dice: random.Random) -> None:
        """A computation; with the kind `stored` an earlier result will do, with `waited` it is waited for."""
        image, spec = dice.choice(IMAGES), {"samples": self._sizes.samples, "seed": dice.randrange(SEEDS)}
        headers = {"stored": {}, "waited": {**FRESH, "Prefer": "wait=2"}}.get(kind, FRESH)
        began = time.monotonic()
        files = form(spec, image.read_bytes())
        answer, good = self._send(kind, "POST", "/v1/explanations", (200, 202), files=files, headers=headers)
        if good:
            self._accept(answer.headers["location"].rpartition("/")[2], f"{image.name} {spec}")
            if kind != "waited":
                self._ledger.posts.append(time.monotonic() - began)

    def batch(self, kind: str, dice: random.Random) -> None:
        images, spec = dice.sample(IMAGES, dice.randint(2, 4)), {"samples": self._sizes.samples, "seed": SEEDS}
        files = form(spec, *(image.read_bytes() for image in images))
        answer, good = self._send(kind, "POST", "/v1/batches", (202,), files=files, headers=FRESH)
        for image, job in zip(images, answer.json()["jobs"] if good else (), strict=bool(good)):
            self._accept(job["id"], f"{image.name} {spec}")

    def job(self, kind: str, dice: random.Random) -> None:
        began = time.monotonic()
        if self._send(kind, "GET", f"/v1/jobs/{self._any(dice).id}", (200,))[1]:
            self._ledger.gets.append(time.monotonic() - began)

    def result(self, kind: str, dice: random.Random) -> None:
        """409 before the end, and after a cancellation."""
        self._send(kind, "GET", f"/v1/jobs/{self._any(dice).id}/result", (200, 409))

    def cancel(self, kind: str, dice: random.Random) -> None:
        accepted = self._any(dice)
        answer, good = self._send(kind, "POST", f"/v1/jobs/{accepted.id}/cancel", (200, 409))
        accepted.cancelled |= good and answer.status_code == httpx.codes.OK

    def events(self, kind: str, dice: random.Random) -> None:
        """Until the job's end, or at most two seconds long: then the client goes away."""
        ends_at = time.monotonic() + 2.0
        with self._http.stream("GET", f"/v1/jobs/{self._any(dice).id}/events") as answer:
            if answer.is_error:
                answer.read()
            self._ledger.note(kind, answer, (200,))
            for _ in answer.iter_lines():
                if time.monotonic() > ends_at:
                    break

    def listing(self, kind: str, dice: random.Random) -> None:
        self._send(kind, "GET", dice.choice(("/v1/jobs?limit=20", "/v1/jobs?state=succeeded", "/v1/models")), (200,))

    def _accept(self, job_id: str, content: str) -> None:
        self._ledger.jobs.append(Accepted(job_id, content))

    def _any(self, dice: random.Random) -> Accepted:
        """One of the jobs that were accepted last."""
        return dice.choice(self._ledger.jobs[-50:])


KINDS: dict[str, Callable[[Client, str, random.Random], None]] = {
    "explain": Client.explain,
    "stored": Client.explain,
    "waited": Client.explain,
    "batch": Client.batch,
    "job": Client.job,
    "result": Client.result,
    "cancel": Client.cancel,
    "events": Client.events,
    "listing": Client.listing,
    **dict.fromkeys(BAD, Client.bad),
}
OF_A_JOB = {"job", "result", "cancel", "events"}  # until there is one, a listing is asked for
# Of the good ones; every bad kind has one share.
SHARES = {
    "explain": 20, "stored": 8, "waited": 3, "batch": 4, "job": 20, "result": 5, "cancel": 4, "events": 3, "listing": 5,
}  # fmt: skip


def orders(count: int, seed: int) -> list[tuple[str, int]]:
    """The same for the same seed; every kind is among them where there is room."""
    dice = random.Random(seed)  # noqa: S311 - to be repeated
    kinds = list(KINDS)
    chosen = kinds[:count] + dice.choices(kinds, [SHARES.get(kind, 1) for kind in kinds], k=max(0, count - len(kinds)))
    dice.shuffle(chosen)
    return [(kind, dice.getrandbits(32)) for kind in chosen]
