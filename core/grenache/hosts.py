"""Whose a connection is, for what one host may hold: an IPv6 host has a whole network of addresses to call from."""

import asyncio
import ipaddress
from functools import lru_cache

from core.peer_id import PeerId
from core.rpc.memory import Standing


@lru_cache(maxsize=1024)
def network(host: str) -> str:
    """Return a host as it is counted: an IPv6 one by the /64 that a home or a machine is given (RFC 6177)."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(ipaddress.IPv6Network((address, 64), strict=False))


def by_network(standing: Standing) -> Standing:
    """Return a standing whose owner, if it is a host, is counted so."""
    return standing._replace(owner=network(standing.owner)) if isinstance(standing.owner, str) else standing


def proved(transport: asyncio.BaseTransport) -> PeerId | None:
    """Return whose certificate came over a connection under TLS; None: there was none."""
    from core.grenache.tls import CERTIFICATE, certificate_id  # loaded already where there is TLS

    return certificate_id(transport.get_extra_info(CERTIFICATE))
