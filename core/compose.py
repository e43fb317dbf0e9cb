"""The composition root: what a peer is made of, in the order in which it opens. It closes in the reverse order.

Each part gets what it needs when it is made; nothing is set on it afterwards, and nothing is handed out before it is
there. Where two need one another, the later one subscribes to the earlier one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from core.aio.descriptors import raise_limit
from core.aio.tasks import TaskSet
from core.calling.client import PeerClient
from core.calling.every_transport import EveryTransport
from core.calling.outgoing import Outgoing
from core.calling.paths import Publication
from core.calling.sources import Nearby
from core.carrying.dial import Carriers
from core.directory.access import GrapeAccess
from core.directory.names import GrapeClient
from core.errors import PeerError
from core.frozen import frozen
from core.grenache.asker import WebAsker
from core.grenache.server import WebServer
from core.invitations.inviter import Inviter
from core.invitations.joiner import Joiner, Ways
from core.invitations.store import InvitationStore
from core.lan.kept import Kept
from core.lan.places import Places
from core.lan.wire import OpenWire, open_wire
from core.ledger.ledger import Ledger
from core.net.endpoint import Endpoint, EndpointConfig
from core.news.events import (
    ErrorRaised,
    GrapeChanged,
    GrapeSnapshot,
    PeerEvent,
)
from core.news.hub import Hub
from core.news.roster import Roster
from core.own.addresses import OwnAddresses
from core.own.identity import OwnIdentity
from core.own.nearby import look_nearby
from core.own.networks import Networks, networks
from core.own.pairs import Pairs
from core.own.port import open_ports, open_web_port
from core.own.record import OwnRecord
from core.peer_id import PeerId
from core.profile.config import PeerConfig
from core.public.service import PublicDht
from core.reach.outreach import Outreach
from core.reach.remotes import Remotes
from core.relaying.service import Relaying
from core.rendezvous.brokers import Brokers
from core.rendezvous.by_id import ById
from core.rendezvous.hearing import Hearing
from core.rendezvous.ladder import Ladder
from core.rendezvous.nat_watch import NatWatch
from core.rendezvous.our_network import know_our_network
from core.rendezvous.over_six import OverSix
from core.rendezvous.own_broker import OwnBroker
from core.rendezvous.pacer import PunchPacer
from core.rendezvous.roles import Roles
from core.rendezvous.web import WebRoles
from core.rpc.client import RpcClient
from core.rpc.server import RpcServer
from core.secure.dial import Dialer
from core.secure.handshakes import Handshakes
from core.services.intents import Intents
from core.services.names import Role
from core.services.service import Registry
from core.serving.admission import Admission
from core.serving.catalog import Catalog
from core.serving.handler import Handler
from core.serving.openings import Openings
from core.serving.shares import Shares
from core.serving.web_site import WebSite
from core.tunnel.stream import ByteStream
from core.tunnel.tunnels import Tunnels
from core.using.uses import Uses
from core.values import Address
from core.wakes.clocks import read_clocks
from core.wakes.detector import Clocks
from core.wakes.wakes import Wakes
from core.wire.stream_opening import INVITATION, RELAY, Opening, pack_opening
from core.wire.utp_marks import OUR_MARKS, Marks
from core.wiring import (
    accept,
    alone_in_profile,
    begin_again,
    begin_public,
    both,
    follow_the_report,
    friends,
    keeps_meetings,
    meeting_people,
    offered_catalog,
    open_calls,
    open_peers,
    open_public_dht,
    open_socket,
    say_where_we_are,
)
from core.wiring import turned_away as turned_away
from core.wiring_relays import begin_relaying, dialing, open_carriers

SILENT = 45.0  # seconds without a packet until a path that the ladder opened counts as lost; a NAT keeps it for 30
STREAM_TIMEOUT = 15.0  # seconds to find and reach a peer, and open a stream: a request takes 10 at most
SWEEP_EVERY = 5.0  # seconds; a row for somebody who is gone stays that much longer at most


@frozen
class Parts:
    """A peer's parts, in the order in which they open."""

    hub: Hub
    roster: Roster
    registry: Registry
    intents: Intents
    calls: Ledger | None
    endpoint: Endpoint
    outgoing: Outgoing
    identity: OwnIdentity
    access: GrapeAccess
    addresses: OwnAddresses
    link: GrapeClient
    own_broker: OwnBroker
    brokers: Brokers
    client: PeerClient
    roles: Roles
    admission: Admission
    catalog: Catalog
    handler: Handler
    server: RpcServer
    handshakes: Handshakes
    tunnels: Tunnels
    openings: Openings
    shares: Shares
    uses: Uses
    inviter: Inviter
    joiner: Joiner
    nat: NatWatch
    web: WebRoles
    every: EveryTransport
    public: PublicDht
    relaying: Relaying
    wakes: Wakes


