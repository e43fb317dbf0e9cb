"""Pairs that punching cannot join, with a friend of both on a public machine: what comes by way of the friend.

`python -m tests.natlab.relayed` tries all of them, and writes the times into docs/nat-matrix.md.

Anna shares, Bert asks, Fay passes on; a grape and a broker are on another public machine. All are the real command
line but Bert, who runs already and is told when to ask (`tests.natlab.asker`): what is measured is the request alone.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.natlab import namespaces as ns
from tests.natlab.internet import Internet, Line, Public, Site, internet, visiting
from tests.natlab.kinds import Kind
from tests.natlab.matrix import ROUGH, SEQUENCE, Cell, Order
from tests.natlab.report import with_relayed
from tests.streams_real import environment, own
from tests.support.process import Program, ProgramFailed, grapevine, running
from tests.support.tools import ROOT, problem

PAGE = ROOT / "docs" / "nat-matrix.md"
API, BROKER = 30001, 4000  # ports of the public machine
UP_WITHIN = 60.0  # seconds until all wait at the relay, on a machine that is busy
ANSWER_WITHIN = 20.0  # seconds for the request
NAMES = ("anna", "bert", "fay")
_WALL = """
table ip wall {{}}
delete table ip wall
table ip wall {{
  chain forward {{ type filter hook forward priority filter; policy accept;
    {drop}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Relayed:
    """What came of a pair. `seconds`: from the question to the answer, with all up; None where none came."""

    cell: Cell
    seconds: float | None
    badges: tuple[str, ...] = ()  # how the asker says that it is connected
    reason: str = ""


@dataclass(slots=True)
class Trio:
    """Who is where, and what runs."""

    world: Internet
    folder: Path
    public: Public
    fay_at: Public
    anna: Site
    bert: Site
    ids: dict[str, str]
    programs: list[Program] = field(default_factory=list)

    @property
    def grape(self) -> str:
        """The grape's HTTP API."""
        return f"http://{self.public.addresses[0]}:{API}"

    @asynccontextmanager
    async def run(self, who: str, *arguments: str) -> AsyncIterator[Program]:
        """Run a command line of somebody's, with the broker."""
        inside = {"anna": self.anna.inside, "bert": self.bert.inside, "fay": self.fay_at.inside}[who]
        more = ("--broker", "--grape", self.grape)
        async with grapevine(*arguments, *more, inside=inside, home=self.folder / who) as program:
            self.programs.append(program)
            yield program

    @asynccontextmanager
    async def asker(self) -> AsyncIterator[Program]:
        """Run Bert, who asks when he is told to."""
        command = [*self.bert.inside, sys.executable, "-m", "tests.natlab.asker", self.grape]
        async with running("asker", command, env=environment(self.folder / "bert")) as program:
            self.programs.append(program)
            await program.event("opened")
            yield program

    def wall(self, stands: bool) -> None:
        """Let no UDP pass directly between the two homes, or let it pass again."""
        one, other = self.anna.outside, self.bert.outside
        rules = (f"ip saddr {a} ip daddr {b} meta l4proto udp drop" for a, b in ((one, other), (other, one)))
        drop = "\n    ".join(rules) if stands else ""
        ns.run(*ns.inside(self.world.core), "nft", "-f", "-", stdin=_WALL.format(drop=drop))

    def transcript(self) -> str:
        """Return what all programs printed."""
        return "\n".join(program.transcript() for program in self.programs)


async def acquainted(folder: Path) -> dict[str, str]:
    """Make the identities, each of which trusts the others; return their Peer IDs by name."""
    made = await asyncio.gather(*(own(folder / name, "id") for name in NAMES))
    ids = {name: done.out.decode().strip() for name, done in zip(NAMES, made, strict=True)}

    async def trust(name: str) -> None:
        for other in NAMES:
            if other != name:
                done = await own(folder / name, "trust", "add", ids[other], "--name", other)
                assert done.code == 0, done.err

    await asyncio.gather(*map(trust, NAMES))
    return ids


async def waits(program: Program) -> None:
    """Wait until a program waits at a relay."""
    await program.event("relays", lambda event: bool(event["ready"]), timeout=UP_WITHIN)


def unmeetable() -> list[Cell]:
    """Return the pairs that nothing but a relay connects, in both orders: either may be the one that asks."""
    kinds = list(Kind)
    pairs = (Cell(one, other) for one in kinds for other in kinds)
    return [cell for cell in pairs if not cell.required]


ON_ROUGH_LINES = (Cell(Kind.LINUX_RACE, Kind.CGNAT, Order.ROUGH), Cell(Kind.CGNAT, Kind.LINUX_RACE, Order.ROUGH))
"""Pairs that lost packets may keep apart."""


@asynccontextmanager
async def trio(
    world: Internet, folder: Path, anna: Site, bert: Site, ids: dict[str, str], *,
    broker: Sequence[str] = (), friend: bool = True, fay: Sequence[str] = ("fibonacci",),
) -> AsyncIterator[Trio]:  # fmt: skip
    """Run grape, broker and Fay. `broker`: more options of it; `friend`: whether Fay is there; `fay`: what she shares.

    A failure within shows what all programs printed.
    """
    async with AsyncExitStack() as stack:
        public, fay_at = await asyncio.to_thread(world.public), await asyncio.to_thread(world.public)
        stack.callback(world.remove, public.namespace, fay_at.namespace)
        place = Trio(world, folder, public, fay_at, anna, bert, ids)
        api = f"http://127.0.0.1:{API}"
        for arguments, event in (
            (("grape", "--dp", "20001", "--aph", str(API), "--bn", ""), "listening"),
            (("broker", "--port", str(BROKER), "--grape", api, *broker), "announced"),
        ):
            program = await stack.enter_async_context(
                grapevine(*arguments, inside=public.inside, home=folder / f"public-{arguments[0]}")
            )
            place.programs.append(program)
            await program.event(event)
        if friend:
            sharing = await stack.enter_async_context(place.run("fay", "share", *fay))
            await sharing.event("broker", lambda event: bool(event["registered"]))
        try:
            yield place
        except (AssertionError, RuntimeError) as error:
            raise AssertionError(f"{error}\n{place.transcript()}") from None


async def meet_by_friend(world: Internet, cell: Cell, ids: dict[str, str], homes: Path) -> Relayed:
    """Try one pair: Bert asks Anna by her Peer ID when both wait at Fay. Raises AssertionError."""
    line = ROUGH if cell.order is Order.ROUGH else Line()
    async with AsyncExitStack() as stack:
        anna = await stack.enter_async_context(visiting(world, cell.worker, line))
        bert = await stack.enter_async_context(visiting(world, cell.consumer, line))
        return await ask_by_relay(cell, await stack.enter_async_context(trio(world, homes, anna, bert, ids)))


async def ask_by_relay(cell: Cell, place: Trio) -> Relayed:
    """Have Bert ask Anna when both wait at a relay. Raises AssertionError."""
    target = place.ids["anna"]
    async with place.run("anna", "share", "fibonacci") as sharing, place.asker() as asker:
        await asker.command("ready", target=target, relays=1, patience=UP_WITHIN)
        await waits(sharing)
        try:
            told = await asker.command("ask", target=target, timeout=ANSWER_WITHIN, patience=2 * ANSWER_WITHIN)
        except RuntimeError as error:
            return Relayed(cell, None, (), f"{error}\n{place.transcript()}")
        assert told["data"] == SEQUENCE, told
        way = await asker.command("path", target=target)
        return Relayed(cell, told["seconds"], tuple(way["badges"]))


async def attempt(world: Internet, cell: Cell) -> Relayed:
    """Try a pair with people of its own; whatever happens becomes its outcome."""
    with tempfile.TemporaryDirectory(prefix="grapevine-natlab-") as homes:
        try:
            return await meet_by_friend(world, cell, await acquainted(Path(homes)), Path(homes))
        except (ProgramFailed, AssertionError, OSError, TimeoutError) as error:
            return Relayed(cell, None, (), str(error))


async def all_of(world: Internet, cells: Sequence[Cell], lanes: int = 3) -> list[Relayed]:
    """Try all, so many at a time, and tell of each."""
    waiting, done = list(cells), list[Relayed]()

    async def lane() -> None:
        while waiting:
            outcome = await attempt(world, waiting.pop(0))
            done.append(outcome)
            said = (
                outcome.reason if outcome.seconds is None else f"{outcome.seconds:.2f} s, {', '.join(outcome.badges)}"
            )
            print(f"[{len(done)}/{len(cells)}] {outcome.cell}: {said}", flush=True)  # noqa: T201

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())
    return done


def times(outcomes: Sequence[Relayed]) -> dict[tuple[Kind, Kind, Order], str | None]:
    """Return how long each pair took, with a letter for how; None where it did not meet."""
    return {(each.cell.worker, each.cell.consumer, each.cell.order): _words(each) for each in outcomes}


def _words(outcome: Relayed) -> str | None:
    if outcome.seconds is None:
        return None
    return f"{outcome.seconds:.1f}{'R' if any('relayed' in badge for badge in outcome.badges) else 'T'}"


def main() -> int:
    """Try all, and write the page; 1 when one does not meet."""
    if reason := problem("natlab"):
        print(f"natlab: {reason}", file=sys.stderr)  # noqa: T201
        return 2
    with internet() as world:
        outcomes = asyncio.run(all_of(world, [*unmeetable(), *ON_ROUGH_LINES]))
    PAGE.write_text(with_relayed(PAGE.read_text(), times(outcomes)))
    met = sum(each.seconds is not None for each in outcomes)
    print(f"{met} of {len(outcomes)} pairs were joined by a friend")  # noqa: T201
    return 0 if met == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
