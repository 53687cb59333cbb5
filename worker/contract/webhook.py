"""Where a webhook may point. The API refuses by it; the worker asks it again before it sends."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from worker.contract.errors import WebhookRefused
from worker.contract.settings import Settings

POINTER = "/webhook/url"
_PLAIN = re.compile(r"[!-~]{1,2048}")
_PORTS = {"https": 443, "http": 80}


class Destination(NamedTuple):
    """A webhook that the settings allow. `inside`: it may be at a private address."""

    url: str
    host: str
    inside: bool


def destination(url: str, settings: Settings) -> Destination:
    """The webhook at `url`. Raises WebhookRefused: not https, a host that no setting names, or webhooks are off."""
    hosts, inside_hosts = _hosts(settings.webhook_hosts), _hosts(settings.webhook_inside_hosts)
    if not settings.webhook_secret or not hosts | inside_hosts:
        raise _refused("Webhooks are off here: SURETY_WEBHOOK_SECRET and SURETY_WEBHOOK_HOSTS turn them on.")
    try:
        parts = urlsplit(url if _PLAIN.fullmatch(url) else "")
        host, port = (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise _refused("This is not a URL.") from None
    if not host or parts.scheme not in _PORTS or parts.username is not None or parts.fragment:
        raise _refused("Send an https URL of at most 2,048 ASCII characters, without a user and a fragment.")
    inside = (host, port) in inside_hosts or (host, port) in {(name, 80) for name, at in inside_hosts if at == 443}
    if parts.scheme == "http" and not inside:
        raise _refused("Only https is sent to this host.")
    if not inside and (host, port) not in hosts:
        raise _refused("This service does not send to this host and port; its operator names those it does.")
    return Destination(url, host, inside)


def _refused(detail: str) -> WebhookRefused:
    return WebhookRefused(detail, pointer=POINTER)


def _hosts(text: str) -> set[tuple[str, int]]:
    """Host and port of each entry; without a port it is https's."""
    found = set()
    for entry in filter(None, (part.strip().lower() for part in text.split(","))):
        parts = urlsplit(f"//{entry}")
        found.add((parts.hostname or "", parts.port or _PORTS["https"]))
    return found
