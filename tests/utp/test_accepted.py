"""Strangers that hold connections: somebody else always gets in, and known peers stay (FAULTS A3)."""

from random import Random

import pytest

from core.errors import LocalError, TransportClosed
from core.utp.accepted import AcceptedConnections
from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Closed, Incoming
from core.utp.mux import Mux
from core.utp.state import State
from core.values import Address
from core.wire.utp_packet import Packet, PacketType, parse, seq_add

SYN_SEQ = 100


class Peers:
    """A mux and made-up peers that connect to it, and may send a byte."""

    def __init__(self, config: UtpConfig | None = None) -> None:
        self.mux = Mux(config or UtpConfig(), Random(1))
        self.now = 1.0
        self.opened: dict[Address, Connection] = {}
        self.lost: dict[Address, Closed] = {}

    def connect(self, source: Address, *, says: bytes = b"") -> Connection | None:
        """Shake hands, and say something; return the connection, None when it is over already."""
        self.mux.transmit(self.now)
        self.mux.receive([bytes(Packet(PacketType.SYN, 10, 1, 0, 1 << 20, SYN_SEQ, 0))], source, self.now)
        answers = [
            parse(each) for burst in self.mux.transmit(self.now) if burst.to == source for each in burst.datagrams
        ]
        if not answers:
            return None
        self._send(source, answers[-1], b"")
        if says:
            self._send(source, answers[-1], says)
        for event in self.mux.events():
            if isinstance(event, Incoming):
                self.opened[event.connection.remote] = event.connection
            elif isinstance(event, Closed):
                self.lost[event.connection.remote] = event
        connection = self.opened.get(source)
        return connection if connection is not None and connection.state is not State.CLOSED else None

    def alive(self) -> list[Address]:
        """Return who still has a connection."""
        return [each for each, connection in self.opened.items() if connection.state is not State.CLOSED]

    def _send(self, source: Address, answer: Packet, payload: bytes) -> None:
        kind = PacketType.DATA if payload else PacketType.STATE
        difference = 1 - answer.timestamp & 0xFFFFFFFF
        packet = Packet(kind, 11, 1, difference, 1 << 20, SYN_SEQ + 1, seq_add(answer.seq, -1), payload=payload)
        self.mux.receive([bytes(packet)], source, self.now)


def crowd(peers: Peers, hosts: int, each: int, *, says: bytes = b"") -> None:
    """Connect from some hosts, in turn."""
    for port in range(1, each + 1):
        for host in range(hosts):
            peers.connect(Address(f"203.0.113.{host}", port), says=says)
            peers.now += 0.001


@pytest.mark.parametrize("says", [b"", b"x"], ids=["silent", "with a byte"])
def test_sixteen_hosts_with_64_connections_each_lock_nobody_out(says: bytes) -> None:
    """41 kB locked everybody out for as long as they were held."""
    peers = Peers()
    crowd(peers, 16, 64, says=says)
    for number in range(20):
        friend = Address("192.0.2.1", 1000 + number)
        connection = peers.connect(friend, says=b"a request")
        assert connection is not None
        assert peers.connect(Address(f"198.51.100.{number}", 1)) is not None, "nor a stranger"
    crowd(peers, 16, 64, says=says)
    assert len([each for each in peers.alive() if each.host == "192.0.2.1"]) == 20, "and who is in stays in"
    config = UtpConfig()
    assert peers.mux.statistics().connections <= config.connections - config.connections_kept


def test_the_silent_go_first_and_of_the_host_with_most() -> None:
    peers = Peers(UtpConfig(connections=8, connections_kept=0))
    speaks = [peers.connect(Address("203.0.113.9", port), says=b"x") for port in range(1, 5)]
    for port in (1, 2):
        peers.connect(Address("203.0.113.1", port))
    peers.connect(Address("203.0.113.2", 1))
    peers.connect(Address("203.0.113.3", 1))
    peers.connect(Address("203.0.113.4", 1))
    assert list(peers.lost) == [Address("203.0.113.1", 1)]
    assert isinstance(peers.lost[Address("203.0.113.1", 1)].error, TransportClosed)
    assert all(connection and connection.state is State.OPEN for connection in speaks)
    assert peers.mux.statistics().evicted == 1
    resets = [parse(each) for burst in peers.mux.transmit(peers.now) for each in burst.datagrams]
    assert PacketType.RESET in [each.type for each in resets], "it is told"


def test_a_known_peers_connection_makes_room_for_nobody() -> None:
    peers = Peers(UtpConfig(connections=16))
    friend = peers.connect(Address("203.0.113.0", 999), says=b"hello")
    assert friend is not None
    friend.keep()
    friend.keep()
    crowd(peers, 16, 4, says=b"x")
    assert friend.state is State.OPEN
    assert peers.mux.statistics().kept == 1
    friend.abort(peers.now)
    assert peers.mux.statistics().kept == 0
    friend.keep()
    assert peers.mux.statistics().kept == 0, "what is over is not kept"


