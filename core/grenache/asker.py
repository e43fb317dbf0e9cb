"""Asking services of plain Grenache peers over HTTP and WebSocket, by name or by address.

A name is looked up, one of those listed is asked, drawn at random, and `retry` times in all. A listing does not say
which transport a port speaks: a connection over TCP tells whether any, its first answer which one; that is remembered.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from core.aio.names import look_up
from core.aio.tasks import TaskSet
from core.errors import LocalError, LookupEmpty, PeerError, RefusedError, RemoteError, TransportClosed
from core.frozen import frozen
from core.grenache.client_tls import ClientTls, Verified
from core.grenache.config import GENERIC, HTTP, WS
from core.grenache.ws_client import Socket, WsClient, open_socket
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.rpc.request_ids import RequestIds
from core.rpc.slices import Slices
from core.values import Address, JsonValue
from core.wire.grenache_message import Meta, Reply, encode, encode_steps, parse_reply, shape_reply
from core.wire.json_load import load_steps
from core.wire.rpc_message import LARGE, MAX_BYTES, is_large

if TYPE_CHECKING:
    from core.grenache.http_client import HttpClient
    from core.grenache.outgoing_stream import OutgoingStream

REMEMBERED: Final = 1024  # destinations whose transport is known
PROBED: Final = 8  # of those listed under a name that a connection is tried to: one SYN each
PROBE_TIME: Final = 3.0  # seconds for a connection: a SYN and its repetition after 1 s
MAP_AT_ONCE: Final = 64  # destinations that one `map` asks at the same time


@frozen
class Ask:
    """How a service is asked. `transport` "": it is found out. `retry`: how many times in all."""

    transport: str = ""
    tls: ClientTls | None = None
    compress: bool = False
    retry: int = 1


AS_USUAL: Final = Ask()


class Answer(NamedTuple):
    """What came, from where, and over what; `peer_id`: who that is by its certificate."""

    peer: Address
    data: JsonValue
    seconds: float
    transport: str
    peer_id: PeerId | None = None


class Directory(Protocol):
    """What is needed of the grapes."""

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return who is announced under a name. Raises PeerError."""


class WebAsker:
    """Asks; raises only PeerError. `aclose` ends the connections that are kept."""

    def __init__(
        self,
        directory: Directory,
        told: Callable[[Iterable[Address]], list[Address]] = list,
        random: Random | None = None,
        slices: Slices | None = None,
    ) -> None:
        """`told` takes what the grapes list and returns who may be called."""
        self._directory = directory
        self._told = told
        self._random = random or SystemRandom()
        self._slices = slices or Slices()
        self._http: HttpClient | None = None
        self._ws = WsClient()
        self._ids = RequestIds()
        self._known: BoundedTable[tuple[Address, bool], str] = BoundedTable(REMEMBERED)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
        await self._ws.aclose()

    async def request(self, target: str, payload: JsonValue, timeout: float, ask: Ask = AS_USUAL) -> Answer:
        """Ask NAME or HOST:PORT within `timeout` seconds for each try."""
        places = await self.places(target, fresh=False)
        key = target if ":" not in target else str(places[0])
        tried, fresh = 0, False
        while True:
            place = places[0] if len(places) == 1 else self._random.choice(places)
            try:
                return await self.ask(place, key, payload, timeout, ask)
            except PeerError as error:
                unreached = isinstance(error, TransportClosed) and error.name == GENERIC
                if (
                    unreached and not fresh and ":" not in target
                ):  # the listing that we kept may be old: nothing was asked
                    fresh = True
                    left = [each for each in await self.places(target) if each != place]
                    places = left or places
                    if left:
                        continue
                tried += 1
                if tried >= ask.retry or (isinstance(error, RefusedError) and error.name != GENERIC):
                    raise

    async def map(
        self,
        target: str,
        payload: JsonValue,
        timeout: float,
        ask: Ask = AS_USUAL,
        limit: int = 0,
    ) -> list[Answer | PeerError]:
        """Ask everybody who is listed, or `limit` of them at random; return what came, in the listing's order."""
        places = await self.places(target)
        if 0 < limit < len(places):
            places = self._random.sample(places, limit)
        turns = asyncio.Semaphore(MAP_AT_ONCE)

        async def one(place: Address) -> Answer | PeerError:
            async with turns:
                try:
                    return await self.ask(place, target, payload, timeout, ask)
                except PeerError as error:
                    return error

        return list(await asyncio.gather(*map(one, places)))

    async def places(self, target: str, *, fresh: bool = True) -> list[Address]:
        """Return where NAME or HOST:PORT is; without `fresh` as it was seconds ago. Raises LookupEmpty, LocalError."""
        if ":" in target:
            return [await _resolved(target)]
        found = self._told(await self._directory.lookup(target, fresh=fresh))
        if not found:
            raise LookupEmpty(f"everybody announced as {target[:80]!r} is where nothing may be sent to")
        return found

    async def ask(self, place: Address, key: str, payload: JsonValue, timeout: float, ask: Ask) -> Answer:
        """Ask one destination; find out what it speaks if that is not known."""
        began = asyncio.get_running_loop().time()
        rid = self._ids.next()
        if is_large(payload):
            body = await self._slices.run(encode_steps(rid, key, payload, max_bytes=MAX_BYTES))
        else:
            body = encode(rid, key, payload, max_bytes=MAX_BYTES)
        known = self._known.find((place, ask.tls is not None))
        transport = ask.transport or known or HTTP
        try:
            reply, who = await self._send(transport, place, rid, body, timeout, ask)
        except RefusedError as error:
            if ask.transport or known or "426" not in getattr(error, "__notes__", ()):
                raise
            transport = WS
            reply, who = await self._send(WS, place, rid, body, timeout, ask)
        if transport != known:
            self._known[place, ask.tls is not None] = transport
        if reply.rid not in (rid, None):
            raise RemoteError(f"{place} answered another request than ours", name="ERR_REPLY_EMPTY")
        if reply.error is not None:
            raise _refused(place, reply.error)
        return Answer(place, reply.result, asyncio.get_running_loop().time() - began, transport, who.peer_id)

    def _send(
        self, transport: str, place: Address, rid: str, body: bytes, timeout: float, ask: Ask
    ) -> Coroutine[object, object, tuple[Reply, Verified]]:
        if transport == WS:
            return self._ws.ask(place, rid, body, timeout=timeout, tls=ask.tls)
        return self._post(place, body, timeout, ask)

    async def _post(self, place: Address, body: bytes, timeout: float, ask: Ask) -> tuple[Reply, Verified]:
        http = await self._http_client()
        answer, who = await http.post(place, body, timeout=timeout, tls=ask.tls, compress=ask.compress)
        if len(answer) <= LARGE:
            return parse_reply(answer), who
        try:
            return shape_reply(await self._slices.run(load_steps(answer))), who
        except (ValueError, RecursionError):
            raise RemoteError("the answer is no JSON", name="ERR_REPLY_EMPTY") from None

    async def stream(self, target: str, meta: Meta, timeout: float, ask: Ask = AS_USUAL) -> "OutgoingStream":
        """Open a stream over HTTP to one of those listed. Raises PeerError."""
        place = self._random.choice(await self.places(target))
        rid = self._ids.next()
        from core.grenache.outgoing_stream import OutgoingStream

        async with asyncio.timeout(timeout):
            http = await self._http_client()
            connection = await http.open(place, ask.tls)
        return OutgoingStream(connection, meta._replace(rid=meta.rid or rid, key=meta.key or target))

    async def _http_client(self) -> "HttpClient":
        """Return the client; it brings aiohttp along, 10 MB that most peers do without."""
        if self._http is None:
            made = await asyncio.to_thread(_load)
            self._http = self._http or made()
        return self._http

    async def subscribe(
        self, target: str, on_message: Callable[[bytes], None], timeout: float, tls: ClientTls | None = None
    ) -> Socket:
        """Listen to one publisher over WebSocket; `closed` of what is returned tells when it has gone."""
        place = self._random.choice(await self.places(target))
        async with asyncio.timeout(timeout):
            return await open_socket(place, tls, on_message)

    # -- which transport ----------------------------------------------------------------------------------------------

    async def speaks_tcp(self, target: str) -> Address:
        """Return one of those listed under a name who takes a connection over TCP. Raises PeerError when none does."""
        places: Sequence[Address] = await self.places(target)
        known = [place for place in places if (place, False) in self._known]
        if known:
            return known[0]
        return await _first([_connects(place) for place in self._random.sample(list(places), min(PROBED, len(places)))])

    def at(self, place: Address, ask: Ask) -> Ask:
        """Return how a place is asked that was asked before."""
        return replace(ask, transport=self._known.find((place, ask.tls is not None)) or "")


