"""One cell of the matrix: a worker in a network of one kind, a consumer in one of another, a broker between.

All are the real command line, each in a namespace of its own; a grape and the broker are on a public machine. What is
measured is told by the programs themselves: when the broker had both, and when the sequence had come.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from tests.natlab.internet import Internet, Line, Public, Site, visiting
from tests.natlab.kinds import Kind
from tests.support.process import Program, ProgramFailed, grapevine, node

Running: TypeAlias = AbstractAsyncContextManager[Program]

SEQUENCE = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
BROKER_PORT = 4000
API_PORT = 30001
PATIENCE = 10.0  # seconds that the consumer waits for its reply: `consume --once`'s own default
HOPELESS = 5.0  # seconds that it waits where no reply is expected; why not is known after two, without UDP after seven
BIRTHDAY = 45.0  # seconds where ports have to be guessed: a round of 20, a pause, and half of another
PAIRS = 100.0  # seconds where both sides' ports have to be: a round of 20 opens the way in 8 of 9 tries
_CLIMBED = re.compile(r"open(?:ed)? by (?P<rung>[a-z ]+), (?P<packets>\d+) packets")
AND_ENDS = 5.0  # seconds more, in which it has to be gone
ROUGH = Line(delay=0.02, loss=0.05)  # each way between host and router: 80 ms from peer to peer and back, 10 % lost
SKEW = 0.15  # seconds between the starts of both sides, and that the later one's packets need to its router and back

PLAIN = (
    Kind.OPEN,
    Kind.FIREWALL,
    Kind.FULL_CONE,
    Kind.RESTRICTED,
    Kind.PORT_RESTRICTED,
    Kind.LINUX,
    Kind.LINUX_RACE,
    Kind.CGNAT,
)
SYMMETRIC = (Kind.SYM_ADDR, Kind.SYM_SEQ, Kind.SYM_RANDOM, Kind.SYM_BLOCK, Kind.CGNAT_SYM)
EASY = (Kind.OPEN, Kind.FULL_CONE, Kind.RESTRICTED)  # let a host in that was sent something, whatever its port


class Stuck(ProgramFailed):
    """A program that has to end does not."""


class Order(StrEnum):
    """Who is there first. `steady`: the worker is registered for some time, and then the consumer starts.

    `rough` is steady too, and both have a line that loses packets.
    """

    STEADY = "steady"
    WORKER_LATE = "worker late"
    CONSUMER_LATE = "consumer late"
    ROUGH = "rough"


@dataclass(frozen=True, slots=True)
class Nodes:
    """Which of the three are Node's, on libutp (`tests/interop/peer.js`); the others are ours."""

    broker: bool = False
    worker: bool = False
    consumer: bool = False

    def __str__(self) -> str:
        names = [field.name for field in fields(self) if getattr(self, field.name)]
        return "Node's " + " and ".join(names) if names else "all ours"


OURS = Nodes()


@dataclass(frozen=True, slots=True)
class Cell:
    """A pair of networks, in this order, who of both is late, and whose programs they are."""

    worker: Kind
    consumer: Kind
    order: Order = Order.STEADY
    nodes: Nodes = OURS

    @property
    def required(self) -> bool:
        """Whether both have to meet: all that can without a relay."""
        kinds = (self.worker, self.consumer)
        if all(kind in PLAIN for kind in kinds):
            return True
        if any(kind in SYMMETRIC for kind in kinds) and any(kind in EASY for kind in kinds):
            return True
        return self.climbed

    @property
    def climbed(self) -> bool:
        """Whether a rung beyond plain punching is needed, and can do it; ours alone know those."""
        kinds = {self.worker, self.consumer}
        if self.nodes != OURS or Kind.NO_UDP in kinds or kinds & set(EASY) or kinds <= set(PLAIN):
            return False
        return not kinds <= set(SYMMETRIC) or kinds <= {Kind.SYM_SEQ, Kind.SYM_BLOCK}

    @property
    def patience(self) -> float:
        """How long the consumer waits, in seconds."""
        if self.climbed:
            return PAIRS if {self.worker, self.consumer} <= set(SYMMETRIC) else BIRTHDAY
        return PATIENCE if self.required or Kind.NO_UDP in (self.worker, self.consumer) else HOPELESS

    def __str__(self) -> str:
        late = "" if self.order is Order.STEADY else f", {self.order}"
        whose = "" if self.nodes == OURS else f", {self.nodes}"
        return f"{self.worker} x {self.consumer}{late}{whose}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell. `seconds`: from when the broker had both to the reply; None where none came."""

    cell: Cell
    seconds: float | None
    moved: bool  # one answered from another port than the broker had seen: its NAT depends on the destination
    reason: str  # in the programs' own words
    transcript: str
    rung: str = ""  # what opened the way; empty for plain punching
    packets: int = 0  # of both sides, until the consumer had its reply: punches, and what the ladder sent

    @property
    def good(self) -> bool:
        """Whether it is as it has to be: met, or told why not."""
        return self.seconds is not None or (not self.cell.required and bool(self.reason))