def test_places_are_kept_for_known_peers() -> None:
    """Strangers never take them; a known peer gives its place as a stranger back."""
    config = UtpConfig(connections=16)
    assert config.connections_kept == 2
    peers = Peers(config)
    crowd(peers, 16, 2, says=b"x")
    assert peers.mux.statistics().connections == 14
    for number in range(2):
        friend = peers.connect(Address("192.0.2.1", number + 1), says=b"hello")
        assert friend is not None
        friend.keep()
        crowd(peers, 16, 1, says=b"x")
    assert peers.mux.statistics().connections == 16
    assert peers.mux.statistics().kept == 2


def test_when_all_are_kept_a_stranger_is_refused_and_so_is_our_own_connect() -> None:
    peers = Peers(UtpConfig(connections=3, connections_kept=0))
    for port in (1, 2, 3):
        friend = peers.connect(Address("192.0.2.1", port))
        assert friend is not None
        friend.keep()
    assert peers.connect(Address("203.0.113.1", 1)) is None
    assert peers.mux.statistics().refused == 1
    with pytest.raises(LocalError):
        peers.mux.connect(Address("192.0.2.9", 1), peers.now)
    assert len(peers.alive()) == 3


def test_strangers_do_not_keep_us_from_connecting() -> None:
    peers = Peers(UtpConfig(connections=4, connections_kept=0))
    crowd(peers, 2, 2, says=b"x")
    ours = peers.mux.connect(Address("192.0.2.9", 1), peers.now)
    assert ours.state is State.SYN_SENT
    assert len(peers.alive()) == 3
    crowd(peers, 2, 4)
    assert ours.state is State.SYN_SENT, "nor take what we opened"


def test_a_host_at_its_bound_loses_its_own_silent_ones_only() -> None:
    peers = Peers(UtpConfig(connections_per_host=2))
    peers.connect(Address("203.0.113.1", 1), says=b"x")
    peers.connect(Address("203.0.113.1", 2))
    peers.connect(Address("203.0.113.2", 1))
    assert peers.connect(Address("203.0.113.1", 3), says=b"x") is not None
    assert list(peers.lost) == [Address("203.0.113.1", 2)]
    assert peers.connect(Address("203.0.113.1", 4)) is None
    assert peers.mux.statistics().refused == 1


def test_half_open_connections_take_no_places() -> None:
    """A forger of SYNs, in a friend's name even, takes no place from anybody."""
    peers = Peers(UtpConfig(connections=4, connections_per_host=4, half_open=8))
    for number in range(100):
        syn = Packet(PacketType.SYN, 1000 + 2 * number, 1, 0, 1 << 20, 5, 0)
        peers.mux.receive([bytes(syn)], Address("192.0.2.1", 1), peers.now)
    assert peers.mux.statistics().half_open == 8
    for port in range(2, 6):
        assert peers.connect(Address("192.0.2.1", port), says=b"x") is not None
    assert not peers.lost


def test_a_syn_alone_makes_nobody_go() -> None:
    peers = Peers(UtpConfig(connections=4, connections_kept=0))
    crowd(peers, 2, 2)
    for number in range(50):
        syn = Packet(PacketType.SYN, 1000 + 2 * number, 1, 0, 1 << 20, 5, 0)
        peers.mux.receive([bytes(syn)], Address(f"198.18.0.{number}", 1), peers.now)
    assert len(peers.alive()) == 4


@pytest.mark.parametrize(("taken", "lives"), [(40, None), (80, 14.0), (100, 3.0)])
def test_the_time_to_a_first_byte_shrinks_as_places_are_taken(taken: int, lives: float | None) -> None:
    config = UtpConfig(connections=100, connections_kept=0)
    places: AcceptedConnections[int] = AcceptedConnections(config)
    for number in range(taken):
        places.add(number, f"host {number}", 10.0)
    if lives is None:
        assert places.late(10.0 + 1000.0) is None
        return
    assert places.late(10.0 + lives - 0.5) is None
    assert places.late(10.0 + lives + 0.5) == 0


def test_late_ones_go_with_the_next_timer() -> None:
    peers = Peers(UtpConfig(connections=10, connections_kept=0))
    crowd(peers, 10, 1)
    peers.now += 5.0
    peers.mux.tick(peers.now)
    assert len(peers.alive()) == 9, "with nine places taken 8.4 s are allowed"
    peers.now += 20.0
    peers.mux.tick(peers.now)
    assert len(peers.alive()) == 5, "with half of them nobody has to hurry"
    assert peers.mux.statistics().evicted == 5


def test_a_peer_that_moves_is_counted_where_it_is() -> None:
    places: AcceptedConnections[str] = AcceptedConnections(UtpConfig())
    places.add("silent", "a", 1.0)
    places.add("heard", "a", 1.0)
    places.heard("heard", "a")
    places.add("kept", "a", 1.0)
    places.keep("kept", "a")
    for each in ("silent", "heard", "kept"):
        places.move(each, "b")
    assert (places.count("a"), places.count("b"), places.kept, len(places)) == (0, 2, 1, 3)
    for each in ("silent", "heard", "kept"):
        places.remove(each)
    assert (len(places), places.count("b"), places.kept) == (0, 0, 0)
