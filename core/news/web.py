"""What is open over HTTP and WebSocket, as people are told of it."""

from dataclasses import dataclass

from core.trust.audience import Audience
from core.values import Address


@dataclass(frozen=True, slots=True)
class WebRow:
    """A service that is open over HTTP or WebSocket; `transports` are those of this port."""

    service: str
    transports: tuple[str, ...]
    address: Address
    tls: bool
    audience: Audience

    @property
    def place(self) -> str:
        """The address as people write it."""
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
