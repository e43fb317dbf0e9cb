"""Asking by name over whatever transport answers: uTP, or HTTP and WebSocket, found out and remembered.

A listing does not say which transport a port speaks. So while a request by name looks for its way over uTP, a
connection over TCP is tried to those listed under the very name: one SYN each. A name's transport is remembered, so
that this is done once.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

from core.aio.clock import loop_time
from core.aio.tasks import TaskSet
from core.calling.client import PeerClient
from core.calling.target import peer_target
from core.errors import PeerError, RefusedError, TransportClosed, Unreachable
from core.grenache.asker import AS_USUAL, Answer, Ask, WebAsker, is_no_peer
from core.limits.table import BoundedTable
from core.news.events import PeerEvent, ReplyReceived, RequestSent
from core.news.hub import Hub
from core.rpc.client import Reply
from core.values import Address, JsonValue

T = TypeVar("T")

UTP: Final = "utp"
NAMES: Final = 256  # whose transport is remembered
HEAD_START: Final = 0.3  # seconds that uTP gets after a connection over TCP stood: on this machine it needs 2 ms


class EveryTransport:
    """Asks by uTP, HTTP or WebSocket. Raises only PeerError."""

    def __init__(self, hub: Hub, client: PeerClient, asker: WebAsker, *, look: bool = True) -> None:
        """`look`: whether it is found out by itself who speaks TCP."""
        self._look = look
        self._hub = hub
        self._client = client
        self.asker = asker
        self._known: BoundedTable[str, str] = BoundedTable(NAMES)
        self._tasks = TaskSet("requests over any transport")

    async def aclose(self) -> None:
        """Give up what is under way."""
        await self._tasks.aclose()
        await self.asker.aclose()

    def request(
        self, target: str, payload: JsonValue, timeout: float, ask: Ask | None = None
    ) -> Coroutine[object, object, Reply]:
        """Ask; with a transport in `ask` over that one alone. A peer by its ID is asked over uTP, encrypted."""
        if ask is None and self._known.find(target) == UTP:
            return self._client.request(target, payload, timeout)
        return self._request(target.strip(), payload, timeout, ask or AS_USUAL)

    async def _request(self, target: str, payload: JsonValue, timeout: float, ask: Ask) -> Reply:
        if ask.transport == UTP or peer_target(target) is not None:
            return await self._client.request(target, payload, timeout)
        if ask.transport or ask.tls is not None:
            return self._reply(await self.asker.request(target, payload, timeout, ask))
        known = self._known.find(target)
        if known == UTP or (known is None and not self._look):
            return await self._client.request(target, payload, timeout)
        if known is not None:
            try:
                return self._reply(await self.asker.request(target, payload, timeout, Ask(known)))
            except Unreachable:
                self._known.pop(target, None)
                raise
        return await self._find_out(target, payload, timeout, ask)

    async def _find_out(self, target: str, payload: JsonValue, timeout: float, ask: Ask) -> Reply:
        sent: list[Address] = []  # over uTP, where a connection stands
        until = loop_time() + timeout

        def on_sent(event: PeerEvent) -> None:
            if isinstance(event, RequestSent) and ":" not in target and event.service in (target, f"{target}_worker"):
                sent.append(event.peer)

        stop = self._hub.subscribe(on_sent, RequestSent)
        over_utp = self._spawn(lambda: self._client.request(target, payload, timeout), "ask over uTP")
        over_tcp = self._spawn(lambda: self.asker.speaks_tcp(target), "look for TCP")
        try:
            await asyncio.wait((over_utp, over_tcp), return_when=asyncio.FIRST_COMPLETED)
            place = await self._place(over_utp, over_tcp, sent)
            if place is None:
                await asyncio.wait((over_utp,))
                reply = _result(over_utp)
                if isinstance(reply, PeerError):
                    raise reply.again()
                self._known[target] = UTP
                return reply
            over_utp.cancel()
            answer = await self._ask_web(place, target if ":" not in target else str(place), payload, timeout, ask)
            if answer is None:  # no Grenache peer, and it did nothing: a peer's own carriers have a TCP port, too
                reply = await self._client.request(target, payload, max(0.001, until - loop_time()))
                self._known[target] = UTP
                return reply
            self._known[target] = answer.transport
            return self._reply(answer)
        finally:
            stop()
            over_utp.cancel()
            over_tcp.cancel()

    async def _place(
        self, over_utp: "asyncio.Task[Reply | PeerError]", over_tcp: "asyncio.Task[Address | PeerError]",
        sent: list[Address],
    ) -> Address | None:  # fmt: skip
        """Return who is to be asked over TCP; None: uTP has an answer or will have one, or TCP is not spoken."""
        if over_utp.done() and isinstance(_result(over_utp), Reply | RefusedError | TransportClosed):
            return None
        await asyncio.wait((over_tcp,))
        place = _result(over_tcp)
        if isinstance(place, PeerError):
            return None
        if not over_utp.done():
            await asyncio.wait((over_utp,), timeout=HEAD_START)
        if sent or self._client.connected(place):
            return None  # it may be at work already: nobody is asked twice
        return None if over_utp.done() and isinstance(_result(over_utp), Reply) else place

    async def _ask_web(self, place: Address, key: str, payload: JsonValue, timeout: float, ask: Ask) -> Answer | None:
        """Ask over TCP; None: what has that port is no Grenache peer."""
        try:
            return await self.asker.ask(place, key, payload, timeout, ask)
        except PeerError as error:
            if not is_no_peer(error):
                raise
            return None

    def _spawn(self, work: Callable[[], Coroutine[object, object, T]], name: str) -> "asyncio.Task[T | PeerError]":
        return self._tasks.spawn(_outcome(work), name=name)

    def _reply(self, answer: Answer) -> Reply:
        hub = self._hub
        hub.emit(ReplyReceived(hub.now(), answer.peer, answer.seconds, answer.data, answer.peer_id, answer.transport))
        return Reply(answer.peer, answer.seconds, answer.data, answer.peer_id)


async def _outcome(work: Callable[[], Coroutine[object, object, T]]) -> T | PeerError:
    try:
        return await work()
    except PeerError as error:
        return error


def _result(task: "asyncio.Task[T | PeerError]") -> T | PeerError:
    """Return what came of a task; it is cancelled when the peer closes."""
    return TransportClosed("this peer is closed") if task.cancelled() else task.result()
