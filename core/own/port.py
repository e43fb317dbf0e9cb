"""The port that our router opens for us, if its owner lets us ask it."""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack

from core.mapping.mapper import PortMapper
from core.mapping.status import PortOpen
from core.own.addresses import ANY_HOST, OwnAddresses
from core.profile.config import PeerConfig
from core.reach.gate import PORT_MAPPING, allowed


def open_port(
    config: PeerConfig, addresses: OwnAddresses, port: int, tell: Callable[[PortOpen], None], stack: AsyncExitStack
) -> PortMapper | None:
    """Begin to ask for UDP port `port`; `stack` ends it. None: it is not wanted, or we are bound to one address."""
    if config.bind != ANY_HOST or not allowed(config.port_mapping, os.environ, PORT_MAPPING):
        return None
    mapper = PortMapper(addresses, port, tell)
    stack.push_async_callback(mapper.aclose)
    mapper.start()
    return mapper