class Town:
    """A public machine for a grape and a broker, and two sites; all of it for one cell."""

    def __init__(
        self, homes: Path, public: Public, worker: Site, consumer: Site, nodes: Nodes = OURS,
        second: Public | None = None,
    ) -> None:  # fmt: skip
        self.homes, self.public, self.worker, self.consumer, self.nodes = homes, public, worker, consumer, nodes
        self.second = second
        host = public.addresses[0]
        self.api = f"http://{host}:{API_PORT}"
        self.broker_address = f"{host}:{BROKER_PORT}"
        self._programs: list[Program] = []

    @asynccontextmanager
    async def run(self, *arguments: str, inside: Sequence[str]) -> AsyncIterator[Program]:
        """Run our command line somewhere, with settings of its own; it has begun to listen."""
        home = self.homes / f"{arguments[0]}-{len(self._programs)}"
        async with grapevine(*arguments, inside=inside, home=home) as program:
            self._programs.append(program)
            await program.event("listening")
            yield program

    @asynccontextmanager
    async def _node(self, role: str, inside: Sequence[str], **options: object) -> AsyncIterator[Program]:
        played = {"role": role, "service": "fibonacci_worker", **options}
        async with node("peer", played, inside=inside) as program:
            self._programs.append(program)
            yield program

    def grape(self) -> Running:
        """Run the grape."""
        return self.run("grape", "--dp", "20001", "--aph", str(API_PORT), "--bn", "", inside=self.public.inside)

    def broker(self) -> Running:
        """Run the broker."""
        inside, grape = self.public.inside, f"http://127.0.0.1:{API_PORT}"
        if self.nodes.broker:
            return self._node("broker", inside, port=BROKER_PORT, grape=grape)
        return self.run("broker", "--port", str(BROKER_PORT), "--grape", grape, inside=inside)

    def second_broker(self) -> Running:
        """Run another broker, on another machine: one host cannot see all that a router does."""
        assert self.second is not None
        return self.run("broker", "--port", str(BROKER_PORT), "--grape", self.api, inside=self.second.inside)

    def share(self, *more: str) -> Running:
        """Run the worker."""
        if self.nodes.worker:
            return self._node("broker-worker", self.worker.inside, grape=self.api)
        return self.run("share", "fibonacci", "--broker", "--grape", self.api, *more, inside=self.worker.inside)

    def consume(self, *more: str, seconds: float = PATIENCE) -> Running:
        """Run the consumer; ours ends after its first reply, or after so many seconds."""
        if self.nodes.consumer:
            return self._node("broker-client", self.consumer.inside, grape=self.api)
        waits = ("--once", "--timeout", f"{seconds:g}")
        arguments = ("consume", "fibonacci", *waits, "--broker", "--grape", self.api, *more)
        return self.run(*arguments, inside=self.consumer.inside)

    def transcript(self) -> str:
        """Return what all programs printed."""
        return "\n".join(program.transcript() for program in self._programs)


@asynccontextmanager
async def town(internet: Internet, cell: Cell) -> AsyncIterator[Town]:
    """Build what a cell needs, and remove it."""
    slow, usual = Line(delay=SKEW / 2), ROUGH if cell.order is Order.ROUGH else Line()
    worker = visiting(internet, cell.worker, slow if cell.order is Order.WORKER_LATE else usual)
    consumer = visiting(internet, cell.consumer, slow if cell.order is Order.CONSUMER_LATE else usual)
    with tempfile.TemporaryDirectory(prefix="grapevine-natlab-") as homes:
        async with worker as worker_site, consumer as consumer_site:
            public, second = await asyncio.to_thread(internet.public), await asyncio.to_thread(internet.public)
            try:
                yield Town(Path(homes), public, worker_site, consumer_site, cell.nodes, second)
            finally:
                await asyncio.to_thread(internet.remove, public.namespace, second.namespace)


