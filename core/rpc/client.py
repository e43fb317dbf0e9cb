"""Asking peers: one kept connection per destination, any number of requests in flight on it."""

import asyncio
import re
from collections import Counter, OrderedDict
from collections.abc import Generator, Iterable
from dataclasses import field
from typing import TypeAlias

from core.aio.clock import loop_time
from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError, RefusedError, RequestTimeout, TransportClosed
from core.frozen import dataclass, quick
from core.peer_id import PeerId
from core.rpc.config import RpcConfig
from core.rpc.connection import Connect, Connection, ConnectTo, Destination, timed_out
from core.rpc.request_ids import RequestIds
from core.rpc.slices import Slices
from core.values import Address, JsonValue
from core.wire import rpc_message as wire
from core.wire.json_dump import encode_small
from core.wire.rpc_message import encode_request, encode_request_steps, is_large

Steps: TypeAlias = Generator[None, None, bytes]  # what writes a big message

_ERROR = re.compile(r"(ERR_[A-Z0-9_]{1,60})(?::\s*(.*))?", re.DOTALL)
_MAX_SENTENCE = 1000  # characters of a peer's error text that are shown
_CLOSE_TIME = 2.0  # seconds that `close` gives all streams to say goodbye; quitting must end within 3 s in all


@quick
class Reply:
    """What `peer` answered, `seconds` after the request was sent. `peer_id`: who that is, verified; None: plain."""

    peer: Address
    seconds: float
    data: JsonValue = field(repr=False)
    peer_id: PeerId | None = None

    def __init__(self, peer: Address, seconds: float, data: JsonValue, peer_id: PeerId | None = None) -> None:
        self.peer = peer
        self.seconds = seconds
        self.data = data
        self.peer_id = peer_id


@dataclass(frozen=True, slots=True)
class RpcClientStatistics:
    """`connections` are those kept now; the others count since the client was made."""

    connections: int
    connected: int  # attempts to connect
    late: int  # replies that nobody waited for any more
    malformed: int  # values that were no replies


