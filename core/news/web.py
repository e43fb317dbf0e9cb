"""What is open over HTTP and WebSocket, as people are told of it."""

from typing import ClassVar

from core.frozen import frozen
from core.news.events import PeerEvent
from core.news.network import PortOpen
from core.trust.audience import Audience
from core.values import Address


@frozen
class WebRow:
    """A service that is open over HTTP or WebSocket; `transports` are those of this port.

    `outside`: where the Internet reaches it, if the router opened a port; `mapping` says so, or why not, in words.
    """

    service: str
    transports: tuple[str, ...]
    address: Address
    tls: bool
    audience: Audience
    outside: Address | None = None
    mapping: str = ""

    @property
    def place(self) -> str:
        """The address as people write it."""
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@frozen
class WebPortMapped(PeerEvent):
    """The router opened the TCP port of HTTP and WebSocket, or did not, or no longer does."""

    kind: ClassVar[str] = "web-port"
    port: int  # ours
    opened: PortOpen
