"""Punching through simulated NATs and loss: nobody is left deaf (STYLE principle 11)."""

from collections.abc import Sequence

import pytest

from core.punch.events import PunchFinished, PunchHeard
from core.punch.puncher import PunchConfig, Puncher
from core.values import Address, Buffer, Burst
from tests.sim.link import Link
from tests.sim.nat import Filtering, Mapping, NatKind
from tests.sim.socket import SimulatedSocket
from tests.sim.world import World

EIM, APDM = Mapping.ENDPOINT_INDEPENDENT, Mapping.ADDRESS_AND_PORT_DEPENDENT
EIF, ADF, APDF = Filtering
A_SEEN, B_SEEN = Address("198.51.100.1", 5000), Address("203.0.113.1", 6000)


class Pair:
    """Two homes that know each other's outside address and whose roles punch it every second."""

    def __init__(
        self, seed: int, loss: float, a_kind: NatKind, b_kind: NatKind, *, b_starts: float | None = None
    ) -> None:
        self.world = World(seed, Link(delay=0.03, jitter=0.02, loss=loss), timer_slack=0.005)
        self.a, self.b = Puncher(), Puncher()
        self.a_socket = self.world.nat("198.51.100.1", a_kind).host("192.168.1.2").socket(5000, self.a)
        self.b_socket = self.world.nat("203.0.113.1", b_kind).host("10.0.0.2").socket(6000, self.b)
        self.world.every(1.0, lambda now: self.a.punch(B_SEEN, now))
        start = self.world.random.random() if b_starts is None else b_starts
        self.world.every(1.0, lambda now: self.b.punch(A_SEEN, now), start=start)

    def both_heard(self) -> bool:
        return heard_at(self.a_socket) is not None and heard_at(self.b_socket) is not None


def heard_at(socket: SimulatedSocket) -> float | None:
    """Return when the first punch (no acknowledgement) was heard."""
    return next((at for at, event in socket.events if isinstance(event, PunchHeard)), None)


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_both_sides_hear_in_spite_of_loss(first: int) -> None:
    for seed in range(first, first + 50):
        pair = Pair(seed, 0.3, NatKind(), NatKind())
        assert pair.world.run_until(pair.both_heard, limit=20.0, step=0.25), (seed, str(pair.world.trace))


def test_one_series_that_stops_knowing_it_was_heard_leaves_fewer_deaf() -> None:
    """The roles' repetition aside: a single series each, under loss, must mostly do."""
    deaf = 0
    for seed in range(300):
        world = World(seed, Link(delay=0.03, jitter=0.02, loss=0.3))
        a, b = Puncher(), Puncher()
        a_socket = world.nat("198.51.100.1").host("192.168.1.2").socket(5000, a)
        b_socket = world.nat("203.0.113.1").host("10.0.0.2").socket(6000, b)
        a.punch(B_SEEN, 0.0)
        b.punch(A_SEEN, 0.0)
        world.run(until=2.0)
        deaf += heard_at(a_socket) is None or heard_at(b_socket) is None
    assert deaf <= 6  # of 300; one that stops when it hears leaves more than 100


def test_a_perfect_path_needs_a_punch_or_two_and_a_confirmed_end() -> None:
    pair = Pair(1, 0.0, NatKind(filtering=EIF), NatKind(filtering=EIF), b_starts=0.0)
    pair.world.run(until=0.9)
    for socket, remote in ((pair.a_socket, B_SEEN), (pair.b_socket, A_SEEN)):
        ends = [event for _, event in socket.events if isinstance(event, PunchFinished)]
        assert ends == [PunchFinished(remote, heard=True, confirmed=True)]
    assert pair.a.statistics().punches_sent <= 3


def test_a_plain_grenache_peer_gets_the_whole_series() -> None:
    world = World(3, Link(delay=0.01))
    plain = PlainPeer()
    puncher = Puncher()
    far = world.host("203.0.113.9").socket(1337, plain)
    near = world.nat("198.51.100.1").host("192.168.1.2").socket(5000, puncher)
    puncher.punch(far.address, 0.0)
    world.run(until=5.0)
    assert plain.got == [bytes.fromhex("c3bf")] * 5
    assert [event for _, event in near.events if isinstance(event, PunchFinished)] == [
        PunchFinished(far.address, heard=False, confirmed=False)
    ]


@pytest.mark.parametrize("a_filter", Filtering)
@pytest.mark.parametrize("b_filter", Filtering)
def test_all_endpoint_independent_mappings_meet(a_filter: Filtering, b_filter: Filtering) -> None:
    pair = Pair(5, 0.0, NatKind(EIM, a_filter), NatKind(EIM, b_filter))
    pair.world.run(until=3.0)
    assert pair.both_heard(), str(pair.world.trace)


def test_a_symmetric_nat_meets_an_address_dependent_filter_once_it_punches_back() -> None:
    """B's NAT gives A's address a port that nobody announced: A hears from there and punches what it hears."""
    kind = NatKind(APDM, APDF, preserves_ports=False)
    pair = Pair(5, 0.0, NatKind(EIM, ADF), kind)

    def punch_back(event: object) -> None:
        if isinstance(event, PunchHeard):
            pair.a.punch(event.remote, pair.world.now)

    pair.a_socket.on_event = punch_back
    pair.world.run(until=5.0)
    assert pair.both_heard(), str(pair.world.trace)
    observed = next(event.remote for _, event in pair.a_socket.events if isinstance(event, PunchHeard))
    assert observed.host == B_SEEN.host
    assert observed.port != B_SEEN.port


def test_two_symmetric_nats_with_strict_filters_do_not_meet() -> None:
    kind = NatKind(APDM, APDF, preserves_ports=False)
    pair = Pair(5, 0.0, kind, kind)
    pair.world.run(until=19.9)
    assert heard_at(pair.a_socket) is None
    assert heard_at(pair.b_socket) is None
    assert pair.a.statistics().punches_sent == 100  # 20 s of whole series, and nothing else


def test_series_every_second_keep_a_mapping_open() -> None:
    pair = Pair(5, 0.0, NatKind(timeout=5.0), NatKind(timeout=5.0))
    pair.world.run(until=60.0)
    last = max(at for at, event in pair.a_socket.events if isinstance(event, PunchHeard))
    assert last > 58.0
    assert pair.a.statistics().punches_sent < 2.5 * 60  # acknowledged series are short ones


def test_acknowledgements_do_not_echo() -> None:
    """Two punchers with nothing to say fall silent: an acknowledgement begets nothing."""
    world = World(9, Link(duplicate=0.5))
    a, b = Puncher(PunchConfig(packets=1)), Puncher()
    world.host("198.51.100.1").socket(5000, a)
    there = world.host("203.0.113.1").socket(6000, b)
    a.punch(there.address, 0.0)
    world.run(until=100.0)
    assert world.trace.count["sent"] <= 3  # one punch, at most doubled on the way: one or two answers


class PlainPeer:
    """A Grenache peer as far as punching goes: it takes what is exactly a punch, and never acknowledges."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        self.got += [bytes(datagram) for datagram in datagrams]

    def tick(self, now: float) -> None:
        raise NotImplementedError("it has no timer")

    def deadline(self) -> float | None:
        return None

    def transmit(self, now: float) -> list[Burst]:
        return []

    def events(self) -> list[object]:
        return []
