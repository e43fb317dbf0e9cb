"""Lanes: relayed from the first moment, direct when there is a path, back when it dies, without losing a byte."""

from functools import partial
from random import Random
from typing import Any

import pytest

from core.relay.config import LaneConfig, RelayConfig
from core.relay.events import LaneEnded, LinkLost, Moved, Stranded
from core.relay.forwarder import Forwarder
from core.relay.lanes import LIED, SILENT
from core.values import Address, Burst
from core.wire.relay_packet import OVERHEAD, TO_RELAY
from tests.relay.sides import ANN, BOB, FAY, RELAY, Scene
from tests.sim.link import Link
from tests.sim.world import World
from tests.support.samples import some

DELAY = 0.02


class Wall:
    """Cuts what passes directly between the two, or does to the relay's packets what `spoil` says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.shut = True
        self.spoil: Any = None
        self.direct = self.relayed = 0
        self.delay = 0.0  # seconds that the relay holds what it passes on
        self._carry = world.public.carry
        world.public.carry = self.carry  # type: ignore[method-assign]

    def carry(self, source: Address, to: Address, data: bytes, ttl: int | None = None) -> None:
        if RELAY in (source, to):
            self.relayed += 1
            for each in [data] if self.spoil is None or source != RELAY else self.spoil(data):
                if self.delay and source == RELAY:
                    self._world.at(self._world.now + self.delay, partial(self._late, source, to, each, ttl))
                else:
                    self._carry(source, to, each, ttl)
        elif not self.shut:
            self.direct += 1
            self._carry(source, to, data, ttl)

    def _late(self, source: Address, to: Address, data: bytes, ttl: int | None, now: float) -> None:
        self._carry(source, to, data, ttl)


def scene(seed: int = 1, *, loss: float = 0.0, config: RelayConfig | None = None) -> tuple[Scene, Wall]:
    world = World(seed, Link(delay=DELAY, loss=loss))
    wall = Wall(world)
    ann, bob = world.nat("198.51.100.1"), world.nat("198.51.100.2")
    made = Scene(world, (ann, "192.168.1.2"), (bob, "192.168.1.2"), config, LaneConfig())
    made.see()
    made.ann.own, made.bob.own = [made.seen[ANN]], [made.seen[BOB]]
    return made, wall


def write(made: Scene, to: Address, data: bytes, piece: int = 65536) -> None:
    """Send all of it on a connection of its own, as room becomes free: a `piece` each 10 ms at the most."""
    side, world = made.ann, made.world
    connection = side.mux.connect(to, world.now)
    at = 0

    def more(now: float) -> None:
        nonlocal at
        if connection.writable() and at < len(data):
            at += connection.write(data[at : at + piece], now)

    world.every(0.01, more)


def direct(made: Scene) -> bool:
    return all(each.lanes.states()[0].direct is not None for each in (made.ann, made.bob))


def test_the_first_bytes_go_by_the_relay() -> None:
    made, wall = scene()
    began = made.world.now
    write(made, made.join(), b"hello")
    assert made.world.run_until(lambda: bytes(made.bob.got) == b"hello", limit=began + 2.0)
    assert made.world.now - began < 10 * DELAY  # a handshake and a packet, each by way of the relay
    assert wall.direct == 0
    assert made.bob.accepted[0].remote.host.startswith("240.")


@pytest.mark.parametrize("seed", some(range(3), 3))
def test_a_stream_moves_to_direct_and_back_byte_exact(seed: int) -> None:
    made, wall = scene(seed, loss=0.02)
    data = Random(seed).randbytes(3_000_000)
    world = made.world
    write(made, made.join(), data)
    world.run(world.now + 3.0)
    assert 0 < len(made.bob.got) < len(data)
    assert not direct(made)
    wall.shut, opened = False, world.now
    assert world.run_until(lambda: direct(made), limit=opened + 10.0)
    relayed, before = wall.relayed, len(made.bob.got)
    world.run(world.now + 1.5)
    assert len(made.bob.got) > before
    assert wall.relayed - relayed < 60  # beats, and what was under way
    wall.shut, shut = True, world.now
    if len(made.bob.got) < len(data):
        assert world.run_until(lambda: not direct(made), limit=shut + 8.0)
    assert world.run_until(lambda: len(made.bob.got) >= len(data), limit=world.now + 120.0)
    assert bytes(made.bob.got) == data
    moves = [each.direct for each in made.ann.told if isinstance(each, Moved)]
    assert moves[0] is not None


def test_a_dead_direct_path_is_noticed_within_three_beats() -> None:
    made, wall = scene()
    wall.shut = False
    to = made.join()
    write(made, to, b"x" * 200_000)
    assert made.world.run_until(lambda: direct(made), limit=made.world.now + 10.0)
    wall.shut, shut = True, made.world.now
    assert made.world.run_until(lambda: not direct(made), limit=shut + 10.0)
    assert made.world.now - shut < 2.0 + 3 * 1.0
    assert made.ann.lanes.states()[0].alive


def test_a_relay_that_changes_packets_harms_no_byte_and_is_left() -> None:
    made, wall = scene()
    count = 0

    def flip(data: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        return [data[:-1] + bytes((data[-1] ^ 1,)) if count % 5 == 0 and len(data) > 100 else data]

    wall.spoil = flip
    data = Random(3).randbytes(400_000)
    write(made, made.join(), data)
    made.world.run_until(lambda: any(isinstance(each, LinkLost) for each in made.bob.told), limit=60.0)
    lost = next(each for each in made.bob.told if isinstance(each, LinkLost))
    assert (lost.reason, lost.relay, lost.needed) == (LIED, FAY, True)
    assert bytes(made.bob.got) == data[: len(made.bob.got)]


def test_a_relay_that_repeats_packets_is_left_and_nothing_is_taken_twice() -> None:
    made, wall = scene()
    wall.spoil = lambda data: [data, data]
    data = Random(4).randbytes(300_000)
    write(made, made.join(), data)
    made.world.run_until(lambda: any(isinstance(each, LinkLost) for each in made.bob.told), limit=60.0)
    assert next(each for each in made.bob.told if isinstance(each, LinkLost)).reason == LIED
    assert bytes(made.bob.got) == data[: len(made.bob.got)]


def test_a_relay_that_drops_all_is_left_within_three_beats() -> None:
    made, wall = scene()
    made.join()
    made.world.run(made.world.now + 1.0)
    wall.spoil, dead = (lambda data: []), made.world.now
    made.ann.lanes.out(_burst(made), made.world.now)
    assert made.world.run_until(lambda: any(isinstance(e, LinkLost) for e in made.ann.told), limit=dead + 20.0)
    assert next(each for each in made.ann.told if isinstance(each, LinkLost)).reason == SILENT
    assert made.world.now - dead < 16.0


def _burst(made: Scene) -> Burst:
    address = made.ann.lanes.address(BOB)
    assert address is not None
    return Burst(address, [b"\x21" + bytes(30)])


def test_loss_is_measured() -> None:
    made, wall = scene(5)
    random = Random(5)
    wall.spoil = lambda data: [] if random.random() < 0.3 else [data]
    write(made, made.join(), b"x" * 100)
    made.world.run(made.world.now + 100.0)
    states = [*made.ann.lanes.states(), *made.bob.lanes.states()]
    assert any(each.loss > 0.05 for each in states) or any(isinstance(e, LinkLost) for e in made.ann.told)


def test_two_relays_when_one_falls_silent_the_other_carries() -> None:
    made, wall = scene()
    to = made.join()
    first = made.slots
    made.join_again()
    wall.spoil = lambda data: [] if data[1:9] in first else [data]
    data = Random(6).randbytes(200_000)
    write(made, to, data)
    assert made.world.run_until(lambda: bytes(made.bob.got) == data, limit=made.world.now + 30.0)


def test_nothing_leaves_for_what_stands_for_a_peer_without_a_lane() -> None:
    made, wall = scene()
    to = made.join()
    made.ann.lanes.close(BOB)
    sent = wall.relayed
    made.ann.mux.connect(to, made.world.now)
    made.world.run(made.world.now + 3.0)
    assert not made.ann.lanes.usable(to)
    assert wall.relayed - sent <= 4  # the goodbye, and what was under way


def test_an_unused_lane_ends_on_both_sides() -> None:
    made, _ = scene()
    made.join()
    made.world.run(made.world.now + 200.0)
    assert any(isinstance(each, LaneEnded) for each in made.ann.told)
    assert len(made.ann.lanes) == 0


def test_beats_to_silent_candidates_are_few_and_begin_with_openers() -> None:
    made, _ = scene()
    write(made, made.join(), b"x" * 1000)
    made.world.run(made.world.now + 60.0)
    assert 3 <= len(made.ann.asked) <= 8 + 60 / 8  # asked of the rule for silent addresses, each time


def test_forged_beats_and_frames_move_nothing() -> None:
    made, wall = scene()
    to = made.join()
    write(made, to, b"x" * 1000)
    made.world.run(made.world.now + 1.0)
    mallory = made.world.host("203.0.113.66").socket(9, Forwarder(RelayConfig(), Random(9)))
    wall.shut = False
    for first in (0xFC, 0xFD, TO_RELAY):
        for slot in made.slots:
            mallory.send(made.seen[BOB], bytes((first,)) + slot + bytes(OVERHEAD))
            mallory.send(RELAY, bytes((first,)) + slot + bytes(OVERHEAD))
    made.world.run(made.world.now + 0.3)
    assert all(each.direct != Address("203.0.113.66", 9) for each in made.bob.lanes.states())
    assert made.relay.statistics().unknown >= 2


def begun_directly(seed: int, loss: float = 0.0) -> tuple[Scene, Wall, bytes]:
    """Have Ann send to Bob's own address, past both routers, without a lane."""
    made, wall = scene(seed, loss=loss)
    wall.shut = False
    made.punch()
    data = Random(seed).randbytes(3_000_000)
    write(made, made.seen[BOB], data, 8192)  # 0.8 MB a second: less than the relay passes on
    made.world.run(made.world.now + 1.0)
    assert 0 < len(made.bob.got) < len(data)
    return made, wall, data


