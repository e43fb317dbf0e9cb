"""What a climb refuses: forged and replayed probes, other hosts, old words; and how much it sends at most."""

import itertools
from dataclasses import replace
from random import Random

import pytest

from core.errors import RemoteError
from core.nat.report import Filtering, Mapping, NatReport, Ports
from core.nat.side import SIDE_BYTES, Side, parse_side, side_of
from core.punch.climb import Climb, Order, Say, Shot
from core.reach.probing import Probing
from core.values import Address
from core.wire.probe_packet import ProbeCodec, ProbeKind, is_probe

KEY, OTHER_KEY = bytes(32), b"x" * 32
EASY_AT, HARD_AT = Address("198.51.100.1", 40000), Address("203.0.113.7", 50000)
EASY = Side(EASY_AT, Mapping.ENDPOINT_INDEPENDENT, Filtering.STRICT, Ports.FIXED, hosts=2)
HARD = Side(HARD_AT, Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.STRICT, Ports.RANDOM)


def pair(places: Probing | None = None) -> tuple[Climb, Climb]:
    """Return the easy side and the hard one."""
    easy = Climb(EASY, HARD, ProbeCodec(KEY, True), True, Random(1), places or Probing())
    hard = Climb(HARD, EASY, ProbeCodec(KEY, False), False, Random(2), Probing())
    return easy, hard


def talk(one: Climb, other: Climb, now: float) -> list[Shot]:
    """Carry what they say until they have nothing more to say; return the shots of the first."""
    shots: list[Shot] = []
    for _ in range(10):
        for speaker, hearer in ((one, other), (other, one)):
            for order in speaker.orders():
                if isinstance(order, Say):
                    hearer.mail(order.text, now)
                elif isinstance(order, Shot) and speaker is one:
                    shots.append(order)
    return shots


def shots(climb: Climb) -> list[Shot]:
    orders: list[Order] = climb.orders()
    return [order for order in orders if isinstance(order, Shot)]


def trying(seconds: float = 1.0) -> tuple[Climb, list[Shot]]:
    easy, hard = pair()
    easy.start(0.0)
    hard.start(0.0)
    found = talk(easy, hard, 0.0)
    for step in range(int(seconds * 100)):
        easy.tick(step / 100)
        found += shots(easy)
    return easy, found


def test_nothing_leaves_before_the_other_side_has_shown_that_it_heard_us() -> None:
    easy, _ = pair()
    easy.start(0.0)
    stranger = Climb(HARD, EASY, ProbeCodec(KEY, False), False, Random(3), Probing())
    stranger.start(0.0)
    [said] = [order for order in stranger.orders() if isinstance(order, Say)]
    for at in range(100):
        easy.mail(said.text, at / 10)  # a recorded word: it has not our token
        easy.tick(at / 10)
    assert shots(easy) == []


def test_a_hundred_probes_a_second_to_one_host_and_no_port_twice() -> None:
    _, found = trying(5.0)
    assert {shot.to.host for shot in found} == {HARD_AT.host}
    ports = [shot.to.port for shot in found]
    assert len(set(ports)) == len(ports)
    assert min(ports) >= 1024
    assert 400 <= len(found) <= 510


def test_only_an_echo_of_the_pair_by_the_path_that_was_probed_opens_it() -> None:
    easy, found = trying()
    theirs = ProbeCodec(KEY, False)
    nonce = found[3].datagram[7:15]
    forged = ProbeCodec(OTHER_KEY, False).pack(ProbeKind.ECHO, nonce)
    own = ProbeCodec(KEY, True).pack(ProbeKind.ECHO, nonce)
    echo = theirs.pack(ProbeKind.ECHO, nonce)
    easy.receive(0, forged, found[3].to, 1.0)
    easy.receive(0, own, found[3].to, 1.0)
    easy.receive(0, echo, Address("192.0.2.66", 4000), 1.0)  # of another host
    easy.receive(1, echo, found[3].to, 1.0)  # at another socket
    easy.receive(0, theirs.pack(ProbeKind.ECHO, bytes(8)), found[3].to, 1.0)  # of a probe that never was
    easy.receive(0, theirs.pack(ProbeKind.CONFIRM, bytes(8)), found[3].to, 1.0)  # of an echo that never was
    assert easy.outcomes() == []
    easy.receive(0, echo, found[3].to, 1.0)
    [won] = easy.outcomes()
    assert (won.via, won.remote) == (0, found[3].to)
    easy.receive(0, echo, found[3].to, 1.0)  # once is enough
    assert easy.outcomes() == []


