"""The other side of a session, a lane or a request lies about where it is, for ten minutes: a bystander gets little.

The engines are the real ones, under the real rule, on a clock moved by hand. The other side has all keys, and can send
with any source address. The bounds are those of issue 11: 2 packets a second, 20 in a row, three times its own bytes.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from core.calling.outgoing import Outgoing
from core.calling.race import Race
from core.datagrams.config import DatagramConfig
from core.datagrams.mux import Mux
from core.datagrams.seal import Sealer
from core.errors import PeerError, RequestTimeout
from core.net.endpoint import EndpointConfig
from core.reach.outreach import Outreach
from core.relay.config import LaneConfig
from core.relay.keys import LinkKeys
from core.relay.lanes import Lanes
from core.values import Address, Burst
from core.wire.datagram_keys import EXPORTED_BYTES, split_keys
from core.wire.datagram_packet import Data, pack_content
from core.wire.datagram_packet import Ping as Question
from core.wire.relay_packet import Ping, pack_beat
from tests.relay.sides import BOB, FAY, RELAY, SALT, SECRET
from tests.support.samples import some
from tests.support.virtual_time import run

SECONDS = 300.0
STEP = 0.02  # seconds between two lies
RATE, ROW, TIMES, HEADERS = 2.0, 20, 3, 28
VICTIM = "203.0.113.66"
LIAR = Address("198.51.100.7", 5000)


class Bystander:
    """What a host gets, and what the liar spent."""

    def __init__(self) -> None:
        self.packets = self.bytes = self.spent = 0
        self.row = 0.0
        self._before = 0.0

    def note(self, bursts: list[Burst], now: float) -> None:
        for burst in bursts:
            for each in burst.datagrams if burst.to.host == VICTIM else ():
                self.packets += 1
                self.bytes += len(each) + HEADERS
                level = max(0.0, self._level - (now - self._before) * RATE) + 1.0
                self._level, self._before, self.row = level, now, max(self.row, level)

    _level = 0.0

    def check(self) -> None:
        assert self.packets, "the lies do nothing at all"
        assert self.row <= ROW
        assert (self.packets - ROW) / SECONDS < RATE
        assert self.bytes <= TIMES * self.spent


def times() -> Iterator[tuple[int, float]]:
    """Return the numbers and times of the lies."""
    for number in range(int(SECONDS / STEP)):
        yield number, 1.0 + number * STEP


def lied(number: int, *, ports: int) -> Address:
    return Address(VICTIM, 1024 + number % ports)


@pytest.mark.parametrize("ports", some([60_000, 1], 2))
@pytest.mark.parametrize("asks", [True, False], ids=["questions", "datagrams"])
@pytest.mark.parametrize("sessions", some([8, 1], 2))
def test_the_datagrams_of_a_session(sessions: int, asks: bool, ports: int) -> None:
    rule, bystander = Outreach(), Bystander()
    mux = Mux(DatagramConfig(), Random(1), rule.may_answer)
    sealers = []
    for session in range(sessions):
        ours, theirs = (split_keys(bytes([session]) * EXPORTED_BYTES, initiator=first) for first in (True, False))
        assert mux.open(ours, LIAR) is not None
        sealers.append(Sealer(theirs.send))
    rule.validated(LIAR, 0.5)
    for number, now in times():
        sealer = sealers[number % sessions]
        data = sealer.seal(pack_content(Question(number) if asks else Data(1, b"x")))
        mux.receive([data], lied(number // sessions, ports=ports), now)
        bystander.spent += len(data) + HEADERS
        bystander.note(mux.transmit(now), now)
    bystander.check()


@pytest.mark.parametrize("ports", some([60_000, 1], 2))
@pytest.mark.parametrize("way", ["from there", "names it"])
def test_the_beats_of_a_lane(way: str, ports: int) -> None:
    rule, bystander, here = Outreach(), Bystander(), Address("192.0.2.1", 4000)

    def may(address: Address, now: float, by: str) -> bool:
        rule.told(address, now)
        return rule.take(address, now)

    lanes = Lanes(LaneConfig(), Random(1), lambda peer: [here], may, rule.may_acknowledge)
    theirs = LinkKeys(SECRET, *SALT, first=False)
    lanes.open(BOB, FAY, lambda: RELAY, b"slot 001", LinkKeys(SECRET, *SALT, first=True), 0.0)
    rule.validated(RELAY, 0.5)
    for number, now in times():
        named = tuple(lied(8 * number + each, ports=ports) for each in range(8)) if way == "names it" else ()
        beat = theirs.seal(pack_beat(Ping(number, named)))
        if way == "names it":
            beat = theirs.frame(b"slot 001", beat)
            beat = bytes((0xFC,)) + beat[1:]
            lanes.receive([beat], RELAY, now)
        else:
            lanes.receive([beat], lied(number, ports=ports), now)
        bystander.spent += len(beat) + HEADERS
        lanes.tick(now)
        bystander.note(lanes.transmit(now), now)
    bystander.check()


class Socket:
    """Sends SYNs as uTP does, and gets no answer."""

    def __init__(self, bystander: Bystander) -> None:
        self._bystander = bystander

    async def connect(self, remote: Address, *, timeout: float) -> object:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                for pause in (1.0, 2.0, 4.0, *[4.0] * 1000):
                    self._bystander.note([Burst(remote, [bytes(20)])], loop.time())
                    await asyncio.sleep(pause)
        except TimeoutError:
            raise RequestTimeout("nobody") from None
        raise AssertionError

    def punch(self, remote: Address, *, packets: int | None = None, openers: int = 0) -> None:
        raise AssertionError


class Own:
    def is_self(self, address: Address) -> bool:
        return False

    def is_beside(self, address: Address) -> bool:
        return False


@asynccontextmanager
async def lies(race: Race, number: int, bystander: Bystander, outgoing: Outgoing) -> AsyncIterator[None]:
    """Name the bystander to a search, ten times a second: as a relay, a broker, letters and the directory do."""

    async def say() -> None:
        for lie in range(10_000):
            for address in outgoing.told([lied(lie * 2 + number, ports=60_000), lied(7, ports=8)]):
                bystander.spent += 100
                race.add(address, 0.0 if lie % 3 else 0.5)
            await asyncio.sleep(0.1)

    task = asyncio.get_running_loop().create_task(say())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("at_once", some([1, 6], 2))
def test_the_late_ways_of_a_request(at_once: int) -> None:
    """Requests go on all the time; all that look for the peer name the bystander to each, again and again."""
    bystander = Bystander()

    async def one(outgoing: Outgoing, number: int) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < SECONDS:
            race = Race(outgoing.connect, 10.0, patient=True, stagger=0.0)
            async with lies(race, number, bystander, outgoing):
                with pytest.raises(PeerError):
                    await race.winner([])
            number += 100

    async def scene() -> None:
        outgoing = Outgoing(Socket(bystander), Outreach(), Own())  # type: ignore[arg-type]
        await asyncio.gather(*(one(outgoing, number) for number in range(at_once)))

    run(scene())
    bystander.check()


def test_the_endpoint_asks_the_rule_for_all_of_them() -> None:
    """What the tests above hand to the engines is what `core.net.endpoint` and `core.wiring_relays` hand to them."""
    asked: list[Address] = []

    def rule(source: Address, now: float) -> bool:
        asked.append(source)
        return False

    from tests.rendezvous.hostile import US, Scene

    async def scene() -> None:
        endpoint = Scene().endpoint(US, EndpointConfig(may_answer=rule))
        ours, theirs = (split_keys(bytes(EXPORTED_BYTES), initiator=first) for first in (True, False))
        mux = endpoint._beside.mux
        assert mux.open(ours, LIAR) is not None
        mux.receive([Sealer(theirs.send).seal(pack_content(Question(1)))], Address(VICTIM, 1), 1.0)
        assert mux.transmit(1.0) == []
        await endpoint.close()

    run(scene())
    assert asked == [Address(VICTIM, 1)] * 2
