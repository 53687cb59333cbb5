"""The store as senders need it: whose end is to be told now, and whose results are to be stored."""

from __future__ import annotations

from typing import Literal

from worker.store.jobs import JobStore

Mail = Literal["webhook", "archive"]


class Mailbox(JobStore):
    """A job store that also knows which mail is still to be sent."""

    def due(self, mail: Mail, most: int = 20) -> list[str]:
        """The jobs whose mail is to be sent now. Each is put off to its next try, so that another sender leaves it."""
        return [job_id.decode() for job_id in self._scripts.run("tell", mail, most)]

    def done(self, mail: Mail, job_id: str, taken: bool) -> None:
        """No more tries: the mail was taken, or will never be."""
        self._scripts.run("told", mail, job_id, "yes" if taken else "no")
