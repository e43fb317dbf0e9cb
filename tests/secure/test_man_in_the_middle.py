"""An attacker on the path alters, replays, swaps certificates, takes marks off, cuts: nothing gets through unnoticed.

Real sockets on loopback, and he between them. He knows uTP: its packets stay well-formed, since a wrong header is only
a lost packet.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable

import pytest

from core.errors import PeerError, RemoteError
from core.rpc.client import Reply
from core.trust.audience import Audience
from core.values import JsonValue
from core.wire.utp_marks import ALL_MARKS, pack_marks
from core.wire.utp_packet import DATA, FIN, RESET, STATE, SYN, Packet, parse, seq_add
from tests.peer.ears import peer
from tests.secure.middle import Change, Node, middle, node, relay
from tests.secure.sides import ANNA, BERT, MALLORY

pytestmark = pytest.mark.asyncio
ORDER: JsonValue = "pay 1000"
ANSWER: JsonValue = ["to", ORDER]
BIG = 300_000  # bytes: some twenty packets
TOGETHER = 16  # attacks at a time

Bend = Callable[[Packet], Iterable[Packet]]


def bent(upward: bool, number: int, bend: Bend) -> Change:
    """Return what does this to the `number`th packet with a payload of one direction."""
    seen = itertools.count()

    def change(up: bool, datagram: bytes) -> Iterable[bytes]:
        packet = parse(datagram)
        if up is upward and packet.type is DATA and packet.payload and next(seen) == number:
            return [bytes(each) for each in bend(packet)]
        return [datagram]

    return change


def flipped(at: int) -> Bend:
    def bend(packet: Packet) -> Iterable[Packet]:
        payload = bytearray(packet.payload)
        payload[at % len(payload)] ^= 1 << at % 8
        return [packet._replace(payload=bytes(payload))]

    return bend


def shortened(at: int) -> Bend:
    return lambda packet: [packet._replace(payload=packet.payload[: at % len(packet.payload)])]


def swapped(at: int) -> Bend:
    def bend(packet: Packet) -> Iterable[Packet]:
        cut = at % len(packet.payload)
        return [packet._replace(payload=packet.payload[cut:] + packet.payload[:cut])]

    return bend


def invented(at: int) -> Bend:
    """Put bytes of his own where the next packet's belong."""

    def bend(packet: Packet) -> Iterable[Packet]:
        text = b'["%d","service","pay 9999"]' % at
        return [packet, packet._replace(seq=seq_add(packet.seq, 1), payload=text)]

    return bend


def repeated(at: int) -> Bend:
    """Put the same bytes once more where the next packet's belong."""
    return lambda packet: [packet, packet._replace(seq=seq_add(packet.seq, 1))]


async def exchange(anna: Node, bert: Node, change: Change) -> Reply | PeerError:
    """Let Anna ask Bert, by his ID, with this in between."""
    async with middle(bert.address, change) as attacker:
        outcome = await anna.outcome(attacker.address, ORDER, BERT.peer_id)
        assert not attacker.readable(b"pay 1000")
        return outcome


@pytest.mark.parametrize("bend", [flipped, shortened, swapped, invented, repeated])
@pytest.mark.parametrize("upward", [True, False], ids=["of Anna's", "of Bert's"])
async def test_whatever_is_altered_the_request_and_the_reply_are_the_true_ones_or_none(
    bend: Callable[[int], Bend], upward: bool
) -> None:
    attacks = [bent(upward, number, bend(at)) for number in range(3) for at in range(5, 1200, 61)]
    async with node(BERT) as bert, node(ANNA) as anna:
        outcomes: list[Reply | PeerError] = []
        for start in range(0, len(attacks), TOGETHER):
            some = attacks[start : start + TOGETHER]
            outcomes += await asyncio.gather(*(exchange(anna, bert, change) for change in some))
        assert set(map(repr, bert.served)) <= {repr((ORDER, ANNA.peer_id))}
        assert len(bert.served) <= len(attacks), "none was carried out twice"
    replies = [outcome for outcome in outcomes if isinstance(outcome, Reply)]
    assert all((reply.data, reply.peer_id) == (ANSWER, BERT.peer_id) for reply in replies)
    assert len(replies) <= len(bert.served)
    errors = {outcome.name for outcome in outcomes if isinstance(outcome, PeerError)}
    assert errors <= {"ERR_TLS", "ERR_CERTIFICATE", "ERR_TRANSPORT_CLOSE", "ERR_TIMEOUT"}
    assert errors, "attacks are noticed, or stall what they break"