def test_each_probe_gets_one_answer_of_its_own_length_and_a_confirmation_none() -> None:
    easy, _ = trying()
    theirs = ProbeCodec(KEY, False)
    probe = theirs.pack(ProbeKind.PROBE, b"12345678")
    source = Address(HARD_AT.host, 2222)
    easy.receive(0, probe, source, 1.0)
    [answer] = shots(easy)
    assert is_probe(answer.datagram)
    assert len(answer.datagram) == len(probe)
    assert answer.to == source
    easy.receive(0, theirs.pack(ProbeKind.CONFIRM, b"12345678"), source, 1.0)
    assert shots(easy) == []
    assert easy.outcomes()[0].remote == source


def test_the_place_for_a_birthday_is_one_and_comes_free_after_20_s() -> None:
    places = Probing()
    first, second = pair(places)[0], pair(places)[0]
    first.start(0.0)
    second.start(0.0)
    assert any(isinstance(order, Say) for order in first.orders())
    assert not any(isinstance(order, Say) for order in second.orders())
    first.close()
    for at in range(400):
        second.tick(at / 10)
        said = any(isinstance(order, Say) for order in second.orders())
        if said:
            assert at >= 200
            return
    raise AssertionError("the second never got its turn")


def test_a_failed_round_is_followed_by_others_ever_later_and_never_by_a_burst() -> None:
    easy, _ = pair()
    easy.start(0.0)
    began: list[float] = []
    at = 0.0
    while at < 2000.0:
        due = easy.deadline()
        assert due is not None
        at = max(at + 0.001, due)
        easy.tick(at)
        began += [at for order in easy.orders() if isinstance(order, Say)]
        easy.outcomes()
    pauses = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert pauses[0] >= 5.0
    assert pauses[-1] >= 600.0
    assert len(began) < 10


@pytest.mark.parametrize("size", [0, 1, SIDE_BYTES - 1, SIDE_BYTES, SIDE_BYTES + 1])
def test_what_a_peer_tells_of_its_network_may_be_anything(size: int) -> None:
    random = Random(size)
    for _ in range(500):
        data = random.randbytes(size)
        try:
            side = parse_side(data)
        except RemoteError:
            continue
        assert side.address.port >= 1024
        assert parse_side(bytes(side)) == side


@pytest.mark.parametrize("port", [1, 29, 679, 1023])
def test_a_low_port_of_a_network_that_gives_each_destination_another_is_told_as_any(port: int) -> None:
    low = Address(HARD_AT.host, port)
    report = NatReport(mapping=HARD.mapping, filtering=HARD.filtering, ports=HARD.ports)
    told = side_of(report, low)
    assert parse_side(bytes(told)) == told == replace(HARD, address=Address(HARD_AT.host, 1024))
    older = bytes(HARD)[:-2] + port.to_bytes(2, "big")  # from a peer that tells the port as it is
    assert parse_side(older) == told
    with pytest.raises(RemoteError, match="no usable address"):
        parse_side(bytes(replace(EASY, address=low)))


def test_a_proved_host_has_two_witnesses_and_is_public() -> None:
    probing = Probing()
    host = "203.0.113.7"
    assert probing.proved(host, host, {"198.51.100.9"})
    assert not probing.proved(host, host, set())
    assert not probing.proved(host, "203.0.113.8", {"198.51.100.9"})
    for inner in ("192.168.1.7", "127.0.0.1", "224.0.0.1", "255.255.255.255"):
        assert not probing.proved(inner, inner, {"198.51.100.9"})