@pytest.mark.parametrize("seed", some(range(3), 3))
def test_a_stream_that_began_directly_falls_back_to_a_relay_and_returns_byte_exact(seed: int) -> None:
    made, wall, data = begun_directly(seed, loss=0.02)
    world = made.world
    wall.shut = True
    world.run(world.now + 6.0)  # until somebody notices
    before = len(made.bob.got)
    made.join()
    made.adopt()
    world.run(world.now + 1.0)
    assert before < len(made.bob.got) < len(data), "it goes on by the relay"
    assert not direct(made)
    wall.shut, opened = False, world.now
    assert world.run_until(lambda: direct(made), limit=opened + 10.0)
    assert world.run_until(lambda: len(made.bob.got) >= len(data), limit=world.now + 120.0)
    assert bytes(made.bob.got) == data
    assert [each.direct is None for each in made.ann.told if isinstance(each, Moved)][:2] == [True, False]


def test_a_direct_path_that_lives_is_not_left_for_a_relay() -> None:
    made, wall, data = begun_directly(1)
    made.join()
    made.adopt(alive=True)
    passed = wall.relayed
    assert made.world.run_until(lambda: bytes(made.bob.got) == data, limit=made.world.now + 60.0)
    assert wall.relayed - passed < 40, "beats alone"
    assert all(each.direct is not None for each in made.ann.told if isinstance(each, Moved))


