"""The ladder's pairs: who is greeted, with what, and at which hosts nothing is ever probed."""

import asyncio
from typing import cast

import pytest

from core.broker.in_use import Want
from core.errors import LocalError
from core.identity.identity import Identity
from core.nat.report import Filtering, Mapping, NatReport, Ports
from core.net.endpoint import Endpoint
from core.net.probe_desk import ProbeDesk
from core.net.udp_socket import UdpSocket
from core.news.events import PunchEnded
from core.news.hub import Hub
from core.peer_id import PeerId
from core.reach.probing import Probing
from core.rendezvous.ladder import GONE_AFTER, PAIRS, Ladder
from core.rendezvous.sealing import Sealer
from core.values import Address, Burst
from core.wire.broker_message import Listed, Listing
from tests.support.virtual_time import run

NAME = "fibonacci_worker"
BROKER = Address("192.0.2.1", 4000)
EASY_AT, HARD_AT = Address("198.51.100.1", 40000), Address("203.0.113.7", 50000)
EASY = NatReport(Mapping.ENDPOINT_INDEPENDENT, Filtering.STRICT, Ports.FIXED, reflectors=2, hosts=2)
HARD = NatReport(Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.STRICT, Ports.RANDOM, reflectors=2, hosts=2)
ANNA, BERT = (Identity.from_secret(bytes([number]) * 32) for number in (1, 2))


class FakeEndpoint:
    """Keeps what would leave."""

    def __init__(self) -> None:
        self.probes = ProbeDesk()
        self.sent: list[Burst] = []

    async def another(self) -> UdpSocket:
        raise LocalError("no further sockets here")

    def send_probe(self, burst: Burst) -> None:
        self.sent.append(burst)

    def adopt(self, udp: UdpSocket, remote: Address) -> None:
        raise AssertionError("there was none")


class Side:
    """One peer's ladder, and what it leaves at the broker."""

    def __init__(self, identity: Identity, at: Address, report: NatReport, server: bool) -> None:
        self.identity, self.at, self.want = identity, at, Want(NAME, server)
        self.endpoint = FakeEndpoint()
        self.left: dict[PeerId, str] = {}
        self.report = report
        self.hub = Hub()
        self.ended: list[object] = []
        self.proved: set[Address] = set()
        self.hub.subscribe(self.ended.append, PunchEnded)
        self.ladder = Ladder(
            self.hub, cast(Endpoint, self.endpoint), lambda: identity, lambda: self.report, list,
            self._leave, Probing(), lambda event: None, lambda remote: None, proved=self._proved,
        )  # fmt: skip

    def _leave(self, want: Want, peer_id: PeerId, text: str) -> None:
        assert want == self.want
        self.left[peer_id] = text

    def _proved(self, address: Address) -> None:
        self.proved.add(address)

    def told_of(self, other: "Side", at: Address | None = None) -> None:
        """Hear from the broker of another, which it sees at its own address or at this one."""
        entry = Listed(NAME, other.want.server, at or other.at, other.identity.peer_id)
        text = other.left.get(self.identity.peer_id)
        mail = {} if text is None else {other.identity.peer_id: text}
        self.ladder.told(self.want, BROKER, Listing((entry,), 0, self.at, 1, mail))


async def talk(one: Side, other: Side, seconds: float, at: Address | None = None) -> None:
    """Let the broker carry what both leave; `at`: where it says that the first is."""
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        one.told_of(other)
        other.told_of(one, at)
        await asyncio.sleep(0.05)


def pair() -> tuple[Side, Side]:
    return Side(ANNA, HARD_AT, HARD, True), Side(BERT, EASY_AT, EASY, False)


def test_the_easy_side_probes_the_host_of_the_hard_one_at_the_rate_of_the_rule() -> None:
    async def scenario() -> None:
        hard, easy = pair()
        await talk(hard, easy, 3.0)
        assert {burst.to.host for burst in easy.endpoint.sent} == {HARD_AT.host}
        assert 100 < len(easy.endpoint.sent) <= 305
        assert hard.endpoint.sent == []  # it opens from fresh sockets, and has none here
        await hard.ladder.aclose()
        await easy.ladder.aclose()

    run(scenario())


@pytest.mark.parametrize("lie", [Address("192.0.2.66", 50000), Address("192.168.1.1", 50000)])
def test_a_host_where_the_peer_says_that_it_is_not_is_never_probed(lie: Address) -> None:
    async def scenario() -> None:
        hard, easy = pair()
        await talk(hard, easy, 30.0, at=lie)
        assert easy.endpoint.sent == []
        await hard.ladder.aclose()
        await easy.ladder.aclose()

    run(scenario())


@pytest.mark.parametrize(
    ("seen_at", "proved"),
    [
        (HARD_AT, True),
        (Address(HARD_AT.host, 50001), True),  # a restarted router
        (Address("192.0.2.66", 50000), False),
    ],
)
def test_a_host_has_proved_itself_when_the_broker_sees_it_where_its_sealed_word_says(
    seen_at: Address, proved: bool
) -> None:
    async def scenario() -> None:
        hard, easy = pair()
        hard.told_of(easy)
        easy.told_of(hard, seen_at)
        assert not hard.proved, "it has left no word yet"
        await talk(hard, easy, 0.2, at=seen_at)
        assert easy.proved == ({seen_at} if proved else set())
        assert hard.proved == {EASY_AT}
        await hard.ladder.aclose()
        await easy.ladder.aclose()

    run(scenario())


def test_nothing_is_said_before_our_network_is_known_and_then_at_once() -> None:
    async def scenario() -> None:
        hard, easy = pair()
        hard.report = NatReport()
        hard.told_of(easy)
        assert hard.left == {}
        hard.report = HARD
        hard.ladder.on_report()
        word = Sealer(BERT, ANNA.peer_id).open(hard.left[BERT.peer_id])
        assert word is not None
        assert (word.side.address, word.side.mapping, word.climb) == (HARD_AT, HARD.mapping, b"")
        await hard.ladder.aclose()

    run(scenario())


def test_pairs_are_bounded_and_end_when_no_broker_names_them() -> None:
    async def scenario() -> None:
        hard, _ = pair()
        for number in range(200):
            other = Listed(NAME, False, EASY_AT, Identity.from_secret(number.to_bytes(32, "big")).peer_id)
            hard.ladder.told(hard.want, BROKER, Listing((other,), 0, HARD_AT, 1))
        assert len(hard.ladder._pairs) == PAIRS
        await asyncio.sleep(GONE_AFTER + 1.0)
        hard.ladder.told(hard.want, BROKER, Listing((), 0, HARD_AT, 1))
        assert len(hard.ladder._pairs) == 0
        await hard.ladder.aclose()

    run(scenario())


def test_two_usual_routers_are_left_to_plain_punching() -> None:
    async def scenario() -> None:
        one, other = Side(ANNA, HARD_AT, EASY, True), Side(BERT, EASY_AT, EASY, False)
        await talk(one, other, 30.0)
        assert one.endpoint.sent == other.endpoint.sent == []
        assert one.ended == other.ended == []
        await one.ladder.aclose()
        await other.ladder.aclose()

    run(scenario())
