"""Somebody on the path stands in Bert's place, and in Anna's: other certificates, marks taken away, plain answers.

Who calls a Peer ID says nothing to anybody else; who calls an address is told who answered. `Scene.check` has what
holds in any case (`test_man_in_the_middle.py` has what he does to the letters of an honest session).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from core.errors import PeerError, RefusedError
from core.peer_id import PeerId
from core.rpc.client import Reply
from core.secure.contexts import Contexts
from core.trust.audience import Audience
from core.trust.permissions import ENCRYPTION_REQUIRED, NOT_TRUSTED
from core.wire.utp_packet import STATE, SYN, PacketType
from tests.secure.mallory import Proxy, payload, unmarked, with_key_of
from tests.secure.middle import ANNA_AT, BERT_AT, OPEN, SECRET, VAULT, Scene, play, reply_to, request
from tests.secure.sides import ANNA, BERT, MALLORY

pytestmark = pytest.mark.virtual_time

HIS, COPIED = "his own, with the same names", "Bert's key, which he does not have"
IMPOSTORS: dict[str, tuple[Callable[[], Contexts], str]] = {
    HIS: (lambda: Contexts(MALLORY), "ERR_WRONG_PEER"),
    COPIED: (lambda: with_key_of(BERT), "ERR_TLS"),
}
impostors = pytest.mark.parametrize(("front", "name"), IMPOSTORS.values(), ids=IMPOSTORS)


@asynccontextmanager
async def between(
    front: Callable[[], Contexts] = lambda: Contexts(MALLORY),
    back: Callable[[], Contexts] = lambda: Contexts(MALLORY),
) -> AsyncIterator[tuple[Scene, Proxy]]:
    """Open a scene with Mallory ready to end both sessions."""
    async with play() as scene:
        proxy = Proxy(scene.wire, front(), back())
        try:
            yield scene, proxy
        finally:
            await proxy.close()


def test_the_certificates_differ_in_the_key_alone() -> None:
    """So nothing but the key can tell Mallory's from Bert's."""
    his, other = MALLORY.certificate, BERT.certificate
    assert (his.subject, his.issuer, his.serial_number) == (other.subject, other.issuer, other.serial_number)
    assert (his.not_valid_before_utc, his.not_valid_after_utc) == (
        other.not_valid_before_utc,
        other.not_valid_after_utc,
    )


# -- called by ID -------------------------------------------------------------------------------------------------


def said_nothing(scene: Scene, proxy: Proxy) -> None:
    """Check that nobody was given a request, and that Mallory's session with Anna never began."""
    assert (scene.bert.served, scene.bert.turned_away) == ([], [])
    assert (proxy.front.served, proxy.front.turned_away) == ([], [])
    assert proxy.front.door.statistics().secured == 0
    assert ANNA.peer_id.key not in b"".join(letter.payload for letter in scene.wire.seen), "nor who she is"


@impostors
async def test_who_shows_another_certificate_is_told_nothing(front: Callable[[], Contexts], name: str) -> None:
    async with between(front) as (scene, proxy):
        for number in (1, 2):
            outcome = await scene.anna.ask(request(number))
            assert isinstance(outcome, PeerError)
            assert outcome.name == name
            await asyncio.sleep(1.0)
            said_nothing(scene, proxy)
            assert proxy.front.door.statistics().failed == number, "he tried"
            scene.check()


@impostors
async def test_a_ticket_of_bert_does_not_help_who_stands_in_his_place(front: Callable[[], Contexts], name: str) -> None:
    async with between(front) as (scene, proxy):
        scene.wire.on_path = lambda letter: [letter]
        first = await scene.anna.ask(request(1))
        assert isinstance(first, Reply)
        await scene.anna.hang_up()
        scene.wire.on_path = proxy.redirect
        outcome = await scene.anna.ask(request(2))
        assert isinstance(outcome, PeerError)
        assert outcome.name == name
        await asyncio.sleep(1.0)
        assert proxy.front.served == []
        assert proxy.front.door.statistics().secured == 0
        scene.check()


async def test_who_was_called_by_address_is_not_taken_for_bert_afterwards() -> None:
    """Neither the kept connection nor its ticket: both are for the peer that is there."""

    async with between() as (scene, proxy):
        for kept in (True, False):
            reply = await scene.anna.ask(request(), OPEN, expected=None)
            assert isinstance(reply, Reply)
            assert reply.peer_id == MALLORY.peer_id
            if not kept:
                await scene.anna.hang_up()
            outcome = await scene.anna.ask(request(2))
            assert isinstance(outcome, PeerError)
            assert outcome.name == "ERR_WRONG_PEER"
        assert [served.payload for served in proxy.front.served] == [request()] * 2


async def test_anna_s_own_words_are_no_answer() -> None:
    """All that she sends comes back to her, as from Bert: she is there, and not he."""

    async with play() as scene:
        scene.wire.on_path = lambda letter: [letter._replace(source=letter.to, to=letter.source)]
        outcome = await scene.anna.ask(request())
        assert isinstance(outcome, PeerError)
        assert scene.anna.served == []
        scene.check()


# -- called by address --------------------------------------------------------------------------------------------


async def test_who_calls_an_address_is_told_who_answered_and_bert_who_called() -> None:
    async with between() as (scene, _proxy):
        scene.bert.permissions.set_audience(OPEN, Audience.IDENTIFIED)
        reply = await scene.anna.ask(request(), OPEN, expected=None)
        assert isinstance(reply, Reply)
        assert reply.peer_id == MALLORY.peer_id
        assert [(served.key, served.caller) for served in scene.bert.served] == [(OPEN, MALLORY.peer_id)]
        assert not scene.wire.readable(SECRET)


