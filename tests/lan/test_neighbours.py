"""The table of the peers that were heard of: bounded, asked rarely, and true in what it counts."""

from random import Random

from core.lan.instance import Instance
from core.lan.neighbours import Neighbours, NeighboursConfig
from core.values import Address

HERE = "192.168.1.2"
CONFIG = NeighboursConfig()


def address(number: int, port: int = 20001) -> Address:
    return Address(f"192.168.{1 + number // 250}.{3 + number % 250}", port)


def instance(number: int, *grapes: Address) -> Instance:
    return Instance(f"{number:020x}", grapes or (address(number),), 41000)


class Scene:
    """A table, and what it is told of the world."""

    def __init__(self) -> None:
        self.known: set[Address] = set()
        self.refused: set[Address] = set()
        self.table = Neighbours(
            lambda each: each in self.known, lambda each, now: each not in self.refused, Random(1), CONFIG
        )

    def asked(self, seconds: float, step: float = 0.1) -> list[Address]:
        return [each for tick in range(round(seconds / step)) for each in self.table.due(tick * step)]


def test_a_new_one_is_asked_at_once() -> None:
    scene = Scene()
    scene.table.add(instance(1), HERE, 5.0)
    assert scene.table.deadline() == 5.0
    assert scene.table.due(5.0) == [address(1)]
    assert scene.table.due(5.0) == []


def test_a_silent_one_is_asked_ever_more_rarely() -> None:
    scene = Scene()
    scene.table.add(instance(1), HERE, 0.0)
    assert 8 <= len(scene.asked(3600.0, 0.5)) <= 40


def test_one_that_answers_is_not_asked_again_until_it_is_lost() -> None:
    scene = Scene()
    scene.table.add(instance(1), HERE, 0.0)
    assert scene.table.due(0.0) == [address(1)]
    scene.known = {address(1)}
    assert scene.asked(60.0) == []
    scene.known = set()
    assert scene.table.due(80.0) == [address(1)]


def test_what_may_not_be_asked_is_not() -> None:
    scene = Scene()
    scene.refused = {address(1)}
    scene.table.add(instance(1), HERE, 0.0)
    assert scene.asked(600.0) == []


def test_thousands_of_instances_leave_the_bound() -> None:
    scene = Scene()
    for number in range(5000):
        scene.table.add(instance(number), HERE, 0.0)
    assert len(scene.table) == CONFIG.rows
    assert scene.table.refused == 5000 - CONFIG.rows


def test_one_host_takes_few_places_whatever_it_publishes() -> None:
    scene = Scene()
    for port in range(2000, 4000):
        scene.table.add(instance(port, address(1, port)), HERE, 0.0)
    assert len(scene.table) == CONFIG.per_host
    scene.table.add(instance(1, address(2)), HERE, 0.0)
    assert address(2) in scene.table.due(0.0)


def test_names_for_one_address_are_bounded_too() -> None:
    scene = Scene()
    scene.known = {address(1)}
    for number in range(2000):
        scene.table.add(instance(number, address(1)), HERE, 0.0)
    assert len(scene.table) == 1
    assert scene.table.counts() == (1, 0)


def test_a_full_table_has_room_for_a_new_one_once_the_old_ones_stay_silent() -> None:
    scene = Scene()
    scene.known = {address(0)}
    for number in range(CONFIG.rows):
        scene.table.add(instance(number), HERE, 0.0)
    scene.table.add(instance(900), HERE, 0.0)
    assert scene.table.refused == 1
    scene.asked(5.0)
    scene.table.add(instance(900), HERE, 5.0)
    assert scene.table.due(5.0)[-1] == address(900)
    assert len(scene.table) == CONFIG.rows
    assert scene.table.counts()[0] == 1  # who answers keeps its place


def test_who_leaves_is_forgotten() -> None:
    scene = Scene()
    scene.table.add(instance(1), HERE, 0.0)
    scene.table.add(instance(2, address(1)), HERE, 0.0)
    scene.table.remove(instance(1).name, HERE)
    assert len(scene.table) == 1
    scene.table.remove(instance(2).name, HERE)
    scene.table.remove(instance(3).name, HERE)
    assert len(scene.table) == 0
    assert scene.table.deadline() is None


def test_a_peer_on_two_networks_of_ours_stays_while_one_is_there() -> None:
    scene = Scene()
    for via in (HERE, "10.0.0.1"):
        scene.table.add(instance(1), via, 0.0)
    scene.table.leave(HERE)
    assert len(scene.table) == 1
    scene.table.leave("10.0.0.1")
    assert len(scene.table) == 0


def test_a_peer_that_moved_has_its_new_address_only() -> None:
    scene = Scene()
    scene.table.add(instance(1, address(1)), HERE, 0.0)
    scene.table.add(instance(1, address(2)), HERE, 1.0)
    assert scene.table.due(1.0) == [address(2)]
    scene.table.add(instance(1).beyond([address(1).host]), HERE, 2.0)
    assert len(scene.table) == 0


def test_silent_ones_count_after_several_questions_only() -> None:
    scene = Scene()
    scene.table.add(instance(1), HERE, 0.0)
    scene.table.due(0.0)
    assert scene.table.counts() == (0, 0)
    scene.asked(10.0)
    assert scene.table.counts() == (0, 1)
    scene.known = {address(1)}
    assert scene.table.counts() == (1, 0)


def test_a_peer_with_two_addresses_is_one() -> None:
    scene = Scene()
    scene.known = {address(1), address(2)}
    scene.table.add(instance(1, address(1), address(2)), HERE, 0.0)
    assert scene.table.counts() == (1, 0)


def test_of_several_addresses_the_first_is_asked_first_and_none_of_the_others_once_it_answers() -> None:
    own, given, link = (Address(host, 20001) for host in ("fd12::7", "2001:db8::7", "fe80::7%eth0"))
    scene = Scene()
    scene.table.add(instance(1, own, given, link), "fe80::1%eth0", 0.0)
    assert scene.asked(0.2) == []  # IPv4 has a moment, as the same peer may be heard there
    assert scene.table.due(0.3) == [own]
    assert scene.table.due(0.55) == [given]
    scene.known = {own}
    assert scene.asked(60.0) == []
    assert scene.table.counts() == (1, 0)
    scene.known = set()
    assert set(scene.asked(120.0)) >= {given, link}


def test_a_peer_that_is_heard_by_ipv4_too_is_asked_there() -> None:
    scene = Scene()
    six = Address("fd12::7", 20001)
    scene.table.add(instance(1, six), "fe80::1%eth0", 0.0)
    scene.table.add(instance(1), HERE, 0.1)
    assert scene.table.due(0.1) == [address(1)]
    scene.known = {address(1)}
    assert scene.asked(300.0) == []
    assert scene.table.counts() == (1, 0)
