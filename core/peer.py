"""The peer: one facade over the parts that `core.compose` puts together. Desktop and command line use only this."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from core.compose import Parts, compose, turned_away
from core.errors import PeerError, RequestTimeout
from core.grenache.asker import Ask
from core.invitations.entries import DAYS
from core.invitations.joiner import Joined
from core.invitations.link import Link, parse
from core.invitations.talk import Offer
from core.kinds.base import Check, is_own
from core.kinds.share import UTP_ONLY, Share
from core.ledger.record import CallRecord
from core.news.events import Announced, BudgetRow, PeerSnapshot, ServiceSnapshot, Traffic
from core.news.hub import Hub, Listener
from core.news.invitations import InvitationRow
from core.news.paths import Paths
from core.peer_id import PeerId
from core.profile.config import PeerConfig
from core.rendezvous.roles import REQUEST_TIMEOUT
from core.rpc.client import Reply
from core.services.fibonacci import FibonacciService
from core.services.intents import Intent
from core.services.names import Role, RoleName
from core.services.service import Registry
from core.serving.groups import Groups
from core.trust.audience import Audience
from core.trust.entries import EVERY, KnownPeer, Pending
from core.tunnel.stream import ByteStream
from core.using.offers import OfferRow, kind_among, read_offers
from core.values import Address, JsonValue
from core.wire.stream_opening import LIST, Opening, pack_opening

__all__ = ["Peer", "PeerConfig", "Reply", "open_peer"]


@asynccontextmanager
async def open_peer(
    config: PeerConfig | None = None, *listeners: Listener, registry: Registry | None = None
) -> AsyncIterator["Peer"]:
    """Open a peer; `listeners` hear everything from the first event on. Raises LocalError for a port that is taken.

    A grape that does not answer is no error: the peer opens, says so in its snapshot, and goes on when it is back.
    """
    config = config or PeerConfig()
    hub = Hub()
    for listener in listeners:
        hub.subscribe(listener)
    async with AsyncExitStack() as stack:
        parts = await compose(config, hub, registry or Registry(FibonacciService()), stack)
        peer = Peer(parts)
        await peer.act_as_broker(config.act_as_broker)
        if config.use_broker:
            await peer.use_broker(True, config.brokers)
        yield peer


class Peer:
    """A running peer; make one with `open_peer`. Its verbs raise only `core.errors.PeerError`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        ways, sockets = parts.relaying.relays, parts.endpoint.detour.sockets
        self._paths = Paths(parts.hub, parts.addresses.all_hosts, ways.way, sockets.carried)
        self.web: Final = parts.web  # what is open over HTTP and WebSocket: `settled` waits for it, `rows` tells where
        self.groups: Final = Groups(parts.admission)  # people named together, and what they may call
        self.grapes: Final = parts.link  # names and values at the grapes, as they have them
        self.every: Final = parts.every  # requests over any transport; `every.asker`: over HTTP and WebSocket alone
        self.relaying: Final = parts.relaying  # `pass_on(for)`, `use(on)`
        self.rest: Final = parts.wakes.rest  # a pause in seconds that a sleep, or another network, ends: then True
        self.public_dht: Final = parts.public  # `switch(on)`, and `attend(on)` while somebody looks at this peer

    # -- state ---------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event, on the loop. Returns the function that ends it."""
        return self._parts.hub.subscribe(listener)

    async def peer_id(self) -> PeerId | None:
        """Return our Peer ID, once it is known; None: there is no identity."""
        await self._parts.identity.settled()
        return self._parts.identity.peer_id

    def retry_identity(self) -> None:
        """Try again to open an identity that could not be opened; the snapshot's `identity` follows."""
        self._parts.identity.retry()

    @property
    def revision(self) -> int:
        """A number that rises with every change of the snapshot."""
        return self._parts.hub.revision

    def snapshot(self) -> PeerSnapshot:
        """Return everything the window shows, at this moment. Cheap; compare `.revision`."""
        observed, address = self._parts.addresses.observed(), self._parts.addresses.address()
        peers, nat = self._parts.roster.rows(), self._parts.nat.snapshot()
        return PeerSnapshot(
            revision=self.revision,
            address=address,
            observed=Address(observed, address.port) if observed else None,
            grape=self._parts.access.snapshot(),
            services=tuple(self._service_snapshot(each.name) for each in self._parts.registry if is_own(each)),
            peers=peers,
            known_peers=self._parts.admission.store.peers(),
            pending=self._parts.admission.store.pending(),
            groups=self.groups.shown(),
            trust_problem=self._parts.admission.store.problem,
            trust_recoverable=self._parts.admission.store.recoverable(),
            traffic=self.traffic(),
            identity=self._parts.identity.snapshot(),
            broker=self._parts.own_broker.snapshot(),
            broker_use=self._parts.brokers.snapshot(),
            addresses=self._parts.addresses.usable(),
            shares=self._parts.shares.rows(),
            uses=self._parts.uses.rows(),
            invitations=self._parts.inviter.shown(),
            nat=nat,
            public_dht=self._parts.public.snapshot(),
            connections=self._paths.snapshot(peers, self._parts.tunnels.reached(), self._parts.endpoint.quality(), nat),
            relays=self._parts.relaying.snapshot(),
        )

    def traffic(self) -> Traffic:
        """Return what crossed the socket so far. Cheap; it moves on without a new revision."""
        net, rpc = self._parts.endpoint.statistics(), self._parts.server.statistics()
        punches = net.punch.punches_sent + net.punch.punches_heard
        others = self._parts.handshakes.budget(), self._parts.openings.budget()
        return Traffic(
            net.bytes_received, net.bytes_sent, rpc.served + rpc.failed, punches, net.streams,
            turned_away=turned_away(net, rpc, self._parts.handshakes, self._parts.own_broker),
            refused=self._parts.handler.refused(),
            datagrams=net.datagrams.told(),
            budgets=tuple(BudgetRow(name, *state) for name, state in (*rpc.budgets, *others)),
        )  # fmt: skip

    def _service_snapshot(self, name: str) -> ServiceSnapshot:
        service, tally = self._parts.registry.get(name), self._parts.catalog.tally(name)
        return ServiceSnapshot(
            name=name,
            description=service.description,
            example=service.example,
            sharing=self._parts.intents.offers(name),
            consuming=self._parts.intents.wants(name),
            announced_nodes=self._parts.roles.announced(name),
            served=tally.served,
            failed=tally.failed,
            refused=tally.refused,
            audience=self._parts.admission.audience(name),
            own_only=self._parts.roles.own_only(name),
        )

    # -- verbs ---------------------------------------------------------------------------------------------------

    async def share(self, service: str, transports: Sequence[str] = UTP_ONLY) -> None:
        """Announce a service over `transports`, answer its callers, and punch everyone who wants it. Idempotent."""
        over = tuple(transports)
        self._parts.intents.declare(Intent(service, Role.WORKER, listed="utp" in over, over=over))

    async def unshare(self, service: str) -> None:
        """Stop announcing and answering a service. Idempotent."""
        self._parts.intents.withdraw(RoleName(service, Role.WORKER))
        await self._parts.roles.settled()

    # -- shares: what is offered over byte streams and as JSON services of one's own ---------------------------------

    async def add_share(self, share: Share) -> None:
        """Share something, and begin at once if it is on. Raises LocalError that says what cannot be."""
        await self._parts.shares.add(share)

    async def restore_shares(self, shares: Iterable[Share]) -> None:
        """Take shares that were kept; what keeps one from running is told in its row, and it is kept all the same."""
        await self._parts.shares.restore_all(shares)

    async def remove_share(self, name: str) -> Share:
        """End a share and forget it; return what it was."""
        return await self._parts.shares.remove(name)

    async def change_share(self, name: str, share: Share) -> None:
        """Put a share in the place of one: other words, audience or name. What fails leaves it. Raises LocalError."""
        await self._parts.shares.change(name, share)

    async def switch_share(self, name: str, on: bool) -> Share:
        """Begin a share, or end it and keep it; return what it is now. Idempotent."""
        return await self._parts.shares.switch(name, on)

    def shares(self) -> tuple[Share, ...]:
        """Return all shares, as they would be kept."""
        return self._parts.shares.all()

    async def check_share(self, name: str) -> Check:
        """Look whether what is shared is there, in words for its owner."""
        return await self._parts.shares.check(name)

    def share_warnings(self, name: str) -> list[str]:
        """Return what its owner should know of a share that is on, as sentences. Raises LocalError for none."""
        return self._parts.shares.warnings(name)

    # -- what other peers share ----------------------------------------------------------------------------------------

    async def offered_by(self, peer_id: PeerId, *, timeout: float = REQUEST_TIMEOUT) -> tuple[OfferRow, ...]:
        """Return what a peer shares with us, as it says. Raises PeerError."""
        stream = await self.open_stream(peer_id, LIST, timeout=timeout)
        try:
            async with asyncio.timeout(timeout):
                return await read_offers(stream)
        except TimeoutError:
            raise RequestTimeout(f"peer {peer_id.short} did not say what it shares within {timeout:g} s") from None
        finally:
            stream.reset()

    async def open_stream(
        self, peer_id: PeerId, service: str, details: dict[str, JsonValue] | None = None, *, timeout: float = 15.0
    ) -> ByteStream:
        """Open a byte stream to a service of a peer, encrypted and verified. Raises RefusedError, other PeerErrors."""
        return await self._parts.tunnels.open(peer_id, pack_opening(Opening(service, details or {})), timeout)

    async def use(self, peer_id: PeerId, service: str, *, kind: str = "", port: int = 0, peer: str = "") -> str:
        """Open a service of a peer here: a local port or page; return HOST:PORT or a URL.

        Without `kind` the peer is asked. `port` 0 is any free one. `peer` is the peer's name, for a page's address.
        """
        kind = kind or kind_among(await self.offered_by(peer_id), service, peer_id)
        return await self._parts.uses.open(peer_id, peer or self._name_of(peer_id), service, kind, port)

    async def stop_using(self, where: str) -> None:
        """Close a service that is open here. Idempotent."""
        await self._parts.uses.close(where)

    def _name_of(self, peer_id: PeerId) -> str:
        known = self._parts.admission.store.find(peer_id)
        return known.name if known is not None and known.name else peer_id.short

    async def consume(self, service: str, payload: JsonValue = None) -> None:
        """Announce that we want a service and ask every worker that punches us or is found. Idempotent.

        `payload` None asks with the service's own example; a second call changes what is asked from then on.
        """
        self._parts.intents.declare(Intent(service, Role.CONSUMER, payload))

    async def stop_consuming(self, service: str) -> None:
        """Stop wanting a service. Idempotent."""
        self._parts.intents.withdraw(RoleName(service, Role.CONSUMER))
        await self._parts.roles.settled()

    async def request(self, target: str, payload: JsonValue, *, timeout: float = 10.0, ask: Ask | None = None) -> Reply:
        """Ask a service by name ("fibonacci", "fibonacci_worker"), or a peer by `host:port` or `PEER-ID/fibonacci`.

        By its ID a peer is asked encrypted and verified, or not at all. `timeout` is seconds.
        """
        return await self._parts.every.request(target, payload, timeout, ask)

    async def map(self, service: str, payload: JsonValue, *, timeout: float = 10.0) -> list[Reply | PeerError]:
        """Ask every provider of a name at once. Returns one reply or error for each."""
        return await self._parts.client.map(service, payload, timeout)

    async def lookup(self, name: str) -> list[Address]:
        """Return who is announced under a name, or where a Peer ID is. For nobody raises LookupEmpty, RecordMissing."""
        return await self._parts.client.lookup(name)

    async def announce(self, name: str, port: int) -> int:
        """Announce a name at our grape's address, once. Returns the number of grapes that stored it."""
        nodes = await self._parts.link.announce(name, port)
        grape = self._parts.access.snapshot()
        self._parts.hub.emit(Announced(self._parts.hub.now(), name, nodes, grape.embedded and not grape.nodes))
        return nodes

    async def put(self, value: str) -> str:
        """Store a value on the grapes. Returns its hash, 40 hex digits."""
        return await self._parts.link.put(value)

    async def get(self, hash: str) -> dict[str, JsonValue]:
        """Return what is stored under a hash: `{"id", "token", "v", ...}`."""
        return await self._parts.link.get(hash)

    # -- the record of who called ---------------------------------------------------------------------------------

    async def calls(
        self, *, text: str = "", outcome: str = "", before: int | None = None, limit: int = 200,
        callers: Sequence[str] = (),
    ) -> list[CallRecord]:  # fmt: skip
        """Return the newest calls that fit, the newest first; `before` a call's number. Without a record: none.

        A `text` fits the calls of `callers`, texts of Peer IDs, in any case: for those whose name it is.
        """
        if self._parts.calls is None:
            return []
        return await self._parts.calls.query(text=text, outcome=outcome, before=before, limit=limit, callers=callers)

    async def export_calls(self, path: Path, *, text: str = "", outcome: str = "", callers: Sequence[str] = ()) -> int:
        """Write the calls that fit to a CSV file; return how many."""
        if self._parts.calls is None:
            return 0
        return await self._parts.calls.export_csv(path, text=text, outcome=outcome, callers=callers)

    async def clear_calls(self) -> None:
        """Forget every call."""
        if self._parts.calls is not None:
            await self._parts.calls.clear()

    # -- brokers --------------------------------------------------------------------------------------------------

    async def act_as_broker(self, on: bool) -> None:
        """Bring others together who are both behind a NAT, and be announced for it; or stop. Idempotent."""
        await self._parts.own_broker.act(on)

    async def use_broker(self, on: bool, brokers: Sequence[str] = ()) -> None:
        """Register what we share and want at brokers: these (`host:port`), or with none those that are announced."""
        await self._parts.brokers.use(on, brokers)

    # -- who may call: all hold at once, on live connections too, and are remembered ------------------------------

    def known_peers(self) -> tuple[KnownPeer, ...]:
        """Return the peers that the owner trusts with something, and those that are blocked."""
        return self._parts.admission.store.peers()

    def pending(self) -> tuple[Pending, ...]:
        """Return who asked for a service it may not call; the newest is last."""
        return self._parts.admission.store.pending()

    def set_audience(self, service: str, audience: Audience) -> None:
        """Change who may call a service, as long as this peer is open: its owner remembers it in the settings."""
        if any(share.name == service for share in self._parts.shares.all()):
            self._parts.shares.set_audience(service, audience)
            return
        self._parts.registry.get(service)
        self._parts.admission.set_audience(service, audience)

    async def trust(self, peer_id: PeerId, name: str = "", services: frozenset[str] = EVERY) -> None:
        """Let a peer call these services and no others; an empty name leaves the one it has."""
        await self._parts.admission.trust(peer_id, name, services)

    async def untrust(self, peer_id: PeerId) -> None:
        """Remove a peer from the list; what it has called and may call no longer is cancelled."""
        await self._parts.admission.untrust(peer_id)

    async def block(self, peer_id: PeerId) -> None:
        """Let a peer call nothing, ask nobody, and stay connected no longer."""
        await self._parts.admission.block(peer_id)

    async def accept(self, peer_id: PeerId, service: str, *, once: bool) -> None:
        """Answer a pending request: from now on, or `once` within ten minutes, when it asks again."""
        await self._parts.admission.accept(peer_id, service, once=once)

    async def confirm_trust(self) -> None:
        """The owner has looked at a damaged list of known peers: what could be recovered holds from now on."""
        await self._parts.admission.confirm()

    async def refuse(self, peer_id: PeerId, service: str) -> None:
        """Forget a pending request; the peer may ask again."""
        await self._parts.admission.refuse(peer_id, service)

    # -- invitations: two people know each other by a link ---------------------------------------------------------

    async def invite(
        self, name: str, services: frozenset[str] = frozenset(), *, uses: int = 1, days: float = DAYS, called: str = ""
    ) -> tuple[Link, InvitationRow]:
        """Invite somebody, who will be known here as `name` and may call `services`. `str(link)` is what to send.

        The link cannot be shown again. `called`: how we will be known there. Raises LocalError.
        """
        return await self._parts.inviter.invite(name, services, uses=uses, days=days, called=called)

    def invitations(self) -> tuple[InvitationRow, ...]:
        """Return the invitations and what became of them; the newest is last."""
        return self._parts.inviter.shown().rows

    async def withdraw(self, number: int) -> InvitationRow:
        """Let nobody else join by an invitation; who has joined stays. Idempotent."""
        return await self._parts.inviter.withdraw(number)

    async def look_at_invitation(self, link: str, *, timeout: float = 30.0) -> Offer:
        """Ask the inviter what a link offers; nothing is spent, nobody is trusted. Raises LinkError, PeerError."""
        return await self._parts.joiner.look(parse(link), timeout)

    async def join(
        self, link: str, *, name: str = "", services: frozenset[str] = frozenset(), timeout: float | None = None
    ) -> Joined:
        """Open an invitation: both know each other then. `services`: what the inviter may call here, such as nothing.

        It waits for the inviter, for `timeout` seconds at most; `JoinProgress` says live why. Raises PeerError.
        """
        return await self._parts.joiner.join(parse(link), name, services, timeout)