async def test_a_service_for_trusted_peers_refuses_mallory_who_passes_on_anna_s_request() -> None:
    async with between() as (scene, _proxy):
        outcome = await scene.anna.ask(request(), VAULT, expected=None)
        assert isinstance(outcome, RefusedError)
        assert outcome.name == NOT_TRUSTED
        assert scene.bert.served == []
        assert scene.bert.turned_away == [(NOT_TRUSTED, MALLORY.peer_id)]


async def test_nobody_is_taken_for_bert_without_his_key_even_by_address() -> None:
    async with between(lambda: with_key_of(BERT)) as (scene, proxy):
        outcome = await scene.anna.ask(request(), OPEN, expected=None)
        assert isinstance(outcome, PeerError)
        assert outcome.name == "ERR_TLS"
        assert "signature" in str(outcome)
        await asyncio.sleep(1.0)
        said_nothing(scene, proxy)


async def test_that_certificate_fails_for_its_key_alone() -> None:
    """Made in the same way, with the key that he does have, it is as good as any."""

    async with between(lambda: with_key_of(MALLORY), lambda: with_key_of(MALLORY)) as (scene, _proxy):
        reply = await scene.anna.ask(request(), OPEN, expected=None)
        assert isinstance(reply, Reply)
        assert reply.peer_id == MALLORY.peer_id


async def test_nobody_is_taken_for_anna_without_her_key() -> None:
    """Mallory calls Bert with a certificate that has her key."""

    async with between(back=lambda: with_key_of(ANNA)) as (scene, proxy):
        outcome = await proxy.back.ask(request(), VAULT)
        assert isinstance(outcome, PeerError)
        await asyncio.sleep(1.0)
        assert (scene.bert.served, scene.bert.turned_away) == ([], [])
        assert scene.bert.door.statistics().secured == 0
        assert scene.bert.door.statistics().failed == 1


# -- marks and plain answers --------------------------------------------------------------------------------------

STRIPPED = {"the SYN": {SYN}, "the answer": {STATE}, "both": {SYN, STATE}}
stripped = pytest.mark.parametrize("kinds", STRIPPED.values(), ids=STRIPPED)


def strip(scene: Scene, kinds: set[PacketType]) -> None:
    """Have the marks taken from these."""
    scene.wire.on_path = lambda letter: [unmarked(letter) if letter.packet.type in kinds else letter]


@stripped
async def test_who_calls_an_id_says_nothing_to_who_seems_plain(kinds: set[PacketType]) -> None:
    async with play() as scene:
        strip(scene, kinds)
        outcome = await scene.anna.ask(request())
        assert isinstance(outcome, PeerError)
        assert outcome.name == "ERR_PLAIN_PEER"
        assert scene.wire.carried(ANNA_AT) == []
        scene.check()


@stripped
async def test_a_service_for_trusted_peers_refuses_who_seems_plain(kinds: set[PacketType]) -> None:
    async with play() as scene:
        strip(scene, kinds)
        outcome = await scene.anna.ask(request(), VAULT, expected=None)
        assert isinstance(outcome, RefusedError)
        assert outcome.name == ENCRYPTION_REQUIRED
        assert scene.bert.served == []
        assert scene.bert.turned_away == [(ENCRYPTION_REQUIRED, None)]


@stripped
async def test_who_calls_an_address_that_seems_plain_is_told_that_nobody_proved_anything(
    kinds: set[PacketType],
) -> None:
    """What is not promised: it can be read, and answered by anybody. Neither side takes the other for somebody."""

    async with play() as scene:
        strip(scene, kinds)
        outcome = await scene.anna.ask(request(), OPEN, expected=None)
        assert isinstance(outcome, Reply)
        assert (outcome.data, outcome.peer_id) == (reply_to(request()), None)
        assert [served.caller for served in scene.bert.served] == [None]
        assert scene.wire.readable(SECRET)


PLAIN_REPLY, PLAIN_REQUEST = b'["1",null,{"to":"Mallory"}]', b'["1","vault",{"number":666}]'


@pytest.mark.parametrize("expected", [BERT.peer_id, None], ids=["by ID", "by address"])
async def test_a_plain_answer_where_tls_was_asked_is_an_error(expected: PeerId | None) -> None:
    async with play() as scene:
        answer = payload(lambda data: PLAIN_REPLY)
        scene.wire.on_path = lambda letter: answer(letter) if letter.source == BERT_AT and letter.payload else [letter]
        outcome = await scene.anna.ask(request(), expected=expected)
        assert isinstance(outcome, PeerError)
        assert outcome.name == "ERR_TLS"
        scene.check()


async def test_a_plain_request_in_place_of_a_hello_is_nobody_s() -> None:
    async with play() as scene:
        ask = payload(lambda data: PLAIN_REQUEST)
        scene.wire.on_path = lambda letter: ask(letter) if letter.source == ANNA_AT and letter.payload else [letter]
        outcome = await scene.anna.ask(request())
        assert isinstance(outcome, PeerError)
        assert outcome.name == "ERR_TLS", "Bert's refusal, which is plain"
        assert set(scene.bert.turned_away) == {(ENCRYPTION_REQUIRED, None)}
        scene.check()
