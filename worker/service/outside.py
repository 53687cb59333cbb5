"""Connections to addresses that a client named: to public ones only, whatever the name resolves to."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping

import httpcore

SECONDS = 3.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(Exception):
    """The host is at an address inside the service's own network."""


class _Checked(httpcore.SyncBackend):
    """Resolves once, checks every address, and connects to one of those: no second look-up could say otherwise."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        if not all(map(public, found)):
            raise AddressRefused
        return super().connect_tcp(found[0], port, timeout, local_address, socket_options)


def public(address: str) -> bool:
    """Whether the address is reachable for all of the Internet; those that hold another address inside are not."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo or ip in _NAT64):
        return False
    return ip.is_global and not ip.is_multicast


def post(url: str, body: bytes, headers: Mapping[str, str], *, inside: bool) -> int:
    """The status of the answer; redirects are not followed and the answer's body is not read.

    `inside`: private addresses are allowed. Raises AddressRefused, OSError or an httpcore error.
    """
    backend = httpcore.SyncBackend() if inside else _Checked()
    limits = dict.fromkeys(("connect", "read", "write", "pool"), SECONDS)
    # The system's certificates: a hospital's own authority is known there.
    with (
        httpcore.ConnectionPool(ssl_context=ssl.create_default_context(), network_backend=backend) as pool,
        pool.stream("POST", url, headers=[*headers.items()], content=body, extensions={"timeout": limits}) as answer,
    ):
        return answer.status
