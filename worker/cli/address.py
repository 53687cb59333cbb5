"""Where the API listens, and whether it may listen there without API keys."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from worker.contract.errors import StoreUnavailable
from worker.contract.settings import Settings
from worker.service.server import ServerError
from worker.store.keys import Keyring

LOOPBACK = "127.0.0.1"
_EVERYWHERE = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - looked up, not listened at


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address. A name may mean anything, but for localhost."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_here(host: str, port: int) -> str:
    """The URL by which this machine itself reaches what listens at the address."""
    here = _EVERYWHERE.get(host, host)
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


def free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def demand_key(settings: Settings, host: str) -> None:
    """Raises ServerError if there is no key that somebody could use."""
    keyring = Keyring(settings)
    try:
        if keyring.usable():
            return
    except StoreUnavailable as error:
        raise ServerError(error.detail) from error
    finally:
        keyring.close()
    raise ServerError(
        f"The service at {host} wants API keys, and there is none. Make one: surety keys create --owner NAME "
        "--scope submit --scope read. To let in whoever can reach it: SURETY_ALLOW_ANONYMOUS=true."
    )
