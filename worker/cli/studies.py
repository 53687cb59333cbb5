"""A study of an archive, explained: a job for each of its images, followed until the results are stored."""

from __future__ import annotations

import json
import time
from collections import Counter
from hashlib import sha256
from typing import Any

from worker.cli.client import Client, Refused
from worker.contract.archive import Reference
from worker.contract.job import Job
from worker.dicom.archive import ArchiveClient

_TURN_SECONDS = 0.5
# What passes: the next try may be taken.
_PASSES = frozenset({"queue_full", "rate_limited", "store_unavailable", "internal_error", "?"})
_GONE = frozenset({"job_expired", "job_not_found"})
# Explained under this key before, with what was then the service's default.
_BEFORE = "idempotency_conflict"


class Later(Exception):
    """The study could not be finished now; a later call goes on where this one ended."""


class Misfit(Exception):
    """The service takes nothing of what this bridge asks for; the message says why."""


class Studies:
    """Explains studies with one spec. What is the fault of an image is reported and passed over."""

    def __init__(
        self, archive: str, pacs: ArchiveClient, service: Client, spec: dict[str, Any], modalities: frozenset[str]
    ) -> None:
        self._archive = archive
        self._pacs = pacs
        self._service = service
        self._spec = spec
        self._modalities = modalities
        self._jobs: dict[str, Job | str] = {}  # by instance: its job, or why there is none

    def explain(self, study: str) -> str:
        """Returns when every image of the study is explained and stored, or known not to be: in a line what became of
        them, "" for a study without images. Surety's own results and other derived objects are no images.

        Raises Later, Misfit, Unreachable, ArchiveUnavailable, ArchiveRefused.
        """
        images = [entry for entry in self._pacs.entries(study) if entry.image]
        images = [entry for entry in images if not self._modalities or entry.modality in self._modalities]
        for entry in images:
            if entry.instance not in self._jobs:
                self._jobs[entry.instance] = self._submit(entry.reference(self._archive, study))
        ends = Counter(self._end(entry.instance) for entry in images)
        self._jobs.clear()
        return ", ".join(f"{many} {end}" for end, many in sorted(ends.items()))

    def _submit(self, reference: Reference) -> Job | str:
        # One key for one instance and spec: whoever asks again, after a crash too, gets the job that there is.
        wanted = json.dumps([reference.instance, self._archive, self._spec], sort_keys=True)
        body = {
            "image": reference.model_dump(exclude_none=True),
            "spec": self._spec,
            "store": {"archive": self._archive},
        }
        try:
            return self._service.refer(body, f"bridge-{sha256(wanted.encode()).hexdigest()}")
        except Refused as error:
            if error.code in _PASSES:
                raise Later(str(error)) from error
            if error.code == _BEFORE or error.pointer == "/image":
                return f"refused ({error.code})"
            raise Misfit(str(error)) from error

    def _end(self, instance: str) -> str:
        job = self._jobs[instance]
        while isinstance(job, Job) and (not job.finished or (job.state == "succeeded" and job.stored == "pending")):
            time.sleep(_TURN_SECONDS)
            try:
                job = self._jobs[instance] = self._service.job(job)
            except Refused as error:
                if error.code in _GONE:
                    del self._jobs[instance]
                raise Later(str(error)) from error
        if isinstance(job, str):
            return job
        if job.error and job.error.code == "archive_unavailable":
            # The archive was away for longer than a job waits. Its key must not lead to this job again.
            self._service.delete(job)
            del self._jobs[instance]
            raise Later(job.error.detail)
        if job.state == "succeeded":
            return "stored" if job.stored == "stored" else "explained, not stored"
        return f"{job.state} ({job.error.code})" if job.error else job.state
