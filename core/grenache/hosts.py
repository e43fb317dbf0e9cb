"""Whose a connection is, for what one host may hold: an IPv6 host has a whole network of addresses to call from."""

import asyncio

from core.peer_id import PeerId
from core.rpc.memory import Standing
from core.scope import network

__all__ = ["by_network", "network", "proved"]


def by_network(standing: Standing) -> Standing:
    """Return a standing whose owner, if it is a host, is counted so."""
    return standing._replace(owner=network(standing.owner)) if isinstance(standing.owner, str) else standing


def proved(transport: asyncio.BaseTransport) -> PeerId | None:
    """Return whose certificate came over a connection under TLS; None: there was none."""
    from core.grenache.tls import CERTIFICATE, certificate_id  # loaded already where there is TLS

    return certificate_id(transport.get_extra_info(CERTIFICATE))
