"""The ports that our router opens for us, if its owner lets us ask it."""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack

from core.mapping.mapper import PortMapper
from core.mapping.pinholes import PinholeKeeper
from core.mapping.status import PortOpen
from core.own.addresses import ANY_HOST, OwnAddresses
from core.profile.config import PeerConfig
from core.reach.gate import PORT_MAPPING, allowed
from core.values import Address


def open_ports(
    config: PeerConfig, addresses: OwnAddresses, port: int, tell: Callable[[PortOpen], None],
    tell_6: Callable[[PortOpen], None], stack: AsyncExitStack,
) -> tuple[PortMapper, ...]:  # fmt: skip
    """Begin to ask that UDP packets for `port` come in, of IPv4 and of IPv6; `stack` ends it.

    None is asked for where that is not wanted, or we are bound to one address.
    """
    if config.bind != ANY_HOST or not allowed(config.port_mapping, os.environ, PORT_MAPPING):
        return ()
    mappers = PortMapper(addresses, port, tell), PinholeKeeper(addresses, port, tell_6)
    for mapper in mappers:
        stack.push_async_callback(mapper.aclose)
        mapper.start()
    return mappers


def open_web_port(
    config: PeerConfig, addresses: OwnAddresses, port: int, tell: Callable[[PortOpen], None]
) -> PortMapper | None:
    """Begin to ask for the TCP port of HTTP and WebSocket; who calls this ends it. None: it is not wanted.

    A server that only this machine reaches is not asked for: nothing could come in.
    """
    if not config.web.reachable or not allowed(config.web.map, os.environ, PORT_MAPPING):
        return None
    mapper = PortMapper(_Beside(addresses), port, tell, tcp=True)
    mapper.start()
    return mapper


class _Beside:
    """Our addresses, for a port of TCP: that one is mapped says nothing of where we are over UDP."""

    def __init__(self, addresses: OwnAddresses) -> None:
        self._addresses = addresses

    def local(self, toward: Address) -> str | None:
        """Return our host toward another."""
        return self._addresses.local(toward)

    def is_beside(self, address: Address) -> bool:
        """Return whether another is on a network of ours."""
        return self._addresses.is_beside(address)

    def hosts_6(self) -> tuple[str, ...]:
        """Return our IPv6 hosts: a pinhole is of UDP."""
        return ()

    def map_to(self, address: Address | None) -> None:
        """See above."""

    def let_in(self, address: Address | None) -> None:
        """See above."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Who opens the port tells of changes: ports come and go, and this has no end."""
