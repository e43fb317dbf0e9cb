"""Somebody on the path: the whole stack of peers, from UDP to RPC, on a wire that lies in Mallory's hands.

Real are the endpoint, its pump and engines, TLS, the door, the dialer, both sides of RPC and the permissions; the
sockets and the clock are not. Every datagram goes through `Wire.on_path`, which returns what goes on in its place.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Final, NamedTuple

from core.aio.tasks import TaskSet
from core.errors import PeerError
from core.net.endpoint import Endpoint, EndpointConfig
from core.net.stream import Stream
from core.net.udp_socket import Receiver, Tally, UdpStatistics
from core.peer_id import PeerId
from core.rpc.client import Reply, RpcClient
from core.rpc.server import RpcServer
from core.secure.contexts import Contexts
from core.secure.dial import Dialer
from core.secure.handshakes import Handshakes
from core.trust.audience import Audience
from core.trust.entries import EVERY
from core.trust.permissions import Permissions
from core.trust.store import TrustStore
from core.utp.config import UtpConfig
from core.values import Address, Buffer, Burst, Caller, JsonValue, Outcome
from core.wire.utp_marks import ALL_MARKS
from core.wire.utp_packet import DATA, Packet, is_utp, parse
from tests.secure.sides import ANNA, BERT, THERE
from tests.support.answers import answered_by

ANNA_AT = Address("198.51.100.7", 5001)
BERT_AT = THERE
DELAY: Final = 0.02  # seconds, one way
PATH_BYTES: Final = 1472  # the longest datagram that passes: Ethernet's
NOW: Final = 1.7e9  # Unix seconds, for the permissions
SECRET, REPLY_SECRET = "only Bert may read this", "only Anna may read this"
VAULT, OPEN = "vault", "fibonacci"  # for trusted peers, as everything is by default; for anybody, as the demo is
# What may be raised to Anna, apart from what Bert himself answers. Each says to people what went wrong.
NAMED = {"ERR_TLS", "ERR_CERTIFICATE", "ERR_WRONG_PEER", "ERR_PLAIN_PEER", "ERR_TIMEOUT", "ERR_TRANSPORT_CLOSE"}


class Letter(NamedTuple):
    """A datagram on its way."""

    source: Address
    to: Address
    data: bytes

    @property
    def packet(self) -> Packet:
        """What it is to uTP."""
        return parse(self.data)

    @property
    def payload(self) -> bytes:
        """The bytes of the stream that it carries; none for what is no DATA."""
        return self.packet.payload if is_utp(self.data) and self.packet.type is DATA else b""

    def having(self, **fields: object) -> "Letter":
        """Return it with other fields of its packet, and all else right."""
        return self._replace(data=bytes(replace(self.packet, **fields)))  # type: ignore[arg-type]


OnPath = Callable[[Letter], Iterable[Letter]]


class Wire:
    """Carries letters in order, each in DELAY seconds, when `on_path` has had them. `seen`: those that he was given."""

    def __init__(self) -> None:
        self.on_path: OnPath = lambda letter: [letter]
        self.seen: list[Letter] = []
        self.sockets: dict[Address, WireSocket] = {}
        self._under_way: deque[Letter] = deque()

    def carry(self, letter: Letter) -> None:
        """Take what a socket sends."""
        if len(letter.data) <= PATH_BYTES:
            self.seen.append(letter)
            self.forge(*self.on_path(letter))

    def forge(self, *letters: Letter) -> None:
        """Send as Mallory does: in anybody's name."""
        for letter in letters:
            self._under_way.append(letter)
            asyncio.get_running_loop().call_later(DELAY, self._arrive)

    def _arrive(self) -> None:
        letter = self._under_way.popleft()
        there = self.sockets.get(letter.to)
        if there is not None and there.receiver is not None:
            there.receiver([(letter.source, [letter.data])])

    def carried(self, source: Address) -> list[Letter]:
        """Return the letters of this source that carried bytes of a stream."""
        return [letter for letter in self.seen if letter.source == source and letter.payload]

    def readable(self, *secrets: str) -> bool:
        """Tell whether anything of this can be read in what passed, however it was cut into letters."""
        for source in {letter.source for letter in self.seen}:
            stream = b"".join(letter.payload for letter in self.carried(source))
            if any(secret.encode() in stream for secret in secrets):
                return True
        return False


class WireSocket:
    """A UDP socket (`core.net.udp_socket.UdpSocket`) at one end of the wire."""

    def __init__(self, wire: Wire, address: Address) -> None:
        self.address = address
        self.on_too_long: Callable[[Address, int], None] | None = None
        self.on_refused: Callable[[Address, OSError], None] | None = None
        self.receiver: Receiver | None = None
        self._wire = wire
        wire.sockets[address] = self

    def start(self, receiver: Receiver, first: Callable[[Address, Buffer], bool] | None = None) -> None:
        self.receiver = receiver

    def send(self, burst: Burst) -> None:
        for datagram in burst.datagrams:
            self._wire.carry(Letter(self.address, burst.to, bytes(datagram)))

    def statistics(self) -> UdpStatistics:
        return Tally().snapshot()

    def close(self) -> None:
        self.receiver = None

    async def wait_closed(self) -> None:
        await asyncio.sleep(0)


