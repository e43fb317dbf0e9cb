"""The peer: one facade over endpoint, grape, link, RPC, services and roles. Desktop and command line use only this."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from core.aio.tasks import TaskSet
from core.calling.caller import Asking
from core.directory.access import GrapeAccess
from core.errors import PeerError
from core.ledger.ledger import Ledger
from core.ledger.record import CallRecord
from core.net.endpoint import Endpoint, EndpointStatistics
from core.net.stream import Stream
from core.news.events import (
    Announced,
    ErrorRaised,
    GrapeChanged,
    GrapeSnapshot,
    Listening,
    PeerEvent,
    PeerSnapshot,
    PunchReceived,
    PunchSent,
    ServiceSnapshot,
    Traffic,
)
from core.news.hub import Hub, Listener
from core.news.roster import Roster
from core.own.addresses import OwnPlace
from core.own.identity import OwnIdentity
from core.own.record import OwnRecord
from core.peer_id import PeerId
from core.profile.config import PeerConfig
from core.punch import events as punch
from core.rendezvous.brokers import Brokering
from core.rendezvous.punch_back import PunchBack
from core.rendezvous.roles import REQUEST_TIMEOUT, Roles
from core.rpc.client import Reply
from core.rpc.server import RpcServer, RpcServerStatistics
from core.secure.dial import Dialer
from core.secure.door import Door
from core.services.fibonacci import FibonacciService
from core.services.service import Registry, worker_key
from core.serving.admission import Guard
from core.serving.catalog import Sharing
from core.serving.handler import Serving
from core.trust.audience import Audience
from core.trust.entries import EVERY, KnownPeer, Pending
from core.values import Address, JsonValue
from core.wire.utp_marks import OUR_MARKS, Marks

SWEEP_EVERY = 5.0  # seconds; a row for somebody who is gone stays that much longer at most

__all__ = ["Peer", "PeerConfig", "Reply", "open_peer"]


@asynccontextmanager
async def open_peer(
    config: PeerConfig | None = None, *listeners: Listener, registry: Registry | None = None
) -> AsyncIterator["Peer"]:
    """Open a peer; `listeners` hear everything from the first event on. Raises LocalError for a port that is taken.

    A grape that does not answer is no error: the peer opens, says so in its snapshot, and goes on when it is back.
    """
    hub = Hub()
    for listener in listeners:
        hub.subscribe(listener)
    async with AsyncExitStack() as stack:
        peer = Peer(config or PeerConfig(), hub, registry or Registry(FibonacciService()))
        await peer.open(stack)
        yield peer


class Peer:
    """A running peer; make one with `open_peer`. Its verbs raise only `core.errors.PeerError`."""

    def __init__(self, config: PeerConfig, hub: Hub, registry: Registry) -> None:
        self._config = config
        self._hub = hub
        self._registry = registry
        self._roster = Roster(hub)
        self._calls = Ledger(config.calls_file, on_problem=self._on_no_record) if config.calls_file else None
        self._guard = Guard(
            hub, config.trust_file, config.audiences, own=lambda: self._identity.peer_id,
            serving=lambda: bool(self._sharing), hang_up=lambda on: self._server.hang_up(on),
        )  # fmt: skip
        self._sharing = Sharing(registry, self._guard.admit)
        self._serving = Serving(hub, self._sharing, self._roster, self._guard, self._calls)
        self._access = GrapeAccess(config, self._on_grape)
        self._identity = OwnIdentity(config.identity, self._on_no_identity, self._on_identity, hub.touch)

    async def open(self, stack: AsyncExitStack) -> None:
        """Open everything onto `stack`, which closes it in reverse order."""
        self._endpoint = await Endpoint.open(Address(self._config.bind, self._config.udp_port))
        stack.push_async_callback(self._endpoint.close)
        stack.push_async_callback(self._identity.aclose)
        if self._config.identity is not None:
            self._endpoint.mark(OUR_MARKS | Marks.SECURE)
        self._identity.start()
        if self._calls is not None:
            stack.push_async_callback(self._calls.close)
        self._door = Door(self._identity.contexts)
        self._place = OwnPlace(self._config.bind, self._endpoint.address.port, self._access.observed_host)
        self._address = self._place.address()
        self._hub.emit(Listening(self._hub.now(), self._address))

        self._link = await stack.enter_async_context(self._access)
        dialer = Dialer(lambda to, seconds: self._endpoint.connect(to, timeout=seconds), self._identity.contexts)
        self._asking = Asking(self._hub, self._roster, self._endpoint, self._link, self._registry, dialer)
        stack.push_async_callback(self._asking.aclose)
        self._tasks = TaskSet("peer")
        stack.push_async_callback(self._tasks.aclose)
        self._server = RpcServer(self._serving.handle, on_served=self._serving.on_served)
        await self._guard.open()
        stack.push_async_callback(self._guard.aclose)
        self._punch_back = PunchBack(self._endpoint.punch)
        self._roles = Roles(
            self._hub, self._roster, self._address.port, self._link, self._asking.ask, self._punch,
            self._sharing, self._registry,
        )  # fmt: skip
        stack.push_async_callback(self._roles.aclose)
        self._brokering = Brokering(
            self._hub, self._endpoint, self._link, self._asking.ask_quietly, self._place, self._address.port,
            found=self._roles.brokered, head_start=self._roles.give_head_start,
        )  # fmt: skip
        self._asking.use_brokers(self._brokering)
        self._serving.broker = self._brokering
        stack.push_async_callback(self._brokering.aclose)
        self._record = OwnRecord(self._hub, self._identity, self._link, self._shared, self._place.addresses)
        stack.push_async_callback(self._record.aclose)
        self._record.start()
        self._hub.subscribe(self._on_event)
        self._endpoint.on_punch = self._on_punch
        self._endpoint.on_stream = self._on_stream
        self._tasks.spawn(self._sweep_forever(), name="forget who is gone")
        stack.callback(self._deafen)
        await self._brokering.act(self._config.act_as_broker)
        if self._config.use_broker:
            await self._brokering.use(True, self._config.brokers)

    # -- state ---------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event, on the loop. Returns the function that ends it."""
        return self._hub.subscribe(listener)

    async def peer_id(self) -> PeerId | None:
        """Return our Peer ID, once it is known; None: there is no identity."""
        await self._identity.settled()
        return self._identity.peer_id

    def retry_identity(self) -> None:
        """Try again to open an identity that could not be opened; the snapshot's `identity` follows."""
        self._identity.retry()

    @property
    def revision(self) -> int:
        """A number that rises with every change of the snapshot."""
        return self._hub.revision

    def snapshot(self) -> PeerSnapshot:
        """Return everything the window shows, at this moment. Cheap; compare `.revision`."""
        observed = self._access.observed_host()
        return PeerSnapshot(
            revision=self.revision,
            address=self._address,
            observed=Address(observed, self._address.port) if observed else None,
            grape=self._access.snapshot(),
            services=tuple(self._service_snapshot(service.name) for service in self._registry),
            peers=self._roster.rows(),
            known_peers=self._guard.store.peers(),
            pending=self._guard.store.pending(),
            trust_problem=self._guard.store.problem,
            traffic=self.traffic(),
            identity=self._identity.snapshot(),
            broker=self._brokering.broker_snapshot(),
            broker_use=self._brokering.use_snapshot(),
        )

    def traffic(self) -> Traffic:
        """Return what crossed the socket so far. Cheap; it moves on without a new revision."""
        net, rpc = self._endpoint.statistics(), self._server.statistics()
        punches = net.punch.punches_sent + net.punch.punches_heard
        return Traffic(
            net.bytes_received, net.bytes_sent, rpc.served + rpc.failed, punches, net.streams,
            turned_away=self._turned_away(net, rpc), refused=self._serving.refused(),
        )  # fmt: skip

    def _turned_away(self, net: EndpointStatistics, rpc: RpcServerStatistics) -> tuple[tuple[str, int], ...]:
        door = self._door.statistics()
        counts = (
            ("connections", net.utp.refused + rpc.refused_connections),
            ("handshakes", door.failed),
            ("punches", net.punch.acks_withheld),
            ("datagrams", net.dropped_unknown + net.utp.dropped_malformed),
            ("registrations", sum(count for _, count in self._brokering.broker_refused())),
        )
        return tuple((what, count) for what, count in counts if count)

    def _service_snapshot(self, name: str) -> ServiceSnapshot:
        service, tally = self._registry.get(name), self._sharing.tallies[name]
        return ServiceSnapshot(
            name=name,
            description=service.description,
            example=service.example,
            sharing=self._roles.shares(name),
            consuming=self._roles.consumes(name),
            announced_nodes=self._roles.announced(name),
            served=tally.served,
            failed=tally.failed,
            audience=self._guard.audience(name),
        )

    # -- verbs ---------------------------------------------------------------------------------------------------

    async def share(self, service: str) -> None:
        """Announce a service, answer its callers, and punch everyone who wants it. Idempotent."""
        self._roles.share(service)
        self._brokering.offer(service, True)
        self._record.changed()

    async def unshare(self, service: str) -> None:
        """Stop announcing and answering a service. Idempotent."""
        self._brokering.offer(service, False)
        await self._roles.unshare(service)
        self._record.changed()

    async def consume(self, service: str, payload: JsonValue = None) -> None:
        """Announce that we want a service and ask every worker that punches us or is found. Idempotent.

        `payload` None asks with the service's own example; a second call changes what is asked from then on.
        """
        self._roles.consume(service, payload)
        self._brokering.seek(worker_key(service), True)

    async def stop_consuming(self, service: str) -> None:
        """Stop wanting a service. Idempotent."""
        self._brokering.seek(worker_key(service), False)
        await self._roles.stop_consuming(service)

    async def request(self, target: str, payload: JsonValue, *, timeout: float = REQUEST_TIMEOUT) -> Reply:
        """Ask a service by name ("fibonacci", "fibonacci_worker"), or a peer by `host:port` or `PEER-ID/fibonacci`.

        By its ID a peer is asked encrypted and verified, or not at all. `timeout` is seconds.
        """
        return await self._asking.request(target, payload, timeout)

    async def map(
        self, service: str, payload: JsonValue, *, timeout: float = REQUEST_TIMEOUT
    ) -> list[Reply | PeerError]:
        """Ask every provider of a name at once. Returns one reply or error for each."""
        return await self._asking.map(service, payload, timeout)

    async def lookup(self, name: str) -> list[Address]:
        """Return who is announced under a name, or where a Peer ID is. For nobody raises LookupEmpty, RecordMissing."""
        return await self._asking.lookup(name)

    async def announce(self, name: str, port: int) -> int:
        """Announce a name at our grape's address, once. Returns the number of grapes that stored it."""
        nodes = await self._link.announce(name, port)
        self._hub.emit(Announced(self._hub.now(), name, nodes))
        return nodes

    async def put(self, value: str) -> str:
        """Store a value on the grapes. Returns its hash, 40 hex digits."""
        return await self._link.put(value)

    async def get(self, hash: str) -> dict[str, JsonValue]:
        """Return what is stored under a hash: `{"id", "token", "v", ...}`."""
        return await self._link.get(hash)

    # -- the record of who called ---------------------------------------------------------------------------------

    async def calls(
        self, *, text: str = "", outcome: str = "", before: int | None = None, limit: int = 200
    ) -> list[CallRecord]:
        """Return the newest calls that fit, the newest first; `before` a call's number. Without a record: none."""
        if self._calls is None:
            return []
        return await self._calls.query(text=text, outcome=outcome, before=before, limit=limit)

    async def export_calls(self, path: Path, *, text: str = "", outcome: str = "") -> int:
        """Write the calls that fit to a CSV file; return how many."""
        return 0 if self._calls is None else await self._calls.export_csv(path, text=text, outcome=outcome)

    async def clear_calls(self) -> None:
        """Forget every call."""
        if self._calls is not None:
            await self._calls.clear()

    # -- brokers --------------------------------------------------------------------------------------------------

    async def act_as_broker(self, on: bool) -> None:
        """Bring others together who are both behind a NAT, and be announced for it; or stop. Idempotent."""
        await self._brokering.act(on)

    async def use_broker(self, on: bool, brokers: Sequence[str] = ()) -> None:
        """Register what we share and want at brokers: these (`host:port`), or with none those that are announced."""
        await self._brokering.use(on, brokers)

    # -- who may call: all hold at once, on live connections too, and are remembered ------------------------------

    def known_peers(self) -> tuple[KnownPeer, ...]:
        """Return whom the owner trusts with something, and who is blocked."""
        return self._guard.store.peers()

    def pending(self) -> tuple[Pending, ...]:
        """Return who asked for a service it may not call; the newest is last."""
        return self._guard.store.pending()

    def set_audience(self, service: str, audience: Audience) -> None:
        """Change who may call a service, as long as this peer is open: its owner remembers it in the settings."""
        self._registry.get(service)
        self._guard.set_audience(service, audience)

    async def trust(self, peer_id: PeerId, name: str = "", services: frozenset[str] = EVERY) -> None:
        """Let a peer call these services and no others; an empty name leaves the one it has."""
        await self._guard.trust(peer_id, name, services)

    async def untrust(self, peer_id: PeerId) -> None:
        """Know a peer no more; what it has called and may call no longer is cancelled."""
        await self._guard.untrust(peer_id)

    async def block(self, peer_id: PeerId) -> None:
        """Let a peer call nothing, ask nobody, and stay connected no longer."""
        await self._guard.block(peer_id)

    async def accept(self, peer_id: PeerId, service: str, *, once: bool) -> None:
        """Answer a pending request: from now on, or `once` within ten minutes, when it asks again."""
        await self._guard.accept(peer_id, service, once=once)

    async def confirm_trust(self) -> None:
        """The owner has looked at a damaged list of known peers: what could be recovered holds from now on."""
        await self._guard.confirm()

    async def refuse(self, peer_id: PeerId, service: str) -> None:
        """Forget a pending request; the peer may ask again."""
        await self._guard.refuse(peer_id, service)

    # -- what the layers below report ----------------------------------------------------------------------------

    def _on_punch(self, event: punch.PunchEvent) -> None:
        if isinstance(event, punch.PunchSent):
            self._roster.note_punch_sent(event.remote)
            self._hub.emit(PunchSent(self._hub.now(), event.remote))
        elif isinstance(event, punch.PunchHeard):
            self._on_punch_heard(event.remote, event.first)
        elif event.confirmed:  # no punch came, but ours got there and somebody told us so
            self._roster.note_alive(event.remote)
            self._brokering.reached(event.remote)
            self._roles.on_reached(event.remote)
            self._asking.heard(event.remote)

    def _on_punch_heard(self, address: Address, never_heard: bool) -> None:
        found_as = self._roles.on_punch(address)
        first = self._roster.note_punch_received(address, found_as)
        self._hub.emit(PunchReceived(self._hub.now(), address, never_heard if first is None else first))
        if self._roles.active() or self._asking.searching():
            self._punch_back.heard(address, asyncio.get_running_loop().time())
        self._brokering.heard(address)
        self._asking.heard(address)

    def _punch(self, address: Address) -> None:
        self._punch_back.send(address, asyncio.get_running_loop().time())

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            self._roster.sweep()

    def _on_stream(self, stream: Stream) -> None:
        self._tasks.spawn(self._server.serve(stream, lambda: self._door.admit(stream)), name=f"serve {stream.remote}")

    def _on_no_record(self, problem: str) -> None:
        self._hub.emit(ErrorRaised(self._hub.now(), "ERR_LEDGER", problem))

    def _on_identity(self) -> None:
        """Say to whom we meet that we can encrypt, also when our key came late."""
        self._endpoint.mark(OUR_MARKS | Marks.SECURE)
        self._hub.touch()

    def _on_no_identity(self, error: PeerError) -> None:
        """Go on plainly, and say so."""
        self._endpoint.mark(OUR_MARKS)
        self._hub.emit(ErrorRaised(self._hub.now(), error.name, f"{error}. Nothing is encrypted until then."))

    def _on_grape(self, grape: GrapeSnapshot) -> None:
        self._hub.emit(GrapeChanged(self._hub.now(), grape))

    def _on_event(self, event: PeerEvent) -> None:
        if isinstance(event, GrapeChanged):
            self._roles.on_grape(event.grape)
            self._brokering.on_grape()
            self._record.on_grape(event.grape)

    def _shared(self) -> list[str]:
        return [service.name for service in self._registry if self._roles.shares(service.name)]

    def _deafen(self) -> None:
        """Begin to close: what the layers still do is no news to anybody."""
        self._hub.silence()
        self._endpoint.on_punch = self._endpoint.on_stream = None
