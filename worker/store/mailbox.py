"""The store as the sender of webhooks needs it: whose end is to be told now."""

from __future__ import annotations

from worker.store.jobs import JobStore
from worker.store.scripts import store_errors


class Mailbox(JobStore):
    """A job store that also knows which webhooks are still to be told."""

    def due(self, most: int = 20) -> list[str]:
        """The jobs whose end is to be told now. Each is put off to its next try, so that another sender leaves it."""
        return [job_id.decode() for job_id in self._scripts.run("tell", most)]

    def done(self, job_id: str, told: bool) -> None:
        """No more tries: the webhook was told, or will never be."""
        with store_errors(), self._redis.pipeline(transaction=True) as pipe:
            pipe.zrem("surety:hooks", job_id)
            pipe.hincrby("surety:stats", "webhooks_sent" if told else "webhooks_failed", 1)
            pipe.execute()