class RpcClient:
    """Sends requests to addresses. Which limits hold, and what happens beyond them, is in `RpcConfig`.

    Big messages are written and read in slices (`core.rpc.slices`); until then nobody may change a payload.
    """

    def __init__(
        self, connect: Connect, config: RpcConfig | None = None, *, connect_to: ConnectTo | None = None
    ) -> None:
        """`connect(address, seconds)` opens a stream, or raises a PeerError; it is called by tasks of this client.

        `connect_to(address, seconds, expected)` does so for requests to a certain peer.
        """
        self._connect = connect
        self._connect_to = connect_to
        self._config = config or RpcConfig()
        self._pool: OrderedDict[Destination, Connection] = OrderedDict()  # least recently used first
        self._tasks = TaskSet("rpc client")
        self._slices = Slices()
        self._ids = RequestIds()
        self._count: Counter[str] = Counter()
        self._closed = False

    async def request(
        self,
        address: Address,
        key: str,
        payload: JsonValue,
        *,
        timeout: float | None = None,
        retry: int = 0,
        expected: PeerId | None = None,
    ) -> Reply:
        """Ask one peer. `timeout` (seconds; None: the configured one) is for everything, connecting and retries too.

        With `expected` nothing is said to anybody but this peer, verified (`core.secure`); whatever refuses is raised.

        `retry` times more are tried when connecting failed or the connection was lost before the reply; the peer may
        then have worked twice. Raises RequestTimeout, TransportClosed (or what `connect` raised), RefusedError with
        the peer's error name, RemoteError for an unreadable stream, LocalError for what cannot be sent.
        """
        to: Destination = (address, expected)
        rid = self._ids.next()
        allowed = self._config.request_timeout if timeout is None else timeout
        max_bytes = self._config.message_bytes
        data = encode_small([rid, key, payload], max_bytes)
        if data is None:
            if is_large(payload):
                steps = encode_request_steps(rid, key, payload, max_bytes=max_bytes)
                return await self._request_slowly(to, rid, steps, allowed, loop_time() + allowed, retry)
            data = encode_request(rid, key, payload, max_bytes=max_bytes)
        connection = self._connection(to)
        call = connection.begin(rid, data, allowed)
        if call is not None:
            try:
                return _answered(connection, await call.future, call.took())
            except TransportClosed:
                if retry <= 0 or self._closed:
                    raise
                retry -= 1
            finally:
                call.finish()
        until = loop_time() + allowed if call is None else call.sent_at + allowed
        return await self._request_slowly(to, rid, data, allowed, until, retry)

    async def _request_slowly(
        self, to: Destination, rid: str, data: bytes | Steps, allowed: float, until: float, retry: int
    ) -> Reply:
        """Ask when something must be waited for, or again: `until` is the end of the `allowed` seconds."""
        try:
            async with asyncio.timeout_at(until) as limit:
                message = data if isinstance(data, bytes) else await self._slices.run(data)
                return await self._attempts(to, rid, message, retry)
        except TimeoutError:
            if not limit.expired():
                raise
        raise timed_out(to[0], allowed)

    async def _attempts(self, to: Destination, rid: str, data: bytes, retry: int) -> Reply:
        while True:
            try:
                connection = self._connection(to)
                reply, seconds = await connection.call(rid, data)
            except (TransportClosed, RequestTimeout):  # RequestTimeout: of connecting
                if retry <= 0 or self._closed:
                    raise
                retry -= 1
            else:
                return _answered(connection, reply, seconds)

    async def map(
        self,
        addresses: Iterable[Address],
        key: str,
        payload: JsonValue,
        *,
        timeout: float | None = None,
        retry: int = 0,
    ) -> list[Reply | PeerError]:
        """Ask all of them; return each one's reply or error, in order. `timeout` is for each, from when it is asked."""
        places = asyncio.Semaphore(self._config.map_at_once)

        async def ask(address: Address) -> Reply | PeerError:
            async with places:
                try:
                    return await self.request(address, key, payload, timeout=timeout, retry=retry)
                except PeerError as error:
                    return error

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(address), name=f"rpc map {address}") for address in addresses]
        return [task.result() for task in tasks]

    def connected(self, address: Address, expected: PeerId | None = None) -> bool:
        """Return whether a connection to this peer is open already, as `request` with the same `expected` uses it."""
        connection = self._pool.get((address, expected))
        return connection is not None and connection.connected

    def kept(self, address: Address, expected: PeerId | None = None) -> Connection | None:
        """Return the connection that is kept now to this peer."""
        return self._pool.get((address, expected))

    def set_aside(self, address: Address, expected: PeerId | None = None) -> None:
        """Give further requests a new connection; those under way go on over the old one, which then ends."""
        connection = self._pool.pop((address, expected), None)
        if connection is not None and connection.idle:
            self._tasks.spawn(connection.close(), name=f"close rpc {address}")

    def set_all_aside(self) -> None:
        """Do so with all: what they lead through may be gone."""
        for to in list(self._pool):
            self.set_aside(*to)

    async def connect(self, address: Address, timeout: float, expected: PeerId | None = None) -> None:
        """Have a connection to a peer ready within `timeout` seconds; the next `request` uses it. Raises PeerError."""
        try:
            async with asyncio.timeout(timeout):
                await self._connection((address, expected)).wait_connected()
        except TimeoutError:
            raise RequestTimeout(f"{address} did not answer within {round(timeout, 2):g} s") from None

    async def close(self) -> None:
        """Fail what is under way with TransportClosed and close all connections. Idempotent."""
        self._closed = True
        connections = list(self._pool.values())
        self._pool.clear()
        try:
            async with asyncio.timeout(_CLOSE_TIME), asyncio.TaskGroup() as group:
                for connection in connections:
                    group.create_task(connection.close(), name=f"close rpc {connection.address}")
        except TimeoutError:
            pass  # aclose resets what is left
        finally:
            await self._tasks.aclose()

    def statistics(self) -> RpcClientStatistics:
        """Return the counts so far."""
        return RpcClientStatistics(
            connections=len(self._pool),
            connected=self._count["connected"],
            late=self._count["late"],
            malformed=self._count["malformed"],
        )

    def _connection(self, to: Destination) -> Connection:
        """Return the connection to a destination, made if need be; call it before awaiting anything else."""
        if self._closed:
            raise TransportClosed("this RPC client is closed")
        connection = self._pool.get(to)
        if connection is None or not connection.usable:
            connect = self._connector(to[1])
            self._pool.pop(to, None)
            self._make_room()
            connection = self._pool[to] = Connection(to, connect, self._config, self._count, self._slices)
            self._count["connected"] += 1
            self._tasks.spawn(self._run(connection), name=f"rpc to {to[0]}")
        self._pool.move_to_end(to)
        return connection

    def _connector(self, expected: PeerId | None) -> Connect:
        if expected is None:
            return self._connect
        connect_to = self._connect_to
        if connect_to is None:
            raise LocalError("nobody can be called by Peer ID here: nothing verifies who answers")
        return lambda address, seconds: connect_to(address, seconds, expected)

    async def _run(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            if self._pool.get(connection.to) is connection:
                del self._pool[connection.to]

    def _make_room(self) -> None:
        if len(self._pool) < self._config.pool:
            return
        idle = next((connection for connection in self._pool.values() if connection.idle), None)
        if idle is None:
            raise LocalError(
                f"all {self._config.pool} connections are busy: ask fewer peers at once", name="ERR_POOL_FULL"
            )
        del self._pool[idle.to]
        self._tasks.spawn(idle.close(), name=f"close rpc {idle.address}")


def _answered(connection: Connection, reply: wire.Reply, seconds: float) -> Reply:
    """Return what a peer answered, or raise what it refused with."""
    if reply.error is not None:
        raise _refused(reply.error)
    return Reply(connection.address, seconds, reply.result, connection.peer_id)


def _refused(error: str) -> RefusedError:
    """Return the error a peer answered with; its name is the ERR_ part, if there is one."""
    found = _ERROR.fullmatch(error)
    if found is None:
        return RefusedError(error[:_MAX_SENTENCE])
    name, sentence = found.groups()
    return RefusedError((sentence or f"the peer answered {name}")[:_MAX_SENTENCE], name=name)
