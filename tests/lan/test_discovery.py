"""Peers on our networks, on networks that are made up: who is heard, what is said, and which networks we are on."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from core.errors import LocalError
from core.lan.discovery import NAME_AGE, RETRY_FIRST, Around, Lan
from core.lan.instance import Instance, Offer
from core.lan.places import Places
from core.lan.tags import TAG_BYTES, pack, tag, unpack
from core.lan.wire import NotInstalled, OnGone, OnSeen
from core.peer_id import PeerId
from core.values import Address
from tests.support.virtual_time import run, settle
from tests.trust.people import ANN, BOB

FRIEND = Address("192.168.1.9", 20001)


def instance(*grapes: Address, name: str = "f" * 20) -> Instance:
    return Instance(name, grapes or (FRIEND,), 41000)


class FakeWire:
    """A network as we are on it. `seen` and `gone` are what it tells us by."""

    def __init__(self, offer: Offer, seen: OnSeen, gone: OnGone) -> None:
        self.offer, self.seen, self.gone = offer, seen, gone
        self.closed = False

    async def tell(self, offer: Offer) -> None:
        self.offer = offer

    async def aclose(self) -> None:
        self.closed = True


class Home:
    """What is around the room under test."""

    def __init__(self) -> None:
        self.hosts = ["192.168.1.2"]
        self.known: set[Address] = set()
        self.asked: list[Address] = []
        self.around: list[bool] = []  # each time that somebody is there
        self.said: list[str] = []
        self.wires: list[FakeWire] = []
        self.error: Exception | None = None
        self.links: dict[str, tuple[str, ...]] = {}
        self.far: set[Address] = set()
        self.places, self.people, self.invited = Places(), dict[PeerId, bytes](), list[bytes]()
        around = Around(
            lambda: list(self.hosts), lambda each: each in self.known, lambda each, now: True, self.asked.append,
            lambda host: f"allow {host}", lambda: not self.known, lambda: self.said.append(self.lan.words()),
            self.places, lambda: dict(self.people), lambda: list(self.invited), lambda: self.around.append(True),
            lambda: dict(self.links), lambda each: each not in self.far,
        )  # fmt: skip
        self.lan = Lan(around, 41000, 20001, open_wire=self.open, random=Random(1))

    async def open(self, offer: Offer, seen: OnSeen, gone: OnGone) -> FakeWire:
        if self.error is not None:
            raise self.error
        self.wires.append(FakeWire(offer, seen, gone))
        return self.wires[-1]

    @property
    def open_hosts(self) -> list[str]:
        return [wire.offer.host for wire in self.wires if not wire.closed]


def at_home(scene: Callable[[Home], Awaitable[None]]) -> None:
    async def play() -> None:
        home = Home()
        home.lan.start()
        await settle()
        await scene(home)
        await home.lan.aclose()
        assert home.open_hosts == []

    run(play())


def test_a_peer_that_is_heard_is_asked_at_once() -> None:
    async def scene(home: Home) -> None:
        home.wires[0].seen(instance())
        await settle()
        assert home.asked == [FRIEND]
        assert home.around == [True], "what encrypts is loaded before somebody calls"
        home.known = {FRIEND}
        home.lan.refresh()
        await settle()
        assert home.said[-1] == "1 other Grapevine is on this network."
        home.wires[0].gone(instance().name)
        home.known = set()
        await asyncio.sleep(3)
        assert home.said[-1] == "No other Grapevine was found on this network."

    at_home(scene)


def test_nobody_there_is_said_after_a_while_only() -> None:
    async def scene(home: Home) -> None:
        assert home.said[-1] == ""
        await asyncio.sleep(2.5)
        assert home.said[-1] == "No other Grapevine was found on this network."

    at_home(scene)


def test_a_silent_peer_is_said_with_the_rule() -> None:
    async def scene(home: Home) -> None:
        home.wires[0].seen(instance())
        await asyncio.sleep(20)
        assert "does not answer" in home.said[-1]
        assert "(allow 192.168.1.2)" in home.said[-1]

    at_home(scene)


def test_peers_of_this_computer_are_none() -> None:
    async def scene(home: Home) -> None:
        home.wires[0].seen(instance(Address("192.168.1.2", 20002)))
        await asyncio.sleep(20)
        assert not home.asked
        assert not home.around
        assert home.said[-1] == "No other Grapevine was found on this network."

    at_home(scene)


def test_networks_are_followed() -> None:
    async def scene(home: Home) -> None:
        home.wires[0].seen(instance())
        await settle()
        home.hosts = ["10.0.0.5", "192.168.7.7"]
        home.lan.refresh()
        await settle()
        assert home.open_hosts == home.hosts
        assert home.lan.state().silent == 0
        home.hosts = []
        home.lan.refresh()
        await asyncio.sleep(20)
        assert home.open_hosts == []
        assert home.said[-1] == ""

    at_home(scene)


def test_only_few_networks_and_no_public_one() -> None:
    async def scene(home: Home) -> None:
        home.hosts = ["203.0.113.5", "127.0.0.1", "100.64.0.9", *(f"10.0.{number}.1" for number in range(9))]
        home.lan.refresh()
        await settle()
        assert home.open_hosts == [f"10.0.{number}.1" for number in range(4)]

    at_home(scene)


def test_the_name_is_another_each_day() -> None:
    async def scene(home: Home) -> None:
        await asyncio.sleep(3 * NAME_AGE)
        names = [wire.offer.name for wire in home.wires]
        assert len(names) == len(set(names)) >= 3
        assert len(home.open_hosts) == 1

    at_home(scene)


def test_a_network_without_multicast_is_tried_again() -> None:
    async def scene(home: Home) -> None:
        home.error = LocalError("192.168.3.3: No such device")
        home.hosts = ["192.168.3.3"]
        home.lan.refresh()
        await settle()
        assert "takes no multicast" in home.said[-1]
        home.error = None
        await asyncio.sleep(4 * RETRY_FIRST)
        assert home.open_hosts == ["192.168.3.3"]
        assert home.said[-1] == "No other Grapevine was found on this network."

    at_home(scene)


def test_without_the_package_it_is_said_and_nothing_else_happens() -> None:
    async def play() -> None:
        home = Home()
        home.error = NotInstalled("no zeroconf")
        home.lan.start()
        await asyncio.sleep(60)
        assert "not installed" in home.said[-1]
        assert len(home.said) == 1
        await home.lan.aclose()

    run(play())


def test_a_flood_asks_few() -> None:
    async def scene(home: Home) -> None:
        for number in range(5000):
            grape = Address(f"192.168.1.{3 + number % 250}", 2000 + number)
            home.wires[0].seen(instance(grape, name=f"{number:020x}"))
        await asyncio.sleep(3600)
        assert len(home.lan.neighbours) == 64
        assert len(home.asked) < 64 * 40

    at_home(scene)


def test_people_are_shown_tags_and_recognised_and_that_follows_who_is_known() -> None:
    async def scene(home: Home) -> None:
        (wire,) = home.wires
        assert len(wire.offer.tags) == 12 * TAG_BYTES  # as with people
        name = "e" * 20
        tags = unpack(pack([b"of both"], name, Random(2)))
        wire.seen(Instance(name, (FRIEND,), 41000, tags))
        home.people[BOB], home.invited = b"of both", [b"of the link"]
        home.lan.refresh()
        await settle()
        assert home.places.here(BOB) == [Address(FRIEND.host, 41000)]
        assert home.places.here(ANN) == []
        shown = unpack(wire.offer.tags)
        assert {tag(each, wire.offer.name) for each in (b"of both", b"of the link")} < shown
        home.invited, before = [], wire.offer.tags
        home.lan.refresh()
        await settle()
        assert tag(b"of the link", wire.offer.name) not in unpack(wire.offer.tags)
        home.lan.refresh()
        await asyncio.sleep(60)
        assert unpack(before) != unpack(wire.offer.tags) == unpack(home.wires[0].offer.tags)
        wire.gone(name)
        assert home.places.here(BOB) == []

    at_home(scene)


def test_grapes_that_answered_before_are_asked_where_nobody_is_heard() -> None:
    async def scene(home: Home) -> None:
        home.places.kept.grapes = [FRIEND, Address("192.168.1.8", 20001)]
        home.lan.refresh()
        await settle()
        assert home.asked == home.places.kept.grapes
        home.known = {FRIEND}
        home.lan.refresh()
        await asyncio.sleep(60)
        assert home.said[-1] == "1 other Grapevine is on this network."
        home.known = set()
        await asyncio.sleep(60)
        assert home.said[-1] == "No other Grapevine was found on this network."  # and no word of a firewall

    at_home(scene)


def test_a_link_with_ipv6_only_is_entered_and_hears_of_new_addresses() -> None:
    async def scene(home: Home) -> None:
        home.hosts, home.links = [], {"fe80::1%eth0": ()}
        home.lan.refresh()
        await settle()
        assert home.open_hosts == ["fe80::1%eth0"]
        wire = home.wires[-1]
        assert wire.offer.told == ["fe80::1"]
        home.links = {"fe80::1%eth0": ("fd12::1",)}
        home.lan.refresh()
        await settle()
        assert wire.offer.told == ["fd12::1", "fe80::1"]
        near, far, own = (Address(host, 20001) for host in ("fd12::9", "2001:db8::9", "fd12::1"))
        home.far = {far}
        wire.seen(instance(far, near, own))
        await asyncio.sleep(1.0)
        assert set(home.asked) == {near}
        home.links = {}
        home.lan.refresh()
        await settle()
        assert home.open_hosts == []

    at_home(scene)


def test_a_kept_grape_of_a_link_is_asked_on_that_link_only() -> None:
    async def scene(home: Home) -> None:
        for host in ("fe80::9%eth0", "fe80::9%wlan0", "fd12::9"):
            home.places.kept.answered(Address(host, 20001))
        home.links = {"fe80::1%eth0": ()}
        home.lan.refresh()
        await asyncio.sleep(1.0)
        assert {each.host for each in home.asked} == {"fe80::9%eth0", "fd12::9"}

    at_home(scene)
