"""The reflectors that the watch of our network asks, and when it looks again."""

from collections.abc import Callable, Iterable
from typing import Protocol
from urllib.parse import urlsplit

from core.calling.outgoing import Outgoing
from core.directory.access import GrapeAccess
from core.nat.reflection import Reflector
from core.nat.words import six_words
from core.net.endpoint import Endpoint
from core.news.events import BrokerChanged, GrapeChanged, GrapeState, PeerEvent
from core.news.hub import Hub
from core.news.public import PublicDhtChanged
from core.news.web import WebPortMapped
from core.rendezvous.brokers import Brokers
from core.rendezvous.nat_watch import REFLECTORS, NatWatch
from core.scope import Scope, scope
from core.values import Address


class Addresses(Protocol):
    """What is needed of our own addresses."""

    def hosts(self) -> tuple[str, ...]:
        """Return this machine's own hosts."""

    def global_6(self) -> list[Address]:
        """Return where others may reach us by IPv6."""

    def translated_6(self) -> str | None:
        """Return our IPv6 host as others see it, where a router translates it."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` when they are others."""


def know_our_network(
    hub: Hub, endpoint: Endpoint, addresses: Addresses, access: GrapeAccess, brokers: Brokers, outgoing: Outgoing,
    public: Callable[[int], Iterable[Address]] = lambda count: (),
) -> NatWatch:  # fmt: skip
    """Return what knows our network, which looks again when we move or there is somebody new to ask.

    `public(count)`: nodes of the public DHT, which are asked last.
    """

    def sources() -> list[Reflector]:
        nodes = [*access.neighbours(REFLECTORS), *public(REFLECTORS)]
        return [*brokers.reflectors(), *(Reflector(each, dht=True) for each in nodes)]

    def online() -> bool:
        grape = access.snapshot()
        host = urlsplit(grape.url).hostname or ""
        return not grape.embedded and grape.state is GrapeState.CONNECTED and scope(host) > Scope.LOOPBACK

    def on_web_port(event: PeerEvent) -> None:
        if isinstance(event, WebPortMapped):
            nat.opened_web(event.opened)

    nat = NatWatch(
        hub, endpoint, addresses, sources, outgoing.may_ask, brokers.registered, online,
        lambda: six_words(addresses.global_6(), addresses.translated_6()),
    )  # fmt: skip
    addresses.subscribe(nat.nudge)
    hub.subscribe(lambda event: nat.on_brokers(), BrokerChanged, GrapeChanged, PublicDhtChanged)
    hub.subscribe(on_web_port, WebPortMapped)
    return nat
