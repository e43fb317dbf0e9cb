"""The simulated Internet itself: links, NATs by RFC 4787, sockets, and that a seed decides everything."""

from collections.abc import Sequence

import pytest

from core.values import Address, Buffer, Burst
from tests.sim.link import Link
from tests.sim.nat import Filtering, Mapping, NatKind, NatTable
from tests.sim.socket import SimulatedSocket, SimulationError
from tests.sim.world import World

EIM, ADM, APDM = Mapping
EIF, ADF, APDF = Filtering
HOME, OUTSIDE = "192.168.1.2", "198.51.100.1"
SERVER, OTHER = "203.0.113.9", "203.0.113.10"


class Echo:
    """A Machine that keeps what it receives, may send it back, and has one timer."""

    def __init__(self, *, answers: bool = False) -> None:
        self.answers = answers
        self.batches: list[tuple[float, Address, list[bytes]]] = []
        self.ticks: list[float] = []
        self.due: float | None = None
        self.outgoing: list[Burst] = []

    def say(self, to: Address, *datagrams: bytes) -> None:
        self.outgoing.append(Burst(to, list(datagrams)))

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        taken = [bytes(datagram) for datagram in datagrams]
        self.batches.append((now, source, taken))
        if self.answers:
            self.say(source, *taken)

    def tick(self, now: float) -> None:
        self.ticks.append(now)
        self.due = None

    def deadline(self) -> float | None:
        return self.due

    def transmit(self, now: float) -> list[Burst]:
        outgoing, self.outgoing = self.outgoing, []
        return outgoing

    def events(self) -> list[object]:
        return []

    def heard(self) -> list[bytes]:
        return [datagram for _, _, datagrams in self.batches for datagram in datagrams]

    def sources(self) -> list[Address]:
        return [source for _, source, _ in self.batches]


def opened(world: World, host: str, port: int = 6000) -> tuple[Echo, SimulatedSocket]:
    """Put a public host with one socket into the world."""
    echo = Echo()
    return echo, world.host(host).socket(port, echo)


def test_a_datagram_takes_the_delay_of_the_link() -> None:
    world = World(1, Link(delay=0.25))
    near, _ = opened(world, OTHER)
    far, there = opened(world, SERVER)
    near.say(there.address, b"x")
    world.run(until=0.249)
    assert far.batches == []
    world.run(until=1.0)
    assert far.batches == [(0.25, Address(OTHER, 6000), [b"x"])]
    assert world.now == 1.0


def test_datagrams_that_arrive_at_one_instant_come_together_by_source() -> None:
    world = World(1)
    near, _ = opened(world, OTHER)
    third, _ = opened(world, "203.0.113.11")
    far, there = opened(world, SERVER)
    near.say(there.address, b"1", b"2")
    third.say(there.address, b"3")
    world.run(until=1.0)
    assert [datagrams for _, _, datagrams in far.batches] == [[b"1", b"2"], [b"3"]]


def traced(seed: int) -> tuple[str, int]:
    world = World(seed, Link(jitter=0.05, loss=0.2, duplicate=0.1, reorder=0.1), timer_slack=0.01)
    echo = Echo(answers=True)
    there = world.host(SERVER).socket(6000, echo)
    inner = Echo()
    world.nat(OUTSIDE, NatKind(preserves_ports=False)).host(HOME).socket(5000, inner)
    world.every(0.1, lambda now: inner.say(there.address, f"{now:.3f}".encode()))
    world.run(until=30.0)
    return world.trace.digest(), len(inner.heard())


def test_a_seed_decides_the_whole_trace() -> None:
    assert traced(7) == traced(7)
    assert traced(7)[0] != traced(8)[0]


def test_loss_and_duplication_come_at_their_rates() -> None:
    world = World(3, Link(loss=0.3, duplicate=0.1))
    near, _ = opened(world, OTHER)
    far, there = opened(world, SERVER)
    near.say(there.address, *[b"%d" % index for index in range(10_000)])
    world.run(until=1.0)
    assert world.trace.count["lost"] == pytest.approx(3000, rel=0.05)
    assert len(far.heard()) - len(set(far.heard())) == pytest.approx(700, rel=0.1)


def test_jitter_and_reordering_change_the_order_and_plain_delay_keeps_it() -> None:
    def order(link: Link) -> list[bytes]:
        world = World(3, link)
        near, _ = opened(world, OTHER)
        far, there = opened(world, SERVER)
        near.say(there.address, *[b"%03d" % index for index in range(100)])
        world.run(until=1.0)
        return far.heard()

    assert order(Link()) == sorted(order(Link()))
    for link in (Link(jitter=0.01), Link(reorder=0.2)):
        assert order(link) != sorted(order(link))
        assert len(order(link)) == 100


def test_a_bottleneck_spaces_datagrams_and_drops_what_its_queue_cannot_hold() -> None:
    world = World(3, Link(delay=0.0, rate=1000.0, queue=5000))
    near, _ = opened(world, OTHER)
    far, there = opened(world, SERVER)
    near.say(there.address, *[bytes(972)] * 10)  # 1,000 bytes each with headers: one a second
    world.run(until=100.0)
    assert [at for at, _, _ in far.batches] == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