def _refused(place: Address, said: str) -> RefusedError:
    """Return what a service's error is here: "ERR_X", "ERR_X: a sentence", or any text."""
    name, _, sentence = said.partition(": ")
    if not (name.isascii() and name.isidentifier() and name.isupper() and len(name) <= 64):
        return RefusedError(said[:1000], name="ERR_REMOTE")
    return RefusedError(sentence[:1000] or f"the service at {place} gives no reason", name=name)


def is_no_peer(error: PeerError) -> bool:
    """Return whether an error says that what was asked is no Grenache peer, and so did nothing.

    It speaks no HTTP, or says by a status from 400 to 499 that nobody can ask it so. A peer's errors come with 200.
    """
    if error.name != GENERIC or not isinstance(error, RemoteError):
        return False
    told = [note for note in getattr(error, "__notes__", ()) if note.startswith("4")]
    return bool(told) or not isinstance(error, RefusedError)


def _load() -> "type[HttpClient]":
    from core.grenache.http_client import HttpClient

    return HttpClient


async def _connects(place: Address) -> Address:
    try:
        async with asyncio.timeout(PROBE_TIME):
            _, writer = await asyncio.open_connection(place.host, place.port)
    except (OSError, TimeoutError) as error:
        raise TransportClosed(f"{place} takes no connection over TCP: {error}") from None
    writer.close()
    return place


async def _first(tries: Sequence[Coroutine[object, object, Address]]) -> Address:
    """Return the first that succeeds; the others are given up. Raises the last error."""
    tasks = TaskSet("who speaks TCP")
    error: PeerError = LookupEmpty("nobody is listed")
    try:
        for done in asyncio.as_completed([tasks.spawn(_quietly(each), name="connect") for each in tries]):
            found = await done
            if isinstance(found, Address):
                return found
            error = found
        raise error
    finally:
        await tasks.aclose()


async def _quietly(attempt: Coroutine[object, object, Address]) -> Address | PeerError:
    try:
        return await attempt
    except PeerError as error:
        return error


async def _resolved(target: str) -> Address:
    try:
        wanted = Address.parse(target)
        found = await look_up(wanted.host, wanted.port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    except ValueError as error:
        raise LocalError(str(error)) from None
    except OSError as error:
        raise LocalError(f"{target[:80]!r} is nowhere: {error.strerror or error}") from None
    hosts = [str(each[4][0]) for each in sorted(found, key=lambda each: each[0] != socket.AF_INET)]
    return Address(hosts[0], wanted.port)
