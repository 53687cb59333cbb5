"""What was sent and what came back, told by many threads at once; and whether each answer may be."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

PROBLEM = "application/problem+json"
AGAIN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass
class Accepted:
    """A job that the service took. Equal `content`: equal requests."""

    id: str
    content: str
    cancelled: bool = False


@dataclass
class Ledger:
    """`answers` counts by kind of request and status, `posts` and `gets` are seconds of accepted POSTs and of GETs of
    a job, `broken` is what must not be."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    jobs: list[Accepted] = field(default_factory=list)
    posts: list[float] = field(default_factory=list)
    gets: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, answer: httpx.Response, expected: tuple[int, ...], code: str = "") -> bool:
        """Whether the answer is one of those expected, with this code. A refusal is a problem; 429 and 503 say when to
        come again."""
        status = answer.status_code
        with self._lock:
            self.answers[kind, status] += 1
        problem = _problem(answer)
        if status in AGAIN and answer.headers.get("retry-after", "").isdecimal() and problem.get("code"):
            return False
        if status not in expected or (answer.is_error and not problem) or (code and problem.get("code") != code):
            self.complain(f"{kind}: answered {status} {answer.text[:200]}")
            return False
        return True

    def complain(self, text: str) -> None:
        with self._lock:
            self.broken.append(text)

    @property
    def refused(self) -> int:
        """How often a client was told to come again."""
        return sum(count for (_, status), count in self.answers.items() if status in AGAIN)


def _problem(answer: httpx.Response) -> dict[str, Any]:
    if answer.headers.get("content-type") != PROBLEM:
        return {}
    found: dict[str, Any] = answer.json()
    return found