def mapped_ports(mapping: Mapping) -> list[int]:
    """Return the outside ports toward one host's two ports, and another host."""
    world = World(5)
    server, other = Echo(), Echo()
    host = world.host(SERVER)
    a, b, c = host.socket(1, server), host.socket(2, server), world.host(OTHER).socket(1, other)
    inner = Echo()
    world.nat(OUTSIDE, NatKind(mapping=mapping, preserves_ports=False)).host(HOME).socket(5000, inner)
    for to in (a, b, c):
        inner.say(to.address, b"x")
    world.run(until=1.0)
    sources = server.sources() + other.sources()
    assert {source.host for source in sources} == {OUTSIDE}
    return [source.port for source in sources]


@pytest.mark.parametrize(("mapping", "ports"), [(EIM, 1), (ADM, 2), (APDM, 3)])
def test_how_many_outside_ports_a_mapping_uses(mapping: Mapping, ports: int) -> None:
    assert len(set(mapped_ports(mapping))) == ports


@pytest.mark.parametrize(
    ("filtering", "let_in"),
    [(EIF, [b"same", b"port", b"host"]), (ADF, [b"same", b"port"]), (APDF, [b"same"])],
)
def test_who_is_let_in(filtering: Filtering, let_in: list[bytes]) -> None:
    world = World(5)
    host = world.host(SERVER)
    contacted = host.socket(1, Echo())
    inner = Echo()
    world.nat(OUTSIDE, NatKind(filtering=filtering)).host(HOME).socket(5000, inner)
    inner.say(contacted.address, b"x")
    world.run(until=1.0)
    seen = Address(OUTSIDE, 5000)
    contacted.send(seen, b"same")
    host.socket(2, Echo()).send(seen, b"port")
    world.host(OTHER).socket(1, Echo()).send(seen, b"host")
    world.run(until=2.0)
    assert inner.heard() == let_in
    assert world.trace.count.get("refused", 0) == 3 - len(let_in)


def test_a_nat_nobody_spoke_through_lets_nobody_in() -> None:
    world = World(5)
    inner = Echo()
    world.nat(OUTSIDE, NatKind(filtering=EIF)).host(HOME).socket(5000, inner)
    far, _ = opened(world, SERVER)
    far.say(Address(OUTSIDE, 5000), b"x")
    world.run(until=1.0)
    assert inner.heard() == []


@pytest.mark.parametrize(("refreshes", "open_at_the_end"), [(False, False), (True, True)])
def test_a_mapping_ends_without_outbound_traffic(refreshes: bool, open_at_the_end: bool) -> None:
    world = World(5)
    far, there = opened(world, SERVER)
    inner = Echo()
    world.nat(OUTSIDE, NatKind(timeout=30.0, inbound_refreshes=refreshes)).host(HOME).socket(5000, inner)
    inner.say(there.address, b"x")
    world.every(10.0, lambda now: far.say(Address(OUTSIDE, 5000), b"%d" % now), start=10.0)
    world.run(until=60.0)
    assert (b"50" in inner.heard()) is open_at_the_end
    assert b"20" in inner.heard()


def test_a_taken_port_is_not_given_twice() -> None:
    world = World(5)
    far, there = opened(world, SERVER)
    home = world.nat(OUTSIDE)
    first, second = Echo(), Echo()
    home.host(HOME).socket(5000, first)
    home.host("192.168.1.3").socket(5000, second)
    first.say(there.address, b"1")
    second.say(there.address, b"2")
    world.run(until=1.0)
    ports = [source.port for source in far.sources()]
    assert len(set(ports)) == 2
    assert 5000 in ports


def test_an_expired_mapping_frees_its_port() -> None:
    table = NatTable(NatKind(timeout=10.0), World(1).random)
    remote = Address(SERVER, 1)
    assert table.outbound(Address(HOME, 5000), remote, 0.0) == 5000
    assert table.outbound(Address("192.168.1.3", 5000), remote, 5.0) != 5000
    assert table.outbound(Address("192.168.1.4", 5000), remote, 20.0) == 5000
    assert table.inbound(5000, remote, 20.0) == Address("192.168.1.4", 5000)
    table.flush()
    assert table.inbound(5000, remote, 20.0) is None


@pytest.mark.parametrize("hairpins", [True, False])
def test_hairpinning(hairpins: bool) -> None:
    world = World(5)
    home = world.nat(OUTSIDE, NatKind(filtering=EIF, hairpins=hairpins))
    a, b = Echo(), Echo()
    home.host(HOME).socket(5000, a)
    home.host("192.168.1.3").socket(5001, b)
    _, there = opened(world, SERVER)
    b.say(there.address, b"open")
    world.run(until=1.0)
    a.say(Address(OUTSIDE, 5001), b"x")
    world.run(until=2.0)
    assert b.sources() == ([Address(OUTSIDE, 5000)] if hairpins else [])


