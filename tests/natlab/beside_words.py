"""What HyperDHT and iroh reached beside us, as a part of docs/nat-matrix.md: made of our table and of their results."""

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from tests.natlab.kinds import Kind

HYPERDHT, IROH, OURS = "HyperDHT", "iroh", "Grapevine"
Times: TypeAlias = Mapping[tuple[Kind, Kind], float | None]
HEADING = "## Beside HyperDHT and iroh"
_NEXT = re.compile(r"\n## ")
_CELL = re.compile(r"(?P<seconds>\d+\.\d)[A-Z*/]* \d+")
_WORDS = f"""{HEADING}

The same networks, with HyperDHT 6.34.0 (npm) and iroh 1.2.0 (PyPI, relay off), made by `python -m tests.natlab.beside`.
Each pair was tried once, for at most 20 s, again and again within that time where the program gave up sooner.

**HyperDHT** has a DHT of 12 nodes, each at a public address of its own. The time is from `connect` of a peer that knows
the DHT to the first echo. It includes the look-up. **iroh** has neither relay nor discovery here, and without its relay
it punches nothing by itself. So both peers connect to a third endpoint from the socket that they use afterwards. It
tells each of the other, with the address that it sees, and both dial at once. The time is from then. With a relay iroh
would also pass the packets on, and that would join every pair; this table is about direct paths. **Grapevine**'s
time is that of the table above: from when the broker knows both sides. The three therefore measure nearly the same, not
quite the same. The machine was busy with other work at the time. Paths here have next to
no delay, so where plain punching does, iroh is there at once. HyperDHT and we take 0.1 s: our openers go on until the
other side's own packets have left, which is what opens linux-race.

"""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a pair. `seconds` to the first echo; None: not met."""

    system: str
    one: Kind
    other: Kind
    seconds: float | None
    reason: str

    def line(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> "Result":
        """Read such a line."""
        said = json.loads(line)
        return cls(said["system"], Kind(said["one"]), Kind(said["other"]), said["seconds"], said["reason"])

    def __str__(self) -> str:
        return f"{self.system}: {self.one} x {self.other}: {self.reason if self.seconds is None else self.seconds}"


def ours(page: str) -> dict[tuple[Kind, Kind], float | None]:
    """Read the times of the first table of the page."""
    found: dict[tuple[Kind, Kind], float | None] = {}
    table = page.partition("\n| worker \\ consumer |")[2].partition("\n\n")[0].splitlines()
    for row in table[2:]:
        name, *cells = [cell.strip() for cell in row.strip("|").split("|")]
        for other, cell in zip(Kind, cells, strict=True):
            if cell:
                said = _CELL.fullmatch(cell)
                found[Kind(name.strip("*")), other] = float(said["seconds"]) if said else None
    return found


def replaced(page: str, results: Sequence[Result]) -> str:
    """Return the page with this part new."""
    before, _, rest = page.partition(f"\n{HEADING}\n")
    after = _NEXT.search(rest)
    kept = rest[after.start() :] if after else ""
    if not rest:  # before what is said of those that did not meet
        before, said, kept = before.partition("\n## What the others were told")
        kept = said + kept
    return f"{before.rstrip()}\n\n{part(ours(page), results)}{kept}"


def kept(page: str) -> str:
    """Return this part of a page, to be kept when the rest is made again."""
    _, found, rest = page.partition(f"\n{HEADING}\n")
    after = _NEXT.search(rest)
    return found + (rest[: after.start()] if after else rest) if found else ""


def part(own: Times, results: Sequence[Result]) -> str:
    """Return the part."""
    systems: dict[str, Times] = {OURS: own}
    for name in (HYPERDHT, IROH):
        times = {(each.one, each.other): each.seconds for each in results if each.system == name}
        if times:
            systems[name] = times
    return _WORDS + _summary(systems) + "\n" + _table(systems) + _read(systems)


def _summary(systems: Mapping[str, Times]) -> str:
    pairs = [pair for pair in systems[OURS] if all(pair in times for times in systems.values())]
    everybody = [pair for pair in pairs if all(times[pair] is not None for times in systems.values())]
    lines = [f"| | pairs met, of {len(pairs)} | median | of the {len(everybody)} that all met | slowest of those |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for name, times in systems.items():
        met = [seconds for pair in pairs if (seconds := times[pair]) is not None]
        same = [seconds for pair in everybody if (seconds := times[pair]) is not None]
        lines.append(f"| {name} | {len(met)} | {_seconds(met)} | {_seconds(same)} | {max(same, default=0):.1f} s |")
    return "\n".join([*lines, ""])


def _seconds(times: Sequence[float]) -> str:
    return f"{_short(statistics.median(times))} s" if times else ""


def _table(systems: Mapping[str, Times]) -> str:
    lines = [f"| {' / '.join(systems)} | {' | '.join(Kind)} |", "| --- " * (len(Kind) + 1) + "|"]
    for one in Kind:
        cells = (" / ".join(_cell(times, (one, other)) for times in systems.values()) for other in Kind)
        lines.append(f"| **{one}** | {' | '.join(cell.strip(' /') for cell in cells)} |")
    return "\n".join([*lines, ""])


def _cell(times: Times, pair: tuple[Kind, Kind]) -> str:
    if pair not in times:
        return ""
    seconds = times[pair]
    return "-" if seconds is None else _short(seconds)


def _short(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 0.095 else f"{seconds:.2f}"


def _read(systems: Mapping[str, Times]) -> str:
    alone = [name for name in (HYPERDHT, IROH) if name in systems]
    lines = []
    for name in alone:
        own, theirs = systems[OURS], systems[name]
        only = sorted(f"{a} x {b}" for a, b in theirs if theirs[a, b] is not None and own.get((a, b)) is None)
        lines.append(f"Met by {name} and not by us: {', '.join(only) or 'none'}.")
    return "\n" + "\n".join(lines) + "\n" if lines else ""