async def settled(bert: Node, wanted: int) -> None:
    """Give what came time to be carried out."""
    for _ in range(20):
        await asyncio.sleep(0.01)
        if len(bert.served) > wanted:
            return


@pytest.mark.parametrize("resumed", [False, True], ids=["a full session", "a resumed session"])
async def test_a_recorded_conversation_said_again_is_nothing(resumed: bool) -> None:
    async with node(BERT) as bert, node(ANNA) as anna, middle(bert.address) as attacker:
        for _ in range(1 + resumed):
            attacker.heard.clear()
            assert (await anna.ask(attacker.address, ORDER, BERT.peer_id)).data == ANSWER
        wanted = len(bert.served)
        assert bert.statistics().resumed == resumed
        said = [datagram for up, datagram in attacker.heard if up]
        for datagram in said:
            attacker.send_up(datagram)  # from the same address
        async with middle(bert.address) as elsewhere:
            for step in (said, [_renamed(datagram) for datagram in said]):
                for datagram in step:
                    elsewhere.send_up(datagram)
                    await asyncio.sleep(0)
            await settled(bert, wanted)
        assert len(bert.served) == wanted


def _renamed(datagram: bytes) -> bytes:
    """Give a packet the IDs of a new connection: Bert remembers those of the old one for a while."""
    packet = parse(datagram)
    return bytes(packet._replace(connection_id=(packet.connection_id + 1000) % 65536))


async def test_everything_said_twice_is_carried_out_once() -> None:
    async with node(BERT) as bert, node(ANNA) as anna:
        async with middle(bert.address, lambda up, datagram: [datagram, datagram]) as attacker:
            assert (await anna.ask(attacker.address, ORDER, BERT.peer_id)).data == ANSWER
        assert bert.served == [(ORDER, ANNA.peer_id)]


# -- another certificate ------------------------------------------------------------------------------------------


async def test_who_swaps_the_certificate_learns_nothing_of_a_request_to_a_peer() -> None:
    async with node(BERT) as bert, node(ANNA) as anna, middle(bert.address) as path, relay(MALLORY, path) as mallory:
        outcome = await anna.outcome(mallory.address, ORDER, BERT.peer_id)
        assert isinstance(outcome, RemoteError)
        assert outcome.name == "ERR_WRONG_PEER"
        assert (mallory.served, bert.served, path.heard) == ([], [], [])


async def test_who_is_called_by_address_alone_is_shown_as_who_it_is_on_both_sides() -> None:
    async with node(BERT) as bert, node(ANNA) as anna, middle(bert.address) as path, relay(MALLORY, path) as mallory:
        reply = await anna.ask(mallory.address, ORDER)
        assert reply.peer_id == MALLORY.peer_id
        assert bert.served == [(ORDER, MALLORY.peer_id)], "he cannot be Anna"


async def test_a_relay_gets_nothing_of_what_only_anna_may_call() -> None:
    async with peer(identity=BERT) as (bert, _), node(ANNA) as anna:
        await bert.trust(ANNA.peer_id, "Anna")
        bert.set_audience("fibonacci", Audience.TRUSTED)
        await bert.share("fibonacci")
        at = bert.snapshot().address
        assert at is not None
        async with middle(at) as path, relay(MALLORY, path) as mallory:
            with pytest.raises(PeerError) as refused:
                await anna.ask(mallory.address, {"length": 3}, key="fibonacci_worker")
        assert refused.value.name == "ERR_NOT_TRUSTED"
        assert [waiting.peer_id for waiting in bert.pending()] == [MALLORY.peer_id]


