"""Where the live page is served."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

__all__ = ["LOOPBACK", "Address", "parse_address"]

LOOPBACK = "127.0.0.1"

_LARGEST_PORT = 65535


class Address(NamedTuple):
    """A host (name, IPv4 or IPv6 address) and a TCP port; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Reads "8000", ":8000", "host:8000" or "[::1]:8000".

    A port alone is this machine only: what a camera sees is opened to a network by whoever names
    the network, never by leaving something out.

    Raises:
        ValueError: It is none of these.
    """
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        valid = _is_ipv6(host)
    else:
        valid = not set(host) & set(":/[]@ ")
    if not (valid and port.isascii() and port.isdigit() and int(port) <= _LARGEST_PORT):
        raise ValueError(
            f"address {text!r} to serve at: expected PORT, HOST:PORT or [IPv6]:PORT with a port "
            f"from 0 to {_LARGEST_PORT}, such as 8000, 0.0.0.0:8000 or [::1]:8000"
        )
    return Address(host or LOOPBACK, int(port))


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
