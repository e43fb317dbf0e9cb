"""Small pieces of the composition root (`core.compose`): what ties two parts together and belongs to neither."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from random import SystemRandom

from core.aio.tasks import TaskSet
from core.calling.outgoing import Outgoing
from core.directory.access import GrapeAccess
from core.directory.names import GrapeClient
from core.errors import LocalError
from core.files.presence import Presence
from core.invitations.inviter import Inviter
from core.lan.discovery import Lan
from core.lan.kept import Kept
from core.ledger.ledger import Ledger
from core.mapping.mapper import PortMapper
from core.nat.keeping import keepalive
from core.net.endpoint import Endpoint, EndpointConfig, EndpointStatistics
from core.net.stream import Stream
from core.news.events import ErrorRaised, Listening, NatChanged, PeerEvent
from core.news.hub import Hub
from core.own.addresses import OwnAddresses
from core.own.identity import OwnIdentity
from core.own.mask import Mask
from core.own.pairs import Pairs
from core.own.record import OwnRecord
from core.peer_id import PeerId
from core.profile.config import KeyPlace, PeerConfig
from core.public.gate import allowed
from core.public.open_desk import OpenDesk
from core.public.open_kept import OpenPeersFile
from core.public.open_side import OpenSide
from core.public.people import People
from core.public.service import PublicDht
from core.reach.outreach import Outreach
from core.relaying.service import Relaying
from core.rendezvous.brokers import Brokers
from core.rendezvous.ladder import Ladder
from core.rendezvous.nat_watch import NatWatch
from core.rendezvous.own_broker import OwnBroker
from core.rendezvous.roles import Roles
from core.rendezvous.web import WebRoles
from core.rpc.client import Reply, RpcClient
from core.rpc.server import RpcServer, RpcServerStatistics
from core.rpc.stream import Lodger
from core.rpc.stream import Stream as Connection
from core.scope import Scope, is_six, scope
from core.secure.dial import Dialer
from core.secure.frames import ALPN, STREAMS
from core.secure.handshakes import Handshakes
from core.services.intents import Intent, Intents
from core.services.names import Role
from core.services.personal import is_personal
from core.services.service import Registry
from core.serving.admission import Admission
from core.serving.catalog import Catalog
from core.signal.keys import PURPOSE
from core.tunnel.tunnels import Tunnels
from core.values import Address, JsonValue
from core.wakes.wakes import Woke
from core.wire.open_message import OPEN_SERVICE

MOST_FRIENDS = 256  # people who are recognised on our networks; those seen last come first
Expecting = Callable[[PeerId, bytes], AbstractContextManager[None]]
OpenEndpoint = Callable[[Address, EndpointConfig], Awaitable[Endpoint]]


def alone_in_profile(config: PeerConfig, stack: AsyncExitStack) -> Callable[[], bool]:
    """Return what tells whether no other process publishes with this profile. We count as one from the first call."""
    place = config.identity
    made: list[Presence] = []

    def alone() -> bool:
        if not isinstance(place, KeyPlace):
            return True
        if not made:
            made.append(Presence(place.directory / f"{place.profile}.running"))
        return made[0].alone()

    def leave() -> None:
        for presence in made:
            presence.leave()

    stack.callback(leave)  # behind the record, which asks a last time when it ends
    return alone


def accept(
    tasks: TaskSet, server: RpcServer, handshakes: Handshakes, tunnels: Tunnels, validated: Callable[[Address], None],
    met: Callable[[PeerId, Address], None], came: Callable[[Address], None] = lambda remote: None,
) -> Callable[[Stream], None]:  # fmt: skip
    """Return what serves each connection that is accepted: with requests, or with byte streams.

    A handshake for byte streams is an answer that nobody can forge from elsewhere: `validated` is told, as it is of
    requests. Else a caller whose address changes would have spent, by its first meeting, what it may get. `met` hears
    who that is. `came` hears of each connection, before anybody knows whose it is: the way to there is open.
    """

    def other(admitted: Connection) -> Lodger | None:
        if getattr(admitted, "protocol", ALPN) != STREAMS:
            return None
        validated(admitted.remote)
        if admitted.peer_id is not None:
            met(admitted.peer_id, admitted.remote)
        return tunnels.lodger(admitted)

    def on_stream(stream: Stream) -> None:
        if not server.welcomes(stream.remote):
            stream.abort()
            return
        came(stream.remote)
        tasks.spawn(server.serve(stream, lambda: handshakes.admit(stream), other), name=f"serve {stream.remote}")

    return on_stream


async def open_socket(
    open_endpoint: OpenEndpoint, config: PeerConfig, endpoint: EndpointConfig, kept: Kept
) -> Endpoint:
    """Open our socket, at the port of the last run where none is set: others have kept it. Raises LocalError."""
    wanted = config.udp_port or kept.port
    try:
        opened = await open_endpoint(Address(config.bind, wanted), endpoint)
    except LocalError:
        if config.udp_port or not wanted:
            raise
        return await open_endpoint(Address(config.bind, 0), endpoint)  # another program of ours has it, say
    if not config.udp_port:
        kept.use_port(opened.address.port)
    return opened


def keeps_meetings(
    hub: Hub, kept: Kept, admission: Admission, addresses: OwnAddresses
) -> Callable[[PeerId, Address], None]:
    """Return what notes that somebody we know was met, and where, if it is on a network of ours: for the next run."""

    def met(peer_id: PeerId, address: Address) -> None:
        admission.store.see(peer_id, hub.now())
        known = admission.store.find(peer_id)
        near = scope(address.host) is Scope.PRIVATE or is_six(address.host)  # beside us, a provider's is no different
        ours = near and addresses.is_beside(address)
        if known is not None and not known.blocked and ours:
            kept.met(peer_id, address)

    return met


def friends(admission: Admission) -> list[PeerId]:
    """Return the people we know, those seen last first: they are recognised on our networks."""
    known = [each for each in admission.store.peers() if not each.blocked]
    known.sort(key=lambda each: each.last_seen or each.since, reverse=True)
    return [each.peer_id for each in known[:MOST_FRIENDS]]


def open_calls(config: PeerConfig, hub: Hub) -> Ledger | None:
    """Return the record of who called, which tells of its own trouble."""
    if config.calls_file is None:
        return None
    return Ledger(config.calls_file, on_problem=lambda problem: hub.emit(ErrorRaised(hub.now(), "ERR_LEDGER", problem)))


class _Opening:
    """Opens the way to what the public DHT names."""

    def __init__(self, outgoing: Outgoing, brokers: Brokers) -> None:
        self._outgoing = outgoing
        self.meet = brokers.meet

    def told(self, addresses: Iterable[Address]) -> list[Address]:
        """Take what somebody names; return who may be sent to at all."""
        return self._outgoing.told(addresses)


def open_public_dht(
    hub: Hub, endpoint: Endpoint, addresses: OwnAddresses, outgoing: Outgoing, brokers: Brokers, config: PeerConfig
) -> PublicDht:
    """Return the public DHT, which is off yet."""
    return PublicDht(
        hub, endpoint, addresses, _Opening(outgoing, brokers), config.mainline_file, config.mainline_bootstrap,
        asked=config.mainline != "unset", reachable_for=config.reachable_for,
    )  # fmt: skip


def open_peers(
    config: PeerConfig, hub: Hub, identity: OwnIdentity, admission: Admission, addresses: OwnAddresses,
    outgoing: Outgoing, rpc: RpcClient, grape: GrapeClient, stack: AsyncExitStack,
) -> tuple[OpenSide, OpenDesk]:  # fmt: skip
    """Return what meets others at open peers, and the desk at which this peer may be one.

    Strangers are asked under an identity of this run: they see our address, and not who we are.
    """
    mask = Mask()
    masked = RpcClient(Dialer(outgoing.connect, mask.contexts).dial)
    stack.push_async_callback(masked.close)

    def ask(address: Address, payload: JsonValue, seconds: float, expected: PeerId | None) -> Awaitable[Reply]:
        if expected is not None and admission.trusts(expected):  # keeps places for those that it trusts
            return rpc.request(address, OPEN_SERVICE, payload, timeout=seconds, expected=expected)
        return masked.request(address, OPEN_SERVICE, payload, timeout=seconds)

    def told(named: Iterable[Address]) -> list[Address]:
        return [each for each in outgoing.told(named) if not addresses.is_self(each)]

    def renew() -> None:
        mask.change()
        masked.set_all_aside()

    kept = OpenPeersFile(config.open_peers_file)
    desk = OpenDesk(lambda: identity.peer_id, admission.trusts, grape, hub.touch)
    side = OpenSide(ask, told, kept, SystemRandom(), time.time, desk, helps=config.open_peer, renew=renew)
    return side, desk


def meeting_people(identity: OwnIdentity, admission: Admission, inviter: Inviter) -> People:
    """Return the people that the public DHT brings us together with."""
    pairs = Pairs(identity, lambda: friends(admission), PURPOSE)
    return People(lambda: identity.peer_id, pairs.secrets, inviter.secrets)


def both(first: Expecting, second: Expecting) -> Expecting:
    """Expect somebody in two places."""

    @contextmanager
    def expecting(peer_id: PeerId, secret: bytes) -> Iterator[None]:
        with first(peer_id, secret), second(peer_id, secret):
            yield

    return expecting


def say_where_we_are(hub: Hub, addresses: OwnAddresses) -> None:
    """Tell our address on our network now, and whenever it is another."""
    said: list[Address] = []

    def tell() -> None:
        hub.touch()
        if said[-1:] != [addresses.address()]:
            said[:] = [addresses.address()]
            hub.emit(Listening(hub.now(), said[-1]))

    addresses.subscribe(tell)
    tell()


def begin_again(
    event: Woke, outreach: Outreach, endpoint: Endpoint, rpc: RpcClient, access: GrapeAccess, nat: NatWatch,
    brokers: Brokers, ladder: Ladder, roles: Roles, own_broker: OwnBroker, record: OwnRecord, public: PublicDht,
    lan: Lan | None, tunnels: Tunnels, mappers: Iterable[PortMapper], relaying: Relaying, web: WebRoles,
) -> None:  # fmt: skip
    """Have all parts begin again: we slept, or are on another network. No pause of before is kept to."""
    outreach.begin_again(asyncio.get_running_loop().time())
    endpoint.speak()  # those who follow us hear where we are
    rpc.set_all_aside()
    access.begin_again(event.why.value)
    ladder.begin_again()
    brokers.begin_again()
    nat.nudge()
    roles.begin_again()
    own_broker.publish()
    record.begin_again()
    public.begin_again()
    if lan is not None:
        lan.begin_again()
    for mapper in mappers:
        mapper.begin_again()
    web.begin_again()
    tunnels.begin_again()
    relaying.begin_again()


def offered_catalog(registry: Registry, intents: Intents) -> Catalog:
    """Return what finds the service that a request means, among those that we intend to offer."""
    catalog = Catalog(registry)

    def on_intent(intent: Intent, on: bool) -> None:
        if is_personal(intent.service):
            return
        if intent.role is Role.WORKER and on:
            catalog.add(intent.service, utp="utp" in intent.over)
        elif intent.role is Role.WORKER:
            catalog.remove(intent.service)

    intents.subscribe(on_intent)
    return catalog


def gets_in(addresses: OwnAddresses, nat: NatWatch) -> Callable[[], bool]:
    """Return what tells whether others get in to us without our sending first."""
    return lambda: (
        any(scope(host) is Scope.PUBLIC for host in addresses.hosts())
        or nat.report.open
        or addresses.mapped() is not None
    )


async def begin_public(
    config: PeerConfig, public: PublicDht, people: People, identity: OwnIdentity, intents: Intents, ladder: Ladder,
    open_side: OpenSide, addresses: OwnAddresses, nat: NatWatch,
) -> None:  # fmt: skip
    """Use the public DHT, and open peers by it, as far as the settings say."""
    reached = gets_in(addresses, nat)
    public.start(people, identity.secret, lambda: bool(intents.of(Role.WORKER)), ladder, open_side, reached)
    await public.switch(allowed(config.mainline == "on", config.mainline_bootstrap, os.environ))


def follow_the_report(hub: Hub, nat: NatWatch, endpoint: Endpoint, ladder: Ladder) -> None:
    """Have what depends on our network hear when it is found to be another one."""

    def on_report(event: PeerEvent) -> None:
        ladder.on_report()
        endpoint.keep_alive(keepalive(nat.report.lifetime))

    hub.subscribe(on_report, NatChanged)


def turned_away(
    net: EndpointStatistics, rpc: RpcServerStatistics, handshakes: Handshakes, own_broker: OwnBroker
) -> tuple[tuple[str, int], ...]:
    """Return what was turned away, and how often."""
    counts = (
        ("connections", net.utp.refused + rpc.refused_connections),
        ("handshakes", handshakes.statistics().failed),
        ("punches", net.punch.acks_withheld),
        ("datagrams", net.dropped_unknown + net.utp.dropped_malformed + net.datagrams.refused),
        ("registrations", sum(count for _, count in own_broker.refused())),
    )
    return tuple((what, count) for what, count in counts if count)
