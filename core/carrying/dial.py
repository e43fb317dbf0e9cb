"""Opening carriers: where UDP is blocked, to who passes packets on, by TCP or by WebSocket with TLS at port 443."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from core.aio.tasks import TaskSet
from core.carrying.carrier import Carrier
from core.carrying.config import APART, DIAL_WITHIN, DIALLED, LONGEST, PATH, WSS_PORT
from core.errors import PeerError
from core.net.detour import Detour
from core.values import Address

if TYPE_CHECKING:  # most peers never need it
    from core.grenache.ws_client import Socket

_log = logging.getLogger(__name__)


class Base(Protocol):
    """What is needed of the endpoint."""

    detour: Detour


class Carriers:
    """Carriers that we open. What goes to an address that has one goes by it, whatever runs there."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._open: dict[Address, Socket] = {}
        self._tasks = TaskSet("carriers")

    def __contains__(self, address: object) -> bool:
        return address in self._open

    async def aclose(self) -> None:
        """Close all."""
        self.begin_again()
        await self._tasks.aclose()

    def begin_again(self) -> None:
        """Close all: we slept, or are on another network, where UDP may get through."""
        for address in list(self._open):
            self._gone(address)

    async def reach(self, address: Address) -> bool:
        """Open a carrier to the peer at this UDP address, by the TCP port of that number or by 443; return whether.

        Who answers there is not asked who it is: what runs over it proves that, and is encrypted.
        """
        if address in self._open:
            return True
        if len(self._open) >= DIALLED:
            return False
        at = Address(address.host, WSS_PORT)
        tries = [self._dial(address, address, 0.0), self._dial(address, at, APART, tls=True)]
        for done in asyncio.as_completed(tries):
            if await done and address in self._open:
                return True
        return address in self._open

    async def _dial(self, address: Address, at: Address, after: float, *, tls: bool = False) -> bool:
        from core.grenache.client_tls import ClientTls
        from core.grenache.ws_client import open_socket

        await asyncio.sleep(after)
        if address in self._open:
            return False
        try:
            async with asyncio.timeout(DIAL_WITHIN):
                files = ClientTls() if tls else None
                socket = await open_socket(at, files, self._taker(address), path=PATH, longest=LONGEST)
        except (PeerError, TimeoutError) as error:
            _log.debug("no carrier to %s by TCP port %d: %s", address, at.port, error or "no answer")
            return False
        if address in self._open:
            socket.close()
            return False
        self._open[address] = socket
        self._base.detour.sockets.carry(address, Carrier(socket.send, socket.unsent, socket.close))
        self._tasks.spawn(self._wait(address, socket), name=f"carry to {address}")
        _log.info("packets to %s go over TCP port %d", address, at.port)
        return True

    def _taker(self, address: Address) -> Callable[[bytes], None]:
        def take(message: bytes) -> None:
            if message and address in self._open:
                self._base.detour.receive([(address, [message])])

        return take

    async def _wait(self, address: Address, socket: "Socket") -> None:
        await socket.closed
        if self._open.get(address) is socket:
            self._gone(address)

    def _gone(self, address: Address) -> None:
        socket = self._open.pop(address)
        self._base.detour.sockets.uncarry(address)
        socket.close()
