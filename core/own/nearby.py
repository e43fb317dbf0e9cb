"""Peers on our networks, whose grapes our own one joins."""

import os
from collections.abc import Callable, Iterable

from core.directory.access import GrapeAccess
from core.lan.discovery import Around, Lan
from core.lan.firewall import MDNS, rule
from core.lan.places import Places
from core.lan.wire import OpenWire
from core.news.events import NOT_LOOKED_FOR, GrapeChanged, PeerEvent
from core.news.hub import Hub
from core.own.addresses import OwnAddresses
from core.peer_id import PeerId
from core.profile.config import PeerConfig
from core.reach.gate import allowed
from core.values import Address


def look_nearby(
    config: PeerConfig, hub: Hub, access: GrapeAccess, addresses: OwnAddresses, peer_port: int,
    may_ask: Callable[[Address, float], bool], open_wire: OpenWire, places: Places | None = None,
    people: Callable[[], dict[PeerId, bytes]] = dict, invited: Callable[[], Iterable[bytes]] = tuple,
    somebody: Callable[[], None] = lambda: None,
) -> Lan | None:  # fmt: skip
    """Begin to look for them; None: it is not wanted, or our grape joins only those that it was given."""
    grape = access.own_grape
    if grape is None or config.bootstrap is not None:
        return None
    if not allowed(config.lan, os.environ):
        access.say_nearby(lambda: NOT_LOOKED_FOR if grape.alone else "")
        return None
    port = grape.dht_address.port

    def firewall_rule(host: str) -> str:
        return rule(port, host, (*addresses.attached(), *addresses.attached_6()), also=(peer_port, MDNS))

    around = Around(
        addresses.hosts, grape.knows, may_ask, grape.meet, firewall_rule, lambda: grape.alone,
        lambda: access.say_nearby(lan.words), places or Places(), people, invited, somebody,
        lambda: {each.local: each.hosts for each in addresses.links()}, addresses.is_beside,
    )  # fmt: skip
    lan = Lan(around, peer_port, port, open_wire=open_wire)
    addresses.subscribe(lan.refresh)

    def on_event(event: PeerEvent) -> None:
        if isinstance(event, GrapeChanged):
            lan.refresh()  # somebody answers, or no longer

    hub.subscribe(on_event)
    lan.start()
    return lan
