"""Somebody on the path alters, repeats and cuts what Anna and Bert say: no request gets through unnoticed.

`test_man_in_the_middle_poses.py` has what he does in somebody's place: other certificates, marks taken away. Each test
ends with `Scene.check`: what Bert's service was given are requests of Anna, as she made them, under her name, each once
at most; what Anna was given is Bert's reply to them or an error with a name; and neither was readable.
"""

import asyncio
import itertools
from collections.abc import Iterable

import pytest

from core.errors import PeerError, RemoteError
from core.rpc.client import Reply
from core.secure.contexts import Contexts
from core.values import Address
from core.wire.utp_packet import FIN, RESET, PacketType
from tests.secure.mallory import Alter, Change, Cut, Swap, flip, flip_header, payload
from tests.secure.middle import (
    ANNA_AT,
    BERT_AT,
    REPLY_SECRET,
    Letter,
    OnPath,
    Party,
    Scene,
    Wire,
    play,
    reply_to,
    request,
)  # fmt: skip
from tests.secure.sides import BERT, MALLORY
from tests.support.samples import some
from tests.support.virtual_time import run

pytestmark = pytest.mark.virtual_time

LATER = 61.0  # seconds; longer than anything is repeated by itself, or remembered of a connection that is over
MALLORY_AT = Address("192.0.2.66", 6000)


async def meet(scene: Scene, *, number: int = 1) -> Reply | PeerError:
    """Have Anna call Bert, ask once and hang up."""
    outcome = await scene.anna.ask(request(number))
    await scene.anna.hang_up()
    await asyncio.sleep(LATER)
    return outcome


def attack(on_path: OnPath | None = None) -> tuple[Reply | PeerError, list[Letter]]:
    """Return what Anna heard when somebody had all letters of a whole exchange, and those letters as they were sent."""
    outcomes: list[Reply | PeerError] = []
    letters: list[Letter] = []

    async def exchange() -> None:
        async with play() as scene:
            scene.wire.on_path = on_path or scene.wire.on_path
            outcomes.append(await meet(scene))
            letters.extend(scene.wire.seen)
            scene.check()

    run(exchange())
    return outcomes[0], letters


def names(letters: Iterable[Letter]) -> list[str]:
    """Return a name for each: who sent it, the how manieth it is, and of what kind."""
    return [
        f"{number} {'Anna' if letter.source == ANNA_AT else 'Bert'} {letter.packet.type.name}"
        for number, letter in enumerate(letters)
    ]


UNDISTURBED, EXCHANGE = attack()
CARRYING = [letter for letter in EXCHANGE if letter.payload]
GOODBYES = 2  # the last of those: Anna's and Bert's
carrying = pytest.mark.parametrize("number", range(len(CARRYING)), ids=names(CARRYING))


def test_without_mallory_the_request_is_answered() -> None:
    """So that what the other tests see is his doing."""
    assert isinstance(UNDISTURBED, Reply)
    assert UNDISTURBED.data == reply_to(request())
    assert [letter.source for letter in CARRYING[-GOODBYES:]] == [ANNA_AT, BERT_AT]
    assert {letter.packet.type for letter in EXCHANGE} == set(PacketType) - {RESET}


# -- alters -------------------------------------------------------------------------------------------------------


@carrying
@pytest.mark.parametrize("step", some([97, 17], 2))
def test_a_flipped_bit_ends_in_an_error(number: int, step: int) -> None:
    """Except the version in the header of a hello, which nobody looks at (RFC 8446 section 5.1)."""
    size = len(CARRYING[number].payload)
    for at in sorted({*range(6), *range(6 + number % step, size, step), size - 1}):
        outcome, _ = attack(Alter(number, flip(at)))
        hello = CARRYING[number].payload[0] == 0x16 and CARRYING[number].payload[5] in (1, 2)
        unseen = number >= len(CARRYING) - GOODBYES or (hello and at in (1, 2))
        assert isinstance(outcome, PeerError) or unseen, at


@pytest.mark.parametrize("number", some(range(len(EXCHANGE)), 3), ids=names(EXCHANGE))
def test_a_flipped_bit_of_a_header_is_made_good_or_ends_in_an_error(number: int) -> None:
    for at in range(number % 4, 20, 4):
        attack(Alter(number, flip_header(at), all_kinds=True))


@pytest.mark.parametrize("retry", [0, 1])
@pytest.mark.parametrize(("number", "came"), [(8, "went to"), (10, "came from")], ids=["request", "reply"])
async def test_who_was_altered_is_told_so(number: int, came: str, retry: int) -> None:
    """And is not only cut off: any line does that, and the request would be made again without a word."""
    assert [CARRYING[each].source for each in (8, 9, 10, 11)] == [ANNA_AT, BERT_AT, BERT_AT, ANNA_AT]
    async with play() as scene:
        scene.wire.on_path = Alter(number, flip(20))
        outcome = await scene.anna.ask(request(), retry=retry)
        assert isinstance(outcome, RemoteError)
        assert (outcome.name, str(outcome)) == (
            "ERR_TLS",
            f"what {came} peer {BERT.peer_id.short} was altered on its way",
        )
        assert len(scene.bert.served) == (number == 10)
        scene.check()


