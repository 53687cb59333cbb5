"""Tells webhooks that their jobs have ended (Standard Webhooks): signed, to allowed hosts, five tries in an hour."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime

import httpcore
from standardwebhooks import Webhook

from worker.contract.errors import JobError, StoreUnavailable, WebhookRefused
from worker.contract.settings import Settings
from worker.contract.webhook import destination
from worker.service.outside import SECONDS, AddressRefused, post
from worker.store.mailbox import Mailbox
from worker.store.record import JobRecord

_TURN_SECONDS = 1.0
_GONE = 410  # the receiver's way to say: never again

_log = logging.getLogger(__name__)


class Postman:
    """A thread that delivers what is due. The state of every delivery is in the store, so any worker goes on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Mailbox(settings)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="postman", daemon=True)

    def start(self) -> None:
        if self._settings.webhook_secret:
            self._thread.start()

    def stop(self) -> None:
        """Nothing new is sent; waits for a delivery at hand, but not for a receiver that makes us wait."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(SECONDS)
        self._store.close()

    def deliver(self) -> None:
        """Sends what is due now. Raises StoreUnavailable."""
        for job_id in self._store.due():
            if self._stopping.is_set():
                return  # what was not sent is due again at its next try
            try:
                record = self._store.get(job_id)
            except JobError:
                continue  # deleted or expired: there is nothing to tell any more
            told = self._tell(record)
            if told is not None:
                self._store.done(job_id, told)

    def _tell(self, record: JobRecord) -> bool | None:
        """Whether the receiver took it; None: try again later."""
        # The host alone is logged: the path of a webhook may be a secret.
        try:
            where = destination(record.webhook, self._settings)
            status = post(where.url, *_message(record, str(self._settings.webhook_secret)), inside=where.inside)
        except (WebhookRefused, AddressRefused) as error:
            _log.warning("job %s: its webhook is not one we send to (%s)", record.id, type(error).__name__)
            return False
        except (OSError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            _log.info("job %s: try %d at %s failed (%s)", record.id, record.told, where.host, type(error).__name__)
            return None
        _log.info("job %s: try %d at %s was answered with %d", record.id, record.told, where.host, status)
        return True if 200 <= status < 300 else False if status == _GONE else None

    def _work(self) -> None:
        while not self._stopping.wait(_TURN_SECONDS):
            try:
                self.deliver()
            except StoreUnavailable:
                continue
            except Exception:  # noqa: BLE001 - the webhooks of everybody depend on this loop
                _log.exception("a round of deliveries failed")


def _message(record: JobRecord, secret: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers. The id is the job's, the same for every try: a receiver can tell that it knows it."""
    now = datetime.now(UTC)
    job = record.job().model_dump(mode="json")
    body = json.dumps({"type": f"job.{record.state}", "timestamp": now.isoformat(), "data": job})
    headers = {
        "Content-Type": "application/json",
        "webhook-id": record.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(record.id, now, body),
    }
    return body.encode(), headers