def test_neighbours_reach_each_other_inside() -> None:
    world = World(5, Link(loss=1.0))
    home = world.nat(OUTSIDE)
    a, b = Echo(), Echo()
    home.host(HOME).socket(5000, a)
    home.host("192.168.1.3").socket(5001, b)
    a.say(Address("192.168.1.3", 5001), b"x")
    world.run(until=1.0)
    assert b.sources() == [Address(HOME, 5000)]


def test_a_home_behind_a_carrier_is_translated_twice() -> None:
    world = World(5)
    far, there = opened(world, SERVER)
    inner = Echo()
    world.nat(OUTSIDE).nat("100.64.0.2").host(HOME).socket(5000, inner)
    inner.say(there.address, b"x")
    world.run(until=1.0)
    assert far.sources() == [Address(OUTSIDE, 5000)]
    far.say(Address(OUTSIDE, 5000), b"y")
    world.run(until=2.0)
    assert inner.heard() == [b"y"]


def test_what_goes_nowhere_is_in_the_trace() -> None:
    world = World(5)
    near, here = opened(world, OTHER)
    near.say(Address("203.0.113.77", 1), b"nobody")
    near.say(Address(OTHER, 7), b"no socket")
    world.run(until=1.0)
    assert world.trace.count == {"sent": 2, "unrouted": 1, "unheard": 1}
    assert "203.0.113.77:1 6 B 6e6f626f6479" in str(world.trace)
    assert here.unclassified == 0


def test_two_engines_share_a_socket_by_the_classify_function() -> None:
    world = World(5)
    first, second = Echo(), Echo(answers=True)
    names = {b"1": "first", b"2": "second"}
    there = world.host(SERVER).socket(1, {"first": first, "second": second}, lambda data: names.get(data[:1]))
    near, _ = opened(world, OTHER)
    near.say(there.address, b"1a", b"2b", b"3c", b"1d")
    world.run(until=1.0)
    assert first.heard() == [b"1a", b"1d"]
    assert second.heard() == [b"2b"]
    assert near.heard() == [b"2b"]
    assert there.unclassified == 1


def test_a_timer_fires_when_due_and_follows_a_moved_deadline() -> None:
    world = World(5)
    echo, _ = opened(world, SERVER)
    echo.due = 3.0
    world.run(until=1.0)

    def sooner(now: float) -> None:
        echo.due = 2.0

    world.call(1.5, sooner)
    world.run(until=10.0)
    assert echo.ticks == [2.0]


def test_timer_slack_makes_timers_late_never_early() -> None:
    world = World(5, timer_slack=0.5)
    echo, _ = opened(world, SERVER)
    echo.due = 3.0
    world.run(until=10.0)
    assert len(echo.ticks) == 1
    assert 3.0 < echo.ticks[0] <= 3.5


def test_a_closed_port_is_silent() -> None:
    world = World(5)
    host = world.host(SERVER)
    gone = Echo()
    host.socket(1, gone)
    gone.due = 2.0
    world.run(until=1.0)
    host.close(1)
    near, _ = opened(world, OTHER)
    near.say(Address(SERVER, 1), b"x")
    world.run(until=5.0)
    assert (gone.heard(), gone.ticks) == ([], [])
    assert world.trace.count["unheard"] == 1


def test_an_engine_that_stops_the_clock_is_found_out() -> None:
    class Stuck(Echo):
        def tick(self, now: float) -> None:
            self.ticks.append(now)

    world = World(5)
    stuck = Stuck()
    world.host(SERVER).socket(1, stuck)
    stuck.due = 1.0
    with pytest.raises(SimulationError, match="stands still"):
        world.run(until=2.0)


def test_an_engine_that_never_falls_silent_is_found_out() -> None:
    class Endless(Echo):
        def events(self) -> list[object]:
            return ["again"]

    world = World(5)
    world.host(SERVER).socket(1, Endless())
    with pytest.raises(SimulationError, match="for ever"):
        world.run(until=2.0)


def test_a_world_built_wrongly_says_so() -> None:
    world = World(5)
    host = world.host(SERVER)
    host.socket(1, Echo())
    with pytest.raises(SimulationError, match="in use"):
        host.socket(1, Echo())
    with pytest.raises(SimulationError, match="taken"):
        world.nat(SERVER)
    with pytest.raises(SimulationError, match="classify"):
        host.socket(2, {"a": Echo()})
    with pytest.raises(ValueError, match="loss"):
        Link(loss=1.5)
    with pytest.raises(ValueError, match="negative"):
        Link(delay=-1.0)


def test_run_until_stops_at_the_condition_or_the_limit() -> None:
    world = World(5)
    assert world.run_until(lambda: world.now >= 0.5, limit=2.0)
    assert world.now == pytest.approx(0.5, abs=0.02)
    assert not world.run_until(lambda: False, limit=2.0)
    assert world.now == 2.0


def test_every_does_not_drift() -> None:
    world = World(5)
    times: list[float] = []
    world.every(0.1, times.append)
    world.run(until=1000.05)
    assert len(times) == 10_001
    assert times[-1] == pytest.approx(1000.0, abs=1e-9)
