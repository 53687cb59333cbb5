"""Tells webhooks that their jobs have ended (Standard Webhooks): signed, to allowed hosts, five tries in an hour."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import httpcore
from standardwebhooks import Webhook

from worker.contract.errors import WebhookRefused
from worker.contract.webhook import destination
from worker.service.outside import SECONDS, AddressRefused, post
from worker.service.sender import Sender
from worker.store.record import JobRecord

_GONE = 410  # the receiver's way to say: never again

_log = logging.getLogger(__name__)


class Postman(Sender):
    """Tells the webhooks."""

    mail = "webhook"
    patience = SECONDS

    def wanted(self) -> bool:
        return bool(self._settings.webhook_secret)

    def send(self, record: JobRecord) -> bool | None:
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