def test_a_direct_path_that_was_taken_for_alive_dies_within_three_beats() -> None:
    made, wall, data = begun_directly(2)
    wall.shut, shut = True, made.world.now
    made.join()
    made.adopt(alive=True)
    assert made.world.run_until(lambda: not direct(made), limit=shut + 10.0)
    assert made.world.now - shut < 2.0 + 3 * 1.0
    assert made.world.run_until(lambda: bytes(made.bob.got) == data, limit=made.world.now + 60.0)


def test_a_direct_path_that_somebody_opened_is_taken_at_once() -> None:
    made, wall = scene()
    write(made, made.join(), b"x" * 2_000_000)
    made.world.run(made.world.now + 5.0)
    wall.shut = False
    made.punch()
    made.ann.lanes.opened(BOB, made.seen[BOB], made.world.now)
    made.bob.lanes.opened(ANN, made.seen[ANN], made.world.now)
    assert direct(made)
    made.world.run(made.world.now + 5.0)
    assert direct(made)
    assert wall.direct > 10


def test_after_a_sleep_paths_are_asked_at_once() -> None:
    made, wall = scene()
    wall.shut = False
    write(made, made.join(), b"x" * 1000)
    assert made.world.run_until(lambda: direct(made), limit=made.world.now + 10.0)
    made.world.run(made.world.now + 30.0)  # nobody uses it: beats are rare
    wall.shut, woke = True, made.world.now
    made.ann.lanes.doubt(woke)
    assert made.world.run_until(lambda: made.ann.lanes.states()[0].direct is None, limit=woke + 20.0)
    assert made.world.now - woke < 5.0


