"""One cell of the matrix: a worker in a network of one kind, a consumer in one of another, a broker between.

All are the real command line, each in a namespace of its own; a grape and the broker are on a public machine. What is
measured is told by the programs themselves: when the broker had both, and when the sequence had come.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from tests.natlab.internet import Internet, Line, Public, Site, visiting
from tests.natlab.kinds import Kind
from tests.support.process import Program, grapevine

Running: TypeAlias = AbstractAsyncContextManager[Program]

SEQUENCE = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
BROKER_PORT = 4000
API_PORT = 30001
PATIENCE = 10.0  # seconds that the consumer waits for its reply: `consume --once`'s own default
HOPELESS = 5.0  # seconds that it waits where no reply is expected; why not is known after two, without UDP after seven
AND_ENDS = 5.0  # seconds more, in which it has to be gone; starting it is in them
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


class Order(StrEnum):
    """Who is there first. `steady`: the worker is registered for some time, and then the consumer starts."""

    STEADY = "steady"
    WORKER_LATE = "worker late"
    CONSUMER_LATE = "consumer late"


@dataclass(frozen=True, slots=True)
class Cell:
    """A pair of networks, in this order, and who of both is late."""

    worker: Kind
    consumer: Kind
    order: Order = Order.STEADY

    @property
    def required(self) -> bool:
        """Whether both have to meet: what plain punching from both sides can do."""
        kinds = (self.worker, self.consumer)
        if all(kind in PLAIN for kind in kinds):
            return True
        return any(kind in SYMMETRIC for kind in kinds) and any(kind in EASY for kind in kinds)

    @property
    def patience(self) -> float:
        """How long the consumer waits, in seconds."""
        return PATIENCE if self.required or Kind.NO_UDP in (self.worker, self.consumer) else HOPELESS

    def __str__(self) -> str:
        late = "" if self.order is Order.STEADY else f", {self.order}"
        return f"{self.worker} x {self.consumer}{late}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell. `seconds`: from when the broker had both to the reply; None where none came."""

    cell: Cell
    seconds: float | None
    moved: bool  # one answered from another port than the broker had seen: its NAT depends on the destination
    reason: str  # in the programs' own words
    transcript: str

    @property
    def good(self) -> bool:
        """Whether it is as it has to be: met, or told why not."""
        return self.seconds is not None or (not self.cell.required and bool(self.reason))


class Town:
    """A public machine with a grape and a broker, and two sites; all of it for one cell."""

    def __init__(self, homes: Path, public: Public, worker: Site, consumer: Site) -> None:
        self.homes, self.public, self.worker, self.consumer = homes, public, worker, consumer
        host = public.addresses[0]
        self.api = f"http://{host}:{API_PORT}"
        self.broker_address = f"{host}:{BROKER_PORT}"
        self._programs: list[Program] = []

    @asynccontextmanager
    async def run(self, *arguments: str, inside: Sequence[str]) -> AsyncIterator[Program]:
        """Run our command line somewhere, with settings of its own."""
        home = self.homes / f"{arguments[0]}-{len(self._programs)}"
        async with grapevine(*arguments, inside=inside, home=home) as program:
            self._programs.append(program)
            yield program

    @asynccontextmanager
    async def grape(self) -> AsyncIterator[Program]:
        """Run the grape; it is ready."""
        arguments = ("grape", "--dp", "20001", "--aph", str(API_PORT), "--bn", "")
        async with self.run(*arguments, inside=self.public.inside) as grape:
            await grape.event("listening")
            yield grape

    def broker(self) -> Running:
        """Run the broker."""
        arguments = ("broker", "--port", str(BROKER_PORT), "--grape", f"http://127.0.0.1:{API_PORT}")
        return self.run(*arguments, inside=self.public.inside)

    def share(self, *more: str) -> Running:
        """Run the worker."""
        return self.run("share", "fibonacci", "--broker", "--grape", self.api, *more, inside=self.worker.inside)

    def consume(self, *more: str, seconds: float = PATIENCE) -> Running:
        """Run the consumer."""
        waits = ("--once", "--timeout", f"{seconds:g}")
        arguments = ("consume", "fibonacci", *waits, "--broker", "--grape", self.api, *more)
        return self.run(*arguments, inside=self.consumer.inside)

    def transcript(self) -> str:
        """Return what all programs printed."""
        return "\n".join(program.transcript() for program in self._programs)


@asynccontextmanager
async def town(internet: Internet, cell: Cell) -> AsyncIterator[Town]:
    """Build what a cell needs, and remove it."""
    slow = Line(delay=SKEW / 2)
    worker = visiting(internet, cell.worker, slow if cell.order is Order.WORKER_LATE else None)
    consumer = visiting(internet, cell.consumer, slow if cell.order is Order.CONSUMER_LATE else None)
    with tempfile.TemporaryDirectory(prefix="grapevine-natlab-") as homes:
        async with worker as worker_site, consumer as consumer_site:
            public = await asyncio.to_thread(internet.public)
            try:
                yield Town(Path(homes), public, worker_site, consumer_site)
            finally:
                await asyncio.to_thread(internet.remove, public.namespace)


async def meet(internet: Internet, cell: Cell) -> Outcome:
    """Try one cell. Raises ProgramFailed when not even grape and broker start."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(town(internet, cell))
        await stack.enter_async_context(place.grape())
        broker = await stack.enter_async_context(place.broker())
        await broker.event("announced")
        worker, consumer = await _both(stack, place, cell)
        try:
            await consumer.wait(timeout=cell.patience + AND_ENDS)
        except TimeoutError:
            return Outcome(cell, None, False, "", f"the consumer does not end\n{place.transcript()}")
        return _judge(cell, broker, worker, consumer, place)


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


def _judge(cell: Cell, broker: Program, worker: Program, consumer: Program, place: Town) -> Outcome:
    reply = next((event for event in consumer.events if event["event"] == "reply"), None)
    if reply is None:
        return Outcome(cell, None, False, _reason(consumer) or _reason(worker), place.transcript())
    seen = {event["server"]: event for event in broker.events if event["event"] == "registered"}
    host = reply["from"].rsplit(":", 1)[0]
    if reply["data"] != SEQUENCE or host != place.worker.outside or len(seen) < 2:
        return Outcome(cell, None, False, "", f"a reply that should not be: {reply}\n{place.transcript()}")
    both = max(event["at"] for event in seen.values())
    return Outcome(cell, max(0.0, reply["at"] - both), _moved(worker, consumer), _reason(consumer), place.transcript())


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
