"""Somebody on the path: sees every datagram between two nodes of ours, and may change, drop, repeat and invent them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from core.errors import PeerError
from core.identity.identity import Identity
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.net.tasks import TaskSet
from core.rpc.client import Reply, RpcClient
from core.rpc.server import RpcServer
from core.secure.contexts import Contexts
from core.secure.dial import Dialer
from core.secure.door import Door, DoorStatistics
from core.values import Address, Caller, JsonValue
from core.wire.peer_id import PeerId
from core.wire.utp_marks import OUR_MARKS, Marks

HERE = Address("127.0.0.1", 0)
PATIENCE = 0.4  # seconds for a request; what an attacker stalls ends so
SERVICE = "service"
Change = Callable[[bool, bytes], Iterable[bytes]]
"""What becomes of a datagram: whether it goes up, to who was called, and the datagram; what goes on instead of it."""


def untouched(up: bool, datagram: bytes) -> Iterable[bytes]:
    """Let it pass."""
    return [datagram]


class _Side(asyncio.DatagramProtocol):
    def __init__(self, took: Callable[[bytes, Address], None]) -> None:
        self._took = took

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._took(data, Address(*addr))


class Middle:
    """Stands between one caller and `called`; `heard` has every datagram as it came, and whether it went up."""

    def __init__(self, called: Address, change: Change = untouched) -> None:
        self.heard: list[tuple[bool, bytes]] = []
        self.change = change
        self.address = HERE
        self._called = called
        self._caller: Address | None = None
        self._near: asyncio.DatagramTransport | None = None
        self._far: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Open a socket toward each side."""
        loop, here = asyncio.get_running_loop(), (HERE.host, HERE.port)
        self._near, _ = await loop.create_datagram_endpoint(lambda: _Side(self._from_caller), local_addr=here)
        self._far, _ = await loop.create_datagram_endpoint(lambda: _Side(self._from_called), local_addr=here)
        self.address = Address(*self._near.get_extra_info("sockname"))

    def close(self) -> None:
        """Close both."""
        for side in (self._near, self._far):
            if side is not None:
                side.close()

    def send_up(self, datagram: bytes) -> None:
        """Say this to who was called, from the address that the caller seems to have."""
        if self._far is not None:
            self._far.sendto(datagram, self._called)

    def readable(self, text: bytes) -> bool:
        """Return whether anybody said this so that all on the path can read it."""
        return any(text in datagram for _, datagram in self.heard)

    def _from_caller(self, data: bytes, source: Address) -> None:
        self._caller = source
        self.heard.append((True, data))
        for datagram in self.change(True, data):
            self.send_up(datagram)

    def _from_called(self, data: bytes, source: Address) -> None:
        self.heard.append((False, data))
        for datagram in self.change(False, data):
            if self._near is not None and self._caller is not None:
                self._near.sendto(datagram, self._caller)


@asynccontextmanager
async def middle(called: Address, change: Change = untouched) -> AsyncIterator[Middle]:
    """Stand in the middle until the block ends."""
    made = Middle(called, change)
    await made.open()
    try:
        yield made
    finally:
        made.close()


class Node:
    """A socket with our door, dialer, client and server, and a service that remembers who asked it for what."""

    def __init__(self, endpoint: Endpoint, identity: Identity | None) -> None:
        contexts = Contexts(identity) if identity is not None else None

        async def own() -> Contexts | None:
            return contexts

        self.served: list[tuple[JsonValue, PeerId | None]] = []
        self.endpoint = endpoint
        if identity is not None:
            endpoint.mark(OUR_MARKS | Marks.SECURE)
        self._door = Door(own)
        dialer = Dialer(lambda to, seconds: endpoint.connect(to, timeout=seconds), own)
        self._dial = dialer.dial
        self._server = RpcServer(self._answer)
        self._tasks = TaskSet("node")
        endpoint.on_stream = lambda stream: self._start(stream)

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self.endpoint.address

    def client(self) -> RpcClient:
        """Return a client that has no connection yet."""
        return RpcClient(self._dial, connect_to=self._dial)

    async def ask(
        self, to: Address, payload: JsonValue, expected: PeerId | None = None, *, key: str = SERVICE
    ) -> Reply:
        """Ask once, on a connection of its own, and never again. Raises PeerError."""
        client = self.client()
        try:
            return await client.request(to, key, payload, timeout=PATIENCE, expected=expected)
        finally:
            await client.close()

    async def outcome(self, to: Address, payload: JsonValue, expected: PeerId | None = None) -> Reply | PeerError:
        """Do so; return the error instead of raising it."""
        try:
            return await self.ask(to, payload, expected)
        except PeerError as error:
            return error

    def statistics(self) -> DoorStatistics:
        """Return whom the door let in."""
        return self._door.statistics()

    async def aclose(self) -> None:
        """End what is served."""
        await self._tasks.aclose()

    def _start(self, stream: Stream) -> None:
        self._tasks.spawn(self._serve(stream), name="serve")

    async def _serve(self, stream: Stream) -> None:
        await self._server.serve(stream, lambda: self._door.admit(stream))

    async def _answer(self, key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        self.served.append((payload, caller.peer_id))
        return await self.reply(key, payload)

    async def reply(self, key: str, payload: JsonValue) -> JsonValue:
        """Answer a request: what a number in it asks for, else the request itself, marked."""
        return "y" * payload if isinstance(payload, int) else ["to", payload]


class Relay(Node):
    """An attacker's: passes every request on in his own name, and the answer back."""

    def __init__(self, endpoint: Endpoint, identity: Identity, to: Middle) -> None:
        super().__init__(endpoint, identity)
        self._to = to

    async def reply(self, key: str, payload: JsonValue) -> JsonValue:
        """Ask who was meant."""
        return (await self.ask(self._to.address, payload, key=key)).data


@asynccontextmanager
async def node(identity: Identity | None) -> AsyncIterator[Node]:
    """Open one on loopback."""
    async with await Endpoint.open(HERE) as endpoint:
        made = Node(endpoint, identity)
        try:
            yield made
        finally:
            await made.aclose()


@asynccontextmanager
async def relay(identity: Identity, to: Middle) -> AsyncIterator[Relay]:
    """Open one on loopback."""
    async with await Endpoint.open(HERE) as endpoint:
        made = Relay(endpoint, identity, to)
        try:
            yield made
        finally:
            await made.aclose()