def test_a_stream_without_any_path_is_told() -> None:
    made, wall = scene()
    wall.shut = False
    write(made, made.join(), b"x" * 1000)
    assert made.world.run_until(lambda: direct(made), limit=made.world.now + 10.0)
    made.ann.lanes.end_relay(FAY, "gone")
    wall.shut = True
    made.ann.lanes.out(_burst(made), made.world.now)
    limit = made.world.now + 20.0
    assert made.world.run_until(lambda: any(isinstance(each, Stranded) for each in made.ann.told), limit=limit)


def test_a_relay_that_delays_all_is_left_for_another() -> None:
    made, wall = scene()
    to = made.join()
    made.world.run(made.world.now + 1.0)
    wall.delay = 5.0
    data = Random(8).randbytes(200_000)
    write(made, to, data)
    limit = made.world.now + 30.0
    assert made.world.run_until(lambda: any(isinstance(each, LinkLost) for each in made.ann.told), limit=limit)
    assert next(each for each in made.ann.told if isinstance(each, LinkLost)).reason == SILENT
    wall.delay = 0.0  # the next one is honest
    made.join_again()
    assert made.world.run_until(lambda: bytes(made.bob.got) == data, limit=made.world.now + 60.0)


@pytest.mark.parametrize("lie", ["alters", "repeats", "drops"])
def test_a_stream_goes_on_by_another_relay_when_one_lies_byte_exact(lie: str) -> None:
    made, wall = scene()
    to = made.join()
    liar = made.slots
    made.world.run(made.world.now + 1.0)

    def spoiled(data: bytes) -> list[bytes]:
        if data[1:9] not in liar:
            return [data]
        if lie == "repeats":
            return [data, data]
        return [data[:-1] + bytes((data[-1] ^ 1,))] if lie == "alters" else []

    wall.spoil = spoiled
    data = Random(9).randbytes(400_000)
    write(made, to, data)
    limit = made.world.now + 60.0
    assert made.world.run_until(lambda: any(isinstance(each, LinkLost) for each in made.ann.told), limit=limit)
    made.join_again()
    assert made.world.run_until(lambda: bytes(made.bob.got) == data, limit=made.world.now + 90.0)


def test_a_stream_leaves_a_relay_that_lies_for_a_direct_path_byte_exact() -> None:
    made, wall = scene()
    to = made.join()
    made.world.run(made.world.now + 1.0)
    wall.spoil, wall.shut = (lambda data: [data[:-1] + bytes((data[-1] ^ 1,))]), False
    data = Random(10).randbytes(400_000)
    write(made, to, data)
    assert made.world.run_until(lambda: bytes(made.bob.got) == data, limit=made.world.now + 60.0)
    assert direct(made)