# -- taken for a plain peer ---------------------------------------------------------------------------------------


def without_marks(of_whom: set[bool]) -> Change:
    """Take the marks off what opens a connection."""

    def change(up: bool, datagram: bytes) -> Iterable[bytes]:
        packet = parse(datagram)
        opens = packet.type in (SYN, STATE) and packet.extensions
        return [bytes(packet._replace(extensions=()))] if opens and up in of_whom else [datagram]

    return change


@pytest.mark.parametrize("of_whom", [{True}, {False}, {True, False}], ids=["Anna", "Bert", "both"])
async def test_without_marks_a_peer_called_by_id_hears_nothing(of_whom: set[bool]) -> None:
    async with node(BERT) as bert, node(ANNA) as anna, middle(bert.address, without_marks(of_whom)) as attacker:
        outcome = await anna.outcome(attacker.address, ORDER, BERT.peer_id)
        assert isinstance(outcome, RemoteError)
        assert outcome.name == "ERR_PLAIN_PEER"
        assert bert.served == []
        assert not attacker.readable(b"pay 1000")


async def test_without_marks_a_peer_called_by_address_is_shown_as_nobody_on_both_sides() -> None:
    async with node(BERT) as bert, node(ANNA) as anna, middle(bert.address, without_marks({False})) as attacker:
        reply = await anna.ask(attacker.address, ORDER)
        assert (reply.data, reply.peer_id) == (ANSWER, None)
        assert bert.served == [(ORDER, None)]
        assert attacker.readable(b"pay 1000"), "as plain Grenache is; whoever minds calls by ID"


async def test_a_plain_peer_that_claims_to_encrypt_hears_no_request() -> None:
    def claim(up: bool, datagram: bytes) -> Iterable[bytes]:
        packet = parse(datagram)
        if up or not packet.extensions:
            return [datagram]
        claims = tuple((number, pack_marks(ALL_MARKS)) for number, _ in packet.extensions)
        return [bytes(packet._replace(extensions=claims))]

    async with node(None) as plain, node(ANNA) as anna, middle(plain.address, claim) as attacker:
        outcomes = [await anna.outcome(attacker.address, ORDER, expected) for expected in (BERT.peer_id, None)]
        assert all(isinstance(outcome, PeerError) for outcome in outcomes)
        assert plain.served == []
        assert not attacker.readable(b"pay 1000")


async def test_a_plain_answer_to_a_hello_is_no_answer() -> None:
    plainly = b'["1",null,"paid"]'
    change = bent(False, 0, lambda packet: [packet._replace(payload=plainly)])
    async with node(BERT) as bert, node(ANNA) as anna:
        outcome = await exchange(anna, bert, change)
        assert isinstance(outcome, RemoteError)
        assert outcome.name == "ERR_TLS"
        assert bert.served == []


# -- cut off ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FIN, RESET])
@pytest.mark.parametrize("upward", [True, False], ids=["request", "reply"])
@pytest.mark.parametrize("number", [2, 4, 6, 9])
async def test_half_a_message_is_never_taken_for_a_whole_one(kind: int, upward: bool, number: int) -> None:
    payload: JsonValue = "x" * BIG if upward else BIG

    def bend(packet: Packet) -> Iterable[Packet]:
        forged = packet._replace(type=FIN if kind == FIN else RESET, seq=seq_add(packet.seq, 1), payload=b"")
        return [packet, forged]

    async with node(BERT) as bert, node(ANNA) as anna:
        async with middle(bert.address, bent(upward, number, bend)) as attacker:
            outcome = await anna.outcome(attacker.address, payload, BERT.peer_id)
        assert bert.served in ([], [(payload, ANNA.peer_id)])
        if isinstance(outcome, Reply):
            assert outcome.data == (["to", payload] if upward else "y" * BIG)
        else:
            assert outcome.name in {"ERR_TLS", "ERR_TRANSPORT_CLOSE", "ERR_TIMEOUT"}