class Served(NamedTuple):
    """A request that reached a service."""

    key: str
    payload: JsonValue
    caller: PeerId | None


class Asked(NamedTuple):
    """A request as it was made, how often at most, and what came of it."""

    payload: JsonValue
    times: int
    outcome: Reply | PeerError


class Party:
    """A peer: composed as `core.peer` composes one, without grapes and without a window."""

    def __init__(self, wire: Wire, address: Address, contexts: Contexts, *, marks: int = ALL_MARKS) -> None:
        self.address = address
        self.contexts = contexts
        self.asked: list[Asked] = []
        self.served: list[Served] = []
        self.turned_away: list[tuple[str, PeerId | None]] = []
        self.trusted = TrustStore()
        self.permissions = Permissions(self.trusted, own=lambda: contexts.peer_id)
        self.answer: Callable[[str, JsonValue], Outcome] = lambda key, payload: reply_to(payload)
        socket = WireSocket(wire, address)
        config = EndpointConfig(UtpConfig(marks=ALL_MARKS & marks))
        self.endpoint = Endpoint(socket, config, Random(address.port))
        socket.start(self.endpoint._pump.receive)
        self.endpoint.on_stream = self._on_stream
        self.door = Handshakes(self._own)
        self.dialer = Dialer(lambda to, seconds: self.endpoint.connect(to, timeout=seconds), self._own)
        self.server = RpcServer(answered_by(self.handle))
        self.client = RpcClient(self.dialer.dial, connect_to=self.dialer.dial)
        self._tasks = TaskSet("party")

    async def _own(self) -> Contexts:
        return self.contexts

    def _on_stream(self, stream: Stream) -> None:
        self._tasks.spawn(self.server.serve(stream, lambda: self.door.admit(stream)), name="serve")

    def handle(self, key: str, payload: JsonValue, caller: Caller) -> Outcome:
        """Serve callers that may."""
        refusal = self.permissions.decide(key, caller, NOW)
        if refusal is not None:
            self.turned_away.append((refusal.name, caller.peer_id))
            raise refusal
        self.served.append(Served(key, payload, caller.peer_id))
        return self.answer(key, payload)

    async def ask(
        self, payload: JsonValue, key: str = VAULT, *, expected: PeerId | None = BERT.peer_id, retry: int = 0
    ) -> Reply | PeerError:
        """Ask Bert's address, for Bert himself unless told otherwise; return what came of it."""
        outcome: Reply | PeerError
        try:
            outcome = await self.client.request(BERT_AT, key, payload, timeout=30.0, retry=retry, expected=expected)
        except PeerError as error:
            outcome = error
        self.asked.append(Asked(payload, 1 + retry, outcome))
        return outcome

    async def hang_up(self) -> None:
        """Close what this party called."""
        await self.client.close()
        self.client = RpcClient(self.dialer.dial, connect_to=self.dialer.dial)

    async def close(self) -> None:
        """Leave nothing behind."""
        await self.client.close()
        await self._tasks.aclose()
        await self.endpoint.close()


def request(number: int = 1) -> JsonValue:
    """Return a request that no other is equal to."""
    return {"number": number, "secret": SECRET}


def reply_to(payload: JsonValue) -> JsonValue:
    """Return what Bert answers."""
    return {"to": payload, "secret": REPLY_SECRET}


class Scene:
    """Anna, Bert who trusts her and nobody else, and Mallory's wire between them."""

    def __init__(self, anna: Contexts | None = None, bert: Contexts | None = None) -> None:
        self.wire = Wire()
        self.anna = Party(self.wire, ANNA_AT, anna or Contexts(ANNA))
        self.bert = Party(self.wire, BERT_AT, bert or Contexts(BERT))
        self.bert.permissions.set_audience(VAULT, Audience.TRUSTED)

    async def open(self) -> None:
        """Let Bert trust Anna."""
        await self.bert.trusted.trust(ANNA.peer_id, "Anna", EVERY, NOW)

    def check(self) -> None:
        """Check what holds whatever Mallory does: only Anna's requests, hers, once each; the true reply or a name."""
        left = Counter({str(asked.payload): asked.times for asked in self.anna.asked})
        for served in self.bert.served:
            assert (served.key, served.caller) == (VAULT, ANNA.peer_id)
            left[str(served.payload)] -= 1
        assert min(left.values()) >= 0, f"not asked, or served once more: {self.bert.served}"
        for payload, _, outcome in self.anna.asked:
            if isinstance(outcome, Reply):
                assert (outcome.peer_id, outcome.data) == (BERT.peer_id, self.bert.answer(VAULT, payload))
                assert payload in [served.payload for served in self.bert.served]
            else:
                assert outcome.name in NAMED, repr(outcome)
        assert not self.wire.readable(SECRET, REPLY_SECRET)
        for party in (self.anna, self.bert):
            assert party.endpoint.statistics().failures == 0


@asynccontextmanager
async def staged(scene: Scene) -> AsyncIterator[Scene]:
    await scene.open()
    try:
        yield scene
    finally:
        scene.wire.on_path = lambda letter: [letter]
        await scene.anna.close()
        await scene.bert.close()


def play() -> AbstractAsyncContextManager[Scene]:
    """Open a scene of its own."""
    return staged(Scene())
