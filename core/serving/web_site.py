"""What is open over HTTP and WebSocket, as their server asks for it: the same handler, gate, quota and record."""

from collections.abc import Iterable

from core.rpc.memory import Standing
from core.services.service import Service
from core.serving.call import Call
from core.serving.catalog import Catalog
from core.serving.handler import Handler
from core.serving.openings import Openings
from core.tunnel.stream import ByteStream
from core.values import Address, Caller, JsonValue
from core.wire.stream_opening import Opening, pack_opening


class WebSite:
    """The services that one port serves. `over` says by which transports each of them is open; nothing is at first."""

    def __init__(self, handler: Handler, catalog: Catalog, openings: Openings) -> None:
        self._handler = handler
        self._catalog = catalog
        self._openings = openings
        self._over: dict[str, frozenset[str]] = {}

    def __len__(self) -> int:
        """Return how many services are open."""
        return len(self._over)

    def open(self, service: str, transports: Iterable[str]) -> None:
        """Open a service over these transports."""
        self._over[service] = frozenset(transports)

    def close(self, service: str) -> None:
        """Open it no longer. Idempotent."""
        self._over.pop(service, None)

    def open_over(self, transport: str) -> bool:
        """Return whether anything is open over a transport."""
        return any(transport in transports for transports in self._over.values())

    def standing(self, caller: Caller) -> Standing:
        """Return what a caller may hold."""
        return self._handler.standing(caller)

    def receive(self, transport: str, key: str, payload: JsonValue, caller: Caller, size: int) -> Call:
        """Decide what a request is; one for a service that is not open over this transport is for nobody."""
        return self._handler.receive_over(transport, key, self._find(transport, key), caller, size)

    def stream_name(self, key: str) -> str | None:
        """Return the service that takes streams of bytes under a key, None when there is none over HTTP."""
        service = self._find("http", key)
        return service.name if service is not None and getattr(service, "takes_streams", False) else None

    def open_stream(self, stream: ByteStream) -> None:
        """Take a stream."""
        self._openings.on_opening(stream, "http")

    def subscribed(self, stream: ByteStream) -> bool:
        """Take a subscriber of the one service that is published here; False: nothing is."""
        names = [name for name, transports in self._over.items() if "pub" in transports]
        if len(names) != 1:
            return False
        stream.payload = pack_opening(Opening(names[0], {}))
        self._openings.on_opening(stream, "pub")
        return True

    def _find(self, transport: str, key: str) -> Service | None:
        service = self._catalog.find(key)
        if service is not None and transport in self._over.get(service.name, ()):
            return service
        here = [name for name, transports in self._over.items() if transport in transports]
        if len(here) == 1 and _is_address(key):
            return self._catalog.find_name(here[0])  # from a caller who knew only where we are
        return None


def _is_address(key: str) -> bool:
    try:
        Address.parse(key)
    except ValueError:
        return False
    return True