@frozen
class Outside:
    """What a peer takes from the machine it runs on; tests give one that is simulated."""

    open_endpoint: Callable[[Address, EndpointConfig], Awaitable[Endpoint]]
    open_access: Callable[[PeerConfig, Callable[[GrapeSnapshot], None], Callable[[str, float], bool]], GrapeAccess]
    networks: Callable[[], Networks]
    open_wire: OpenWire = open_wire
    clocks: Callable[[], Clocks] = read_clocks
    tcp: bool = False  # whether connections over TCP may be tried to those that the grapes list
    bus: bool = False  # whether the system is asked to tell of a sleep


async def _open_endpoint(bind: Address, config: EndpointConfig) -> Endpoint:
    return await Endpoint.open(bind, config=config)


THIS_MACHINE = Outside(_open_endpoint, GrapeAccess, networks, tcp=True, bus=True)


async def compose(
    config: PeerConfig, hub: Hub, registry: Registry, stack: AsyncExitStack, outside: Outside = THIS_MACHINE
) -> Parts:
    """Open a peer's parts onto `stack`, which closes them. Raises LocalError for a port that is taken."""
    raise_limit()
    intents = Intents(registry)

    # the socket, and who and where we are
    remotes = Remotes()
    outreach = Outreach(remotes)
    kept = Kept(config.places_file)
    await kept.open()
    stack.push_async_callback(kept.aclose)
    places = Places(kept)
    endpoint = await open_socket(
        outside.open_endpoint, config, EndpointConfig(
            may_acknowledge=outreach.may_acknowledge, may_answer=outreach.may_answer, waits=True
        ), kept,
    )  # fmt: skip
    stack.push_async_callback(endpoint.close)
    identity = _identity(config, hub, endpoint)
    stack.push_async_callback(identity.aclose)
    identity.start()
    calls = open_calls(config, hub)
    if calls is not None:
        stack.push_async_callback(calls.close)
    access = outside.open_access(config, lambda grape: hub.emit(GrapeChanged(hub.now(), grape)), outreach.lend)
    addresses = OwnAddresses(
        config.bind, endpoint.address.port, access.observed_host, outside.networks, endpoint.six, access.observed_host_6
    )
    outreach.counted = addresses.counted
    say_where_we_are(hub, addresses)
    wakes = Wakes(addresses.refresh, outside.clocks, bus=outside.bus)
    stack.push_async_callback(wakes.aclose)
    wakes.follow(addresses)
    roster = Roster(hub, is_self=addresses.is_self)

    # what the grapes list
    link = await stack.enter_async_context(access)

    # requests that go out, and peers that brokers name
    outgoing = Outgoing(endpoint, outreach, addresses, addresses.leads)

    def told(listed: Iterable[Address]) -> list[Address]:
        return outgoing.told(listed, _grape_host(access))

    dialer = Dialer(outgoing.connect, identity.contexts)
    rpc = RpcClient(dialer.dial, connect_to=dialer.dial)
    stack.push_async_callback(rpc.close)
    brokers = Brokers(hub, outgoing, link, rpc, addresses, intents, lambda: _grape_host(access))
    public = open_public_dht(hub, endpoint, addresses, outgoing, brokers, config)
    stack.push_async_callback(public.aclose)
    relaying = Relaying(hub, endpoint, config.relay, uses=config.use_relays)
    stack.push_async_callback(relaying.aclose)
    client = PeerClient(
        hub, roster, outgoing, addresses, link, told, registry, rpc, dialer.require_identity,
        openers=(brokers,), remotes=remotes, nearby=Nearby(places.here, places.before), late=(public, relaying.relays),
        validated=outgoing.validated, friends=lambda: friends(admission),
    )  # fmt: skip
    every = EveryTransport(hub, client, WebAsker(link, told), look=outside.tcp)
    stack.push_async_callback(every.aclose)
    stack.push_async_callback(client.aclose)

    # requests that come in
    tasks = TaskSet("peer")
    stack.push_async_callback(tasks.aclose)
    own_broker = OwnBroker(hub, link, addresses, endpoint)
    admission = Admission(
        hub, config.trust_file, config.audiences, own=lambda: identity.peer_id,
        serving=lambda: bool(intents.of(Role.WORKER)),
    )  # fmt: skip
    await admission.open()
    stack.push_async_callback(admission.aclose)
    catalog = offered_catalog(registry, intents)
    open_side, desk = open_peers(config, hub, identity, admission, addresses, outgoing, rpc, link, stack)
    handler = Handler(hub, catalog, roster, admission, calls, own_broker, outgoing.validated, (desk,))
    server = RpcServer(handler.receive, standing=handler.standing)
    admission.close_connections_by(server.hang_up)
    handshakes = Handshakes(identity.contexts)

    # byte streams, both ways, and what is shared and used over them
    invitations = InvitationStore(config.invitations_file)
    met = keeps_meetings(hub, kept, admission, addresses)
    remotes.listen(met)
    inviter = Inviter(hub, invitations, admission, identity.settled, lambda: identity.peer_id, met)
    await inviter.open()
    stack.push_async_callback(inviter.aclose)
    openings = Openings(handler, {INVITATION: inviter.serve, RELAY: relaying.desk.serve})
    stack.push_async_callback(openings.aclose)
    dial = dialing(client, dialer, brokers, relaying)
    tunnels = Tunnels(
        dial, openings.on_opening, trusts=lambda caller: handler.standing(caller).trusted,
        meet=dial, rest=wakes.rest,
    )  # fmt: skip
    tunnels.start()
    stack.push_async_callback(tunnels.aclose)
    admission.close_connections_by(tunnels.hang_up)
    web = WebRoles(
        hub, config.web, intents, link, admission.audience, lambda: WebSite(handler, catalog, openings),
        lambda where, site: WebServer(where, site, server.memory, server.slices),
        lambda port, tell: open_web_port(config, addresses, port, tell),
    )  # fmt: skip
    stack.push_async_callback(web.aclose)
    shares = Shares(hub, registry, intents, admission, catalog, openings)
    stack.push_async_callback(shares.aclose)
    uses = Uses(_open_stream(tunnels), hub.touch)
    stack.push_async_callback(uses.aclose)
    people = meeting_people(identity, admission, inviter)
    expecting = both(places.expecting, people.expecting)
    ways = Ways(client.lookup, tunnels.open, places.here, expecting, met, public.knows)
    joiner = Joiner(hub, admission, ways, inviter.own, wakes.rest)

    # being found, and opening the way
    pacer = PunchPacer(outgoing.punch, remotes)
    roles = Roles(hub, roster, addresses, link, client.ask, told, pacer, intents, registry, brokers, remotes)
    stack.push_async_callback(roles.aclose)
    stack.push_async_callback(brokers.aclose)
    stack.push_async_callback(own_broker.aclose)
    by_id = ById(registry, intents, admission, lambda: identity.peer_id, inviter.waiting)
    record = OwnRecord(hub, identity, link, intents, addresses.addresses, by_id.listed, alone_in_profile(config, stack))
    stack.push_async_callback(record.aclose)
    record.start()
    stack.callback(intents.close)

    nat = know_our_network(hub, endpoint, addresses, access, brokers, outgoing, public.nodes)
    stack.push_async_callback(nat.aclose)
    # from here on the world is heard
    hearing = Hearing(hub, roster, addresses, outgoing, pacer, brokers, roles, client)
    ladder = Ladder(
        hub, endpoint, lambda: identity.identity, lambda: nat.report, nat.reflectors, brokers.leave, outreach.probing,
        hearing.on_punch, outgoing.validated, lambda remote: roster.seen_since(remote, hub.now() - SILENT), public,
        OverSix(addresses.global_6, lambda theirs: brokers.meet(outgoing.told(theirs))), outgoing.proved,
    )  # fmt: skip
    stack.push_async_callback(ladder.aclose)
    brokers.listen(ladder.told)
    follow_the_report(hub, nat, endpoint, ladder)
    _follow_the_grapes(hub, roles, own_broker, record)
    roles.on_grape(access.snapshot())  # it was told before there was anybody here to hear it
    _follow_our_addresses(addresses, web, roles, own_broker, record)
    addresses.subscribe(access.look)
    by_id.start(hub, identity.when_open, invitations.listen)
    invitations.listen(record.publish)
    served = accept(tasks, server, handshakes, tunnels, outgoing.validated, met, hearing.on_connection)
    endpoint.hear(served, hearing.on_punch)
    pairs = Pairs(identity, lambda: friends(admission))
    lan = look_nearby(
        config, hub, access, addresses, endpoint.address.port, outgoing.may_ask_beside, outside.open_wire,
        places, pairs.secrets, inviter.secrets, identity.warm,
    )  # fmt: skip
    if lan is not None:
        stack.push_async_callback(lan.aclose)
        identity.when_open(lan.refresh)
        invitations.listen(lan.refresh)
        admission.store.listen(lambda change: lan.refresh())
    nat.start()
    carriers = Carriers(endpoint)
    stack.push_async_callback(carriers.aclose)
    begin_relaying(
        relaying, identity, admission, addresses, outgoing, nat, tunnels, ladder, remotes, brokers, client, carriers
    )
    await open_carriers(config, endpoint, relaying, admission, tunnels, tasks, stack)
    await begin_public(config, public, people, identity, intents, ladder, open_side, addresses, nat)
    mappers = open_ports(config, addresses, endpoint.address.port, nat.opened, nat.opened_6, stack)
    wakes.subscribe(lambda event: begin_again(
        event, outreach, endpoint, rpc, access, nat, brokers, ladder, roles, own_broker, record, public, lan, tunnels,
        mappers, relaying, web,
    ))  # fmt: skip
    wakes.start()
    tasks.spawn(_sweep_forever(roster), name="forget who is gone")
    stack.callback(endpoint.hear)
    stack.callback(hub.silence)  # first: what the parts still do is no news to anybody
    return Parts(
        hub, roster, registry, intents, calls, endpoint, outgoing, identity, access, addresses, link, own_broker,
        brokers, client, roles, admission, catalog, handler, server, handshakes, tunnels, openings, shares, uses,
        inviter, joiner, nat, web, every, public, relaying, wakes,
    )  # fmt: skip


