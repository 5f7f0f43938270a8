"""Keeps http clients away from private addresses: of this machine, its network, its cloud.

The check is made where the socket is made, on the very address that it then connects to. So it
holds for every redirect, for addresses written as numbers and for names that resolve differently
the second time.
"""

import ipaddress
import socket
from typing import Any


class PrivateHost(OSError):
    """An address that may not be reached without the user's word."""


# They carry an IPv4 address, a private one as well: NAT64, 6to4, Teredo.
_CARRIERS = tuple(
    ipaddress.ip_network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in network for network in _CARRIERS):
            return False
    return ip.is_global and not ip.is_multicast


async def guarded_client(**options: Any) -> Any:
    """An aiohttp session that connects to public addresses alone; fsspec calls it for a session."""
    import aiohttp

    connector = aiohttp.TCPConnector(socket_factory=_public_socket)
    return aiohttp.ClientSession(connector=connector, **options)


def _public_socket(address: Any) -> socket.socket:
    family, kind, protocol, _, where = address
    if not is_public(where[0]):
        raise PrivateHost(f"{where[0]} is a private address")
    return socket.socket(family, kind, protocol)
