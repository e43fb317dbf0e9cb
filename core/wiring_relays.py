"""Pieces of the composition root that tie relays to the rest of a peer: by a friend, by a broker, over TCP."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from core.aio.tasks import TaskSet
from core.calling.client import PeerClient
from core.calling.outgoing import Outgoing
from core.calling.streams import dial_streams
from core.carrying.dial import Carriers
from core.carrying.host import CarrierHost
from core.net.endpoint import Endpoint
from core.own.addresses import OwnAddresses
from core.own.identity import OwnIdentity
from core.peer_id import PeerId
from core.profile.config import PeerConfig
from core.reach.remotes import Remotes
from core.relaying.over_tcp import OverTcp
from core.relaying.service import OFF, Relaying
from core.relaying.world import World
from core.rendezvous.brokers import Brokers
from core.rendezvous.ladder import Ladder
from core.rendezvous.nat_watch import NatWatch
from core.rpc.stream import Stream as Connection
from core.scope import Scope, scope
from core.secure.dial import Dialer
from core.serving.admission import Admission
from core.tunnel.tunnels import Tunnels
from core.values import Address
from core.wiring import friends, gets_in

Dial = Callable[[PeerId, float], Awaitable[Connection]]


def dialing(client: PeerClient, dialer: Dialer, brokers: Brokers, relaying: Relaying) -> Dial:
    """Return what connects to a peer for byte streams: found as for a request, or a broker of ours where it is."""
    find = dial_streams(client, dialer)

    relaying.brokers.start(brokers.addresses, dialer.identify)

    async def dial(peer_id: PeerId, seconds: float) -> Connection:
        at = relaying.brokers.identified().get(peer_id)
        if at is None:
            return await find(peer_id, seconds)
        return await dialer.dial_streams(at, seconds, peer_id)

    return dial


async def open_carriers(
    config: PeerConfig, endpoint: Endpoint, relaying: Relaying, admission: Admission, tunnels: Tunnels,
    tasks: TaskSet, stack: AsyncExitStack,
) -> None:  # fmt: skip
    """Serve over TCP those whose UDP is blocked. Raises LocalError for ports or files that cannot be used."""

    def trusted(address: Address) -> bool:
        return any(at == address and admission.trusts(peer_id) for peer_id, at in tunnels.reached())

    host = CarrierHost(
        endpoint, config.carry, config.bind, endpoint.address.port, lambda: relaying.policy() != OFF, trusted
    )
    stack.callback(host.close)
    await host.start()
    tasks.spawn(host.run(), name="serve over TCP while packets are passed on")


def begin_relaying(
    relaying: Relaying, identity: OwnIdentity, admission: Admission, addresses: OwnAddresses, outgoing: Outgoing,
    nat: NatWatch, tunnels: Tunnels, ladder: Ladder, remotes: Remotes, brokers: Brokers, client: PeerClient,
    carriers: Carriers,
) -> None:  # fmt: skip
    """Let friends pass our packets on, and pass theirs on, as far as the settings say."""

    async def find(peer_id: PeerId) -> list[Address]:
        return outgoing.told(await client.lookup(str(peer_id)))

    over_tcp = OverTcp(carriers, find, outgoing.validated, lambda: nat.report.blocked)

    def own(peer_id: PeerId) -> list[Address]:
        """Return where we are; strangers are told no address of our home."""
        known = dict.fromkeys((*nat.report.observed, *addresses.addresses()))
        near = admission.trusts(peer_id)
        return [each for each in known if near or scope(each.host) in (Scope.CARRIER, Scope.PUBLIC)]

    def blocked(peer_id: PeerId) -> bool:
        known = admission.store.find(peer_id)
        return known is not None and known.blocked

    def name(peer_id: PeerId) -> str:
        known = admission.store.find(peer_id)
        return known.name if known is not None and known.name else peer_id.short

    world = World(
        lambda: identity.identity, lambda: friends(admission), admission.trusts, blocked, name, own,
        lambda address, now, by: outgoing.may_ask(address, 1, by), outgoing.may_answer_beat, lambda: True,
        tunnels.silences, relaying.brokers, over_tcp,
    )  # fmt: skip
    relaying.start(world, tunnels.open, gets_in(addresses, nat))
    ladder.listen(relaying.relays.opened)
    remotes.listen(relaying.relays.reached)
    admission.store.listen(lambda change: relaying.relays.look())
