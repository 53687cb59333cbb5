"""A client that does not give up, and the judge of what became of its jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.chaos.processes import Broken, wait_for
from benchmarks.chaos.row import Row
from benchmarks.chaos.service import Service
from models.cards import shipped
from models.registry import Registry
from worker.contract.errors import JobNotFound, StoreUnavailable
from worker.contract.result import Explanation
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.service.explainer import Explainer

BATCH, BLOCKS, SHARDED = 64, 12, 48
SEEDS = 4
IMAGE = shipped() / "digits" / "samples" / "digit-3-0.png"


class Sent(NamedTuple):
    """A request and its job. `expected` is the state it must end in, or the code of its error."""

    name: str
    spec: str
    job_id: str
    expected: str


class Session:
    """Sends jobs and keeps account of them, so that `settle` can say what became of every one."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.number = 0
        self._sent: list[Sent] = []

    def name(self, do: str = "run") -> str:
        """The next request's id: what its job shall do (see kernels.py), and a number."""
        self.number += 1
        return f"{do}-{self.number}"

    def post(self, name: str, spec: str) -> httpx.Response:
        """One try."""
        headers = {"X-Request-ID": name, "Idempotency-Key": name, "Cache-Control": "no-cache"}
        files = [("image", ("digit.png", IMAGE.read_bytes())), ("spec", (None, spec.encode()))]
        with httpx.Client(base_url=self.service.url, timeout=15.0, trust_env=False) as http:
            return http.post("/v1/explanations", files=files, headers=headers)

    def submit(
        self, do: str = "run", *, blocks: int = BLOCKS, expected: str = "succeeded", name: str | None = None
    ) -> Sent:
        """Tries with one key until there is a job, as a client should."""
        name = name or self.name(do)
        body = spec(self.number % SEEDS, blocks)
        ends = time.monotonic() + 90
        while time.monotonic() < ends:
            try:
                answer = self.post(name, body)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                return self.note(Sent(name, body, answer.json()["id"], expected))
            if answer is not None and answer.is_client_error:
                raise Broken(f"refused: {answer.text[:200]}")
            time.sleep(0.1)
        raise Broken("no job within 90 s")

    def note(self, sent: Sent) -> Sent:
        self._sent.append(sent)
        return sent

    def drop(self, sent: Sent) -> None:
        """This job's end was judged by the fault itself."""
        self._sent.remove(sent)

    def begun(self, sent: Sent, blocks: int = 3) -> Sent:
        """Returns when so many blocks of the job are done and kept."""
        wait_for(lambda: self.service.record(sent.job_id).progress.done >= blocks * BATCH, f"a start of {sent.name}")
        return sent

    @contextmanager
    def judged(self, row: Row, patience: float = 60.0) -> Iterator[None]:
        """One run of a fault. At the end every job sent inside is looked at, and the commits are counted."""
        self.service.heal()
        before = self.service.count("succeeded")
        row.runs += 1
        try:
            yield
        except (Broken, httpx.HTTPError, StoreUnavailable, JobNotFound) as error:
            row.broken.append(f"{type(error).__name__}: {error}")
        self.service.heal()
        self._settle(row, before, patience)

    def _settle(self, row: Row, before: int, patience: float) -> None:
        ends = time.monotonic() + patience
        succeeded = 0
        for sent in self._sent:
            row.jobs += 1
            if self._ended(sent, ends) != sent.expected:
                row.lost += 1
                self.service.store.delete(sent.job_id)  # or it would come to its end among the jobs of the next fault
            elif sent.expected == "succeeded":
                succeeded += 1
                row.wrong += self._fingerprint(sent.job_id) != reference(sent.spec, self.service.settings.state_dir)
        self._sent.clear()
        row.doubled += max(0, self.service.count("succeeded") - before - succeeded)

    def _ended(self, sent: Sent, ends: float) -> str:
        """The state or the error's code in which the job ended; else what it is now."""
        while True:
            try:
                record = self.service.record(sent.job_id)
            except JobNotFound:
                return "unknown"
            if record.finished or time.monotonic() > ends:
                return record.error.code if record.error else record.state
            time.sleep(0.05)

    def _fingerprint(self, job_id: str) -> str:
        with httpx.Client(base_url=self.service.url, timeout=15.0, trust_env=False) as http:
            answer = http.get(f"/v1/jobs/{job_id}/result").raise_for_status()
        return fingerprint(Explanation.model_validate_json(answer.content))


def spec(seed: int, blocks: int = BLOCKS) -> str:
    return json.dumps({"samples": blocks * BATCH, "seed": seed})


def fingerprint(result: Explanation) -> str:
    """Of all that must not depend on who computed it, when and in how many pieces."""
    claims = [item.model_dump_json() for item in result.certificates]
    return sha256("\n".join([result.provenance.counts_sha256, result.heatmap.png_base64, *claims]).encode()).hexdigest()


@cache
def reference(text: str, state_dir: Path) -> str:
    """The fingerprint of the same request in this process, in one piece and without any fault."""
    asked = ExplanationSpec.model_validate_json(text)
    explained = _explainer(state_dir).explain(IMAGE.read_bytes(), asked, None, lambda _done, _checkpoint: None)
    return fingerprint(explained.explanation)


@cache
def _explainer(state_dir: Path) -> Explainer:
    return Explainer(Settings(state_dir=state_dir), Registry([shipped()]))
