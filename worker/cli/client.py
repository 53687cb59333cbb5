"""A client of the HTTP API, as the command line needs it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from worker.contract.job import Job
from worker.contract.result import Explanation
from worker.contract.signature import PublicKey

POLL_SECONDS = 0.2


class Refused(Exception):
    """The service answered with a problem; `code`, `detail` and `pointer` are its own."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.code = str(body.get("code", "?"))
        self.detail = str(body.get("detail", ""))
        self.pointer = str(body.get("pointer") or "")
        super().__init__(f"{body.get('title', 'refused')}: {self.detail}")


class Unreachable(Exception):
    """No service answers at this address."""


class Client:
    """Talks to one service. Raises Refused or Unreachable."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30.0, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def submit(self, image: Path, spec: dict[str, Any], *, fresh: bool = False) -> Job:
        """The job of a request. `fresh`: it is computed, also if the service has the result already."""
        headers = {"Cache-Control": "no-cache"} if fresh else {}
        files = {"image": (image.name, image.read_bytes()), "spec": (None, json.dumps(spec))}
        return Job.model_validate(self._call("POST", "/v1/explanations", files=files, headers=headers).json())

    def refer(self, body: dict[str, Any], key: str) -> Job:
        """The job of a request whose image is in an archive; the same `key` gives the same job."""
        return Job.model_validate(
            self._call("POST", "/v1/explanations", json=body, headers={"Idempotency-Key": key}).json()
        )

    def job(self, job: Job) -> Job:
        """The job as of now."""
        return Job.model_validate(self._call("GET", f"/v1/jobs/{job.id}").json())

    def delete(self, job: Job) -> None:
        self._call("DELETE", f"/v1/jobs/{job.id}")

    def follow(self, job: Job) -> Iterator[Job]:
        """The job again and again until it is finished, last."""
        while not job.finished:
            time.sleep(POLL_SECONDS)
            job = self.job(job)
            yield job

    def result(self, job: Job) -> Explanation:
        return Explanation.model_validate(self._call("GET", f"/v1/jobs/{job.id}/result").json())

    def cancel(self, job: Job) -> Job:
        return Job.model_validate(self._call("POST", f"/v1/jobs/{job.id}/cancel").json())

    def models(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "/v1/models").json()
        return found

    def public_keys(self) -> list[PublicKey]:
        """The keys that this service's workers sign with."""
        return [PublicKey.model_validate(key) for key in self._call("GET", "/v1/keys").json()]

    def artifact(self, job: Job, name: str) -> bytes:
        return self._call("GET", f"/v1/jobs/{job.id}/artifacts/{name}").content

    def ready(self) -> bool:
        """Whether a request sent now would be worked on."""
        try:
            return self._http.get("/health/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise Unreachable(f"No service answers at {self._http.base_url} ({error}).") from error
        if response.is_error:
            try:
                body = response.json()
            except ValueError:
                body = {"title": f"HTTP {response.status_code}", "detail": response.text[:200]}
            raise Refused(body)
        return response