CHANGES: dict[str, Change] = {
    "cut short": payload(lambda data: data[:-1]),
    "cut in half": payload(lambda data: data[: len(data) // 2]),
    "emptied": payload(lambda data: b""),
    "turned round": payload(lambda data: data[len(data) // 2 :] + data[: len(data) // 2]),
    "twice in one": payload(lambda data: data + data),
    "more before it": payload(lambda data: b"\x17\x03\x03\x00\x20" + bytes(32) + data),
    "more behind it": payload(lambda data: data + b"\x17\x03\x03\x00\x20" + bytes(32)),
    "a plain request": payload(lambda data: b'["1","vault",{"number":666}]'),
    "a plain reply": payload(lambda data: b'["1",null,{"number":666}]'),
    "a plain goodbye": payload(lambda data: b"\x15\x03\x03\x00\x02\x01\x00"),
    "a plain goodbye before it": payload(lambda data: b"\x15\x03\x03\x00\x02\x01\x00" + data),
    "swallowed and forged": lambda letter: [letter.having(payload=b"\x17\x03\x03\x00\x20" + bytes(32)), letter],
}


@pytest.mark.parametrize(
    ("change", "number"),
    some(itertools.product(CHANGES.values(), range(len(CARRYING))), 3),
    ids=[" ".join(pair) for pair in itertools.product(CHANGES, names(CARRYING))],
)
def test_a_letter_that_says_something_else_ends_in_an_error(change: Change, number: int) -> None:
    outcome, _ = attack(Alter(number, change))
    after_the_reply = number >= len(CARRYING) - GOODBYES - 1 - (CARRYING[-GOODBYES - 1].source == BERT_AT)
    assert isinstance(outcome, PeerError) or after_the_reply


@pytest.mark.parametrize("source", [ANNA_AT, BERT_AT], ids=["of Anna", "of Bert"])
@pytest.mark.parametrize("number", range(4))
def test_letters_in_another_order_end_in_an_error(source: Address, number: int) -> None:
    outcome, _ = attack(Swap(source, number))
    assert isinstance(outcome, PeerError)


async def test_requests_in_another_order_end_in_an_error() -> None:
    """Or one request in place of another, on a connection that has served one already."""

    async with play() as scene:
        assert isinstance(await scene.anna.ask(request(1)), Reply)
        scene.wire.on_path = Swap(ANNA_AT, 0)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(scene.anna.ask(request(number))) for number in (2, 3)]
        outcomes = [task.result() for task in tasks]
        assert all(isinstance(outcome, PeerError) for outcome in outcomes)
        assert len(scene.bert.served) == 1
        scene.check()


# -- repeats ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.0, 0.01, 0.2, 1.5, LATER])
async def test_every_letter_comes_twice_and_the_request_once(after: float) -> None:
    async with play() as scene:

        def repeat(letter: Letter) -> list[Letter]:
            asyncio.get_running_loop().call_later(after, scene.wire.forge, letter)
            return [letter]

        scene.wire.on_path = repeat
        outcome = await meet(scene)
        await asyncio.sleep(LATER)
        assert isinstance(outcome, Reply)
        assert len(scene.bert.served) == 1
        scene.check()


@pytest.mark.parametrize("source", [ANNA_AT, MALLORY_AT], ids=["from her address", "from another"])
async def test_an_exchange_that_is_sent_again_later_is_nothing(source: Address) -> None:
    async with play() as scene:
        assert isinstance(await meet(scene), Reply)
        for letter in tuple(scene.wire.seen):
            if letter.to == BERT_AT:
                scene.wire.forge(letter._replace(source=source))
                await asyncio.sleep(0.1)
        await asyncio.sleep(LATER)
        assert len(scene.bert.served) == 1
        scene.check()


async def play_back(wire: Wire, said: list[bytes], *, as_anna: bool, at_once: bool) -> None:
    """Say to Bert what Anna said, on a uTP connection of Mallory's own, which keeps to every rule."""

    def between(letter: Letter) -> list[Letter]:
        if letter.source == MALLORY_AT:
            return [letter._replace(source=ANNA_AT)]
        return [letter._replace(to=MALLORY_AT)] if letter.to == ANNA_AT else [letter]

    if as_anna:
        wire.on_path = between
    mallory = Party(wire, MALLORY_AT, Contexts(MALLORY))
    stream = await mallory.endpoint.connect(BERT_AT, timeout=5.0)
    for bytes_of_one in [b"".join(said)] if at_once else said:
        if stream.closed:
            break
        await stream.write(bytes_of_one)
        await asyncio.sleep(0.0 if at_once else 0.2)
    await asyncio.sleep(LATER)
    stream.abort()
    await mallory.close()


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in turns"])
@pytest.mark.parametrize("as_anna", [True, False], ids=["from her address", "from another"])
@pytest.mark.parametrize("resumed", [False, True], ids=["a first session", "a resumed one"])
async def test_what_anna_said_is_nothing_on_another_connection(resumed: bool, as_anna: bool, at_once: bool) -> None:
    async with play() as scene:
        outcomes, asked = [], [request(number) for number in range(1 + resumed)]
        for each in asked:
            before = len(scene.wire.seen)
            outcomes.append(await scene.anna.ask(each))
            await scene.anna.hang_up()
        assert scene.bert.door.statistics().resumed == resumed
        said = [letter.payload for letter in scene.wire.seen[before:] if letter.source == ANNA_AT and letter.payload]
        assert all(isinstance(outcome, Reply) for outcome in outcomes)
        await play_back(scene.wire, said, as_anna=as_anna, at_once=at_once)
        statistics = scene.bert.door.statistics()
        assert (statistics.secured, statistics.failed) == (1 + resumed, 1), "his was looked at, and refused"
        assert len(scene.bert.served) == 1 + resumed
        scene.check()


def extensions(hello: bytes) -> list[int]:
    """Return the kinds of extensions in the record of a ClientHello (RFC 8446 section 4.1.2)."""
    at = 5 + 4 + 2 + 32  # record, message, version, random
    at += 1 + hello[at]  # session id
    at += 2 + int.from_bytes(hello[at : at + 2], "big")  # ciphers
    at += 1 + hello[at] + 2  # compression, and the length of what follows
    kinds = []
    while at < len(hello):
        kinds.append(int.from_bytes(hello[at : at + 2], "big"))
        at += 4 + int.from_bytes(hello[at + 2 : at + 4], "big")
    return kinds


async def test_nothing_is_said_before_the_handshake_is_over() -> None:
    """No early data (0-RTT), which could be repeated: not offered even with a ticket."""

    async with play() as scene:
        hellos = []
        for number in (1, 2):
            before = len(scene.wire.seen)
            assert isinstance(await scene.anna.ask(request(number)), Reply)
            await scene.anna.hang_up()
            stream = b"".join(each.payload for each in scene.wire.seen[before:] if each.source == ANNA_AT)
            hellos.append(extensions(stream[: 5 + int.from_bytes(stream[3:5], "big")]))
        assert scene.bert.door.statistics().resumed == 1
        assert [41 in hello for hello in hellos] == [False, True], "pre_shared_key (RFC 8446 section 4.2)"
        assert [42 in hello for hello in hellos] == [False, False], "early_data"


async def test_a_request_of_an_earlier_session_is_nothing_in_a_later_one() -> None:
    async with play() as scene:
        assert isinstance(await scene.anna.ask(request(1)), Reply)
        old = scene.wire.carried(ANNA_AT)[-1].payload
        await scene.anna.hang_up()
        assert isinstance(await scene.anna.ask(request(2)), Reply)
        scene.wire.on_path = Alter(0, payload(lambda data: old))
        third = await scene.anna.ask(request(3))
        assert isinstance(third, PeerError)
        assert len(scene.bert.served) == 2
        scene.check()


# -- cuts ---------------------------------------------------------------------------------------------------------

LONG = "x" * 20_000  # fifteen letters and more
ends = pytest.mark.parametrize("kind", [FIN, RESET])


@ends
@pytest.mark.parametrize("number", [0, 2, 4, 5, 8, 12, 15])
async def test_half_a_reply_is_an_error(number: int, kind: PacketType) -> None:
    """A uTP connection is ended by anybody who sees it; what counts is the goodbye under the seal."""

    async with play() as scene:
        scene.bert.answer = lambda key, payload: {"to": payload, "secret": REPLY_SECRET, "long": LONG}
        scene.wire.on_path = Cut(BERT_AT, number, kind)
        outcome = await meet(scene)
        assert isinstance(outcome, PeerError)
        assert len(scene.bert.served) == (number > 3), "his first four are the handshake"
        scene.check()


@ends
@pytest.mark.parametrize("number", [0, 2, 4, 5, 8, 12, 15])
async def test_half_a_request_is_none(number: int, kind: PacketType) -> None:
    async with play() as scene:
        scene.wire.on_path = Cut(ANNA_AT, number, kind)
        asked = {"request": request(), "long": LONG}
        outcome = await scene.anna.ask(asked)
        await asyncio.sleep(LATER)
        assert isinstance(outcome, PeerError)
        assert scene.bert.served == []
        scene.check()


@ends
async def test_who_is_cut_off_and_asks_again_is_served_again(kind: PacketType) -> None:
    """What is not promised: that a request is served once. It is Anna who makes it twice, and she knows."""

    async with play() as scene:
        scene.wire.on_path = Cut(BERT_AT, 4, kind)
        outcome = await scene.anna.ask(request(), retry=1)
        assert isinstance(outcome, Reply)
        assert len(scene.bert.served) == 2
        scene.check()
