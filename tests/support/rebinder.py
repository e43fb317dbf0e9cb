"""A NAT in user space between one client and one server on loopback; `rebind` gives the client another outside port.

And a path whose narrowest link tells nobody: with `most`, longer datagrams are lost, both ways.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from core.values import Address

_DRAIN = 64  # datagrams per wake-up
_BUFFER = 4 << 20  # bytes asked of the kernel, so that what is lost is lost by `rebind`


class Rebinder:
    """Use `rebinder`. `inside` is where the client sends to; the server sees `outside`."""

    def __init__(self, server: Address, most: int) -> None:
        self._most = most  # bytes
        self.lost = 0  # datagrams that were longer
        self._loop = asyncio.get_running_loop()
        self._server = server
        self._client: Address | None = None
        self._front = self._open()
        self._front.bind(("127.0.0.1", 0))
        self._back: socket.socket | None = None
        self._loop.add_reader(self._front, self._outward)
        self.inside = Address(*self._front.getsockname())
        self.rebind()

    @property
    def outside(self) -> Address:
        """Where the server sees the client now."""
        assert self._back is not None
        return Address(*self._back.getsockname())

    def rebind(self) -> None:
        """Go on from another port; what is on its way to the old one is lost."""
        old, self._back = self._back, self._open()
        self._back.connect(self._server)  # so that nobody else gets in
        self._loop.add_reader(self._back, self._inward)
        self._drop(old)

    def close(self) -> None:
        """End."""
        self._drop(self._front)
        self._drop(self._back)

    def _open(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        return made

    def _drop(self, gone: socket.socket | None) -> None:
        if gone is not None:
            self._loop.remove_reader(gone)
            gone.close()

    def _passes(self, data: bytes) -> bool:
        self.lost += len(data) > self._most
        return len(data) <= self._most

    def _outward(self) -> None:
        assert self._back is not None
        with contextlib.suppress(BlockingIOError, ConnectionError):
            for _ in range(_DRAIN):
                data, source = self._front.recvfrom(65_536)
                self._client = Address(*source)
                if self._passes(data):
                    self._back.send(data)

    def _inward(self) -> None:
        assert self._back is not None
        with contextlib.suppress(BlockingIOError, ConnectionError):
            for _ in range(_DRAIN):
                data = self._back.recv(65_536)
                if self._client is not None and self._passes(data):
                    self._front.sendto(data, self._client)


@contextlib.asynccontextmanager
async def rebinder(server: Address, *, most: int = 65_535) -> AsyncIterator[Rebinder]:
    """A NAT in front of a server, for as long as the block runs."""
    nat = Rebinder(server, most)
    try:
        yield nat
    finally:
        nat.close()