def _identity(config: PeerConfig, hub: Hub, endpoint: Endpoint) -> OwnIdentity:
    """Say that we encrypt, as long as there is an identity or may be one soon."""
    if config.identity is not None:
        endpoint.mark(OUR_MARKS | Marks.SECURE)

    def on_none(error: PeerError) -> None:
        endpoint.mark(OUR_MARKS)
        hub.emit(ErrorRaised(hub.now(), error.name, f"{error}. Nothing is encrypted until then."))

    def on_open() -> None:
        """Say to others that we can encrypt, also when our key came late."""
        endpoint.mark(OUR_MARKS | Marks.SECURE)
        hub.touch()

    return OwnIdentity(config.identity, on_none, on_open, hub.touch)


def _grape_host(access: GrapeAccess) -> str | None:
    """Return the host of the grape in use, this machine's own as an address; what it lists is judged by that."""
    host = urlsplit(access.snapshot().url).hostname
    return "127.0.0.1" if host == "localhost" else host


def _follow_the_grapes(hub: Hub, roles: Roles, own_broker: OwnBroker, record: OwnRecord) -> None:
    def on_event(event: PeerEvent) -> None:
        if isinstance(event, GrapeChanged):
            roles.on_grape(event.grape)
            own_broker.publish()
            record.on_grape(event.grape)

    hub.subscribe(on_event, GrapeChanged)


def _follow_our_addresses(addresses: OwnAddresses, *publications: Publication) -> None:
    def on_moved() -> None:
        for each in publications:
            each.publish()

    addresses.subscribe(on_moved)


def _open_stream(tunnels: Tunnels) -> Callable[[PeerId, Opening], Awaitable[ByteStream]]:
    async def open_stream(peer_id: PeerId, opening: Opening) -> ByteStream:
        return await tunnels.open(peer_id, pack_opening(opening), STREAM_TIMEOUT)

    return open_stream


async def _sweep_forever(roster: Roster) -> None:
    while True:
        await asyncio.sleep(SWEEP_EVERY)
        roster.sweep()