async def meet(internet: Internet, cell: Cell) -> Outcome:
    """Try one cell. Raises ProgramFailed when a program does not start, or does not end."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(town(internet, cell))
        await stack.enter_async_context(place.grape())
        brokers = [await stack.enter_async_context(place.broker())]
        await brokers[0].event("announced")
        # Node's programs choose a broker at random and stay with it, so with two they may not meet for a while.
        if cell.nodes == OURS:
            second = await stack.enter_async_context(place.second_broker())
            await second.event("announced")
            brokers.append(second)
        worker, consumer = await _both(stack, place, cell)
        await _over(consumer, cell)
        return _judge(cell, brokers, worker, consumer, place)


async def _over(consumer: Program, cell: Cell) -> None:
    """Wait for the reply; a consumer of ours has to be gone then, or when its time is over."""
    try:
        await consumer.event("reply", timeout=cell.patience + AND_ENDS)
    except ProgramFailed as error:
        if cell.nodes.consumer:
            return
        if consumer.transport.get_returncode() is None:
            raise Stuck(f"the consumer does not end: {error}") from None
    if not cell.nodes.consumer:
        await consumer.wait(timeout=AND_ENDS)


async def _both(stack: AsyncExitStack, place: Town, cell: Cell) -> tuple[Program, Program]:
    """Start both sides in the cell's order."""
    if cell.order is Order.WORKER_LATE:
        consumer = await stack.enter_async_context(place.consume(seconds=cell.patience))
        await asyncio.sleep(SKEW)
        return await stack.enter_async_context(place.share()), consumer
    worker = await stack.enter_async_context(place.share())
    if cell.order is Order.CONSUMER_LATE:
        await asyncio.sleep(SKEW)
    else:
        await _registered(worker)
    return worker, await stack.enter_async_context(place.consume(seconds=cell.patience))


async def _registered(worker: Program) -> None:
    """Wait until a broker has it, or until it says why none does."""
    await worker.event("broker", lambda event: event["registered"] or "not" in event["message"])


def _judge(cell: Cell, brokers: Sequence[Program], worker: Program, consumer: Program, place: Town) -> Outcome:
    reply = next((event for event in consumer.events if event["event"] == "reply"), None)
    if reply is None:
        return Outcome(cell, None, False, _reason(consumer) or _reason(worker), place.transcript())
    both = [at for at in map(_had_both, brokers) if at is not None]
    host = reply["from"].rsplit(":", 1)[0]
    if reply["data"] != SEQUENCE or host != place.worker.outside or not both:
        return Outcome(cell, None, False, "", f"a reply that should not be: {reply}\n{place.transcript()}")
    rung, packets = _spent(worker, consumer)
    seconds = max(0.0, reply["at"] - min(both))
    moved, reason = _moved(worker, consumer), _reason(consumer)
    return Outcome(cell, seconds, moved, reason, place.transcript(), rung, packets)


def _had_both(broker: Program) -> float | None:
    """Return when a broker had both sides, in Unix seconds; None: one of them came too late, or not there."""
    seen = {event["server"]: event["at"] for event in broker.events if event["event"] == "registered"}
    return max(seen.values()) if len(seen) == 2 else None


def _spent(*programs: Program) -> tuple[str, int]:
    """Return the rung that opened the way, and how many packets both sides sent for it."""
    rungs: list[str] = []
    packets = sum(program.count("punch-sent") for program in programs)
    for program in programs:
        for event in program.events:
            if event["event"] == "punch-ended" and (said := _CLIMBED.search(str(event["reason"]))):
                packets += int(said["packets"])
                rungs += [said["rung"]] if event["open"] else []
    return next(iter(rungs), ""), packets


def _moved(*programs: Program) -> bool:
    ended = [event for each in programs for event in each.events if event["event"] == "punch-ended"]
    return any(event["observed"] not in (None, f"{event['address']}:{event['port']}") for event in ended)


def _reason(program: Program) -> str:
    """Return what it said last about meeting the other, or why no broker has it; empty when it said neither."""
    ended = [str(event["reason"]) for event in program.events if event["event"] == "punch-ended"]
    broker = [event for event in program.events if event["event"] == "broker"]
    if ended:
        return ended[-1]
    return str(broker[-1]["message"]) if broker and not broker[-1]["registered"] else ""
