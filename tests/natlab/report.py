"""The matrix as a page: docs/nat-matrix.md."""

import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence

from tests.natlab.kinds import Kind
from tests.natlab.matrix import OURS, Order, Outcome

RUNGS = {"predicted port": "P", "predicted ports": "E", "birthday": "B", "port blocks": "K"}
_HEAD = """# Which networks meet

Can two peers connect when both are behind routers, with the help of a broker? This page has the answer for each pair
of 14 kinds of networks. It is made by `make natlab`; do not edit it by hand.

A worker (`grapevine share fibonacci --broker`) is in a network of the kind on the left, a consumer (`grapevine consume
fibonacci --broker --once`) in one of the kind above. A grape and `grapevine broker` are on a public machine. All are
real processes in network namespaces with nftables rules, and the kernel forwards the packets. A test proves that each
kind behaves as its name says, with the questions of RFC 5780 (`tests/natlab/test_internet.py`).

| kind | what it is |
| --- | --- |
| open | a public address |
| firewall | a public address, and only answers come in |
| full-cone | a NAT with one port for all destinations, and anybody may send to it |
| restricted | the same, but only hosts that were sent something may send to it |
| port-restricted | the same, but only addresses that were sent something may |
| linux | port-restricted, and the port outside is the one inside |
| linux-race | as linux, but an unknown packet from outside takes that port: the early-packet trap |
| sym-addr | symmetric: another port for each remote host |
| sym-seq, sym-random, sym-block | a port for each remote address: the next one, any, any of a block of 1,008 |
| no-udp | only TCP gets out |
| cgnat, cgnat-sym | a home router behind a carrier's: a full cone, and one with random ports |

"""

_READ = """
**The first number** is the median time in seconds, from when the broker knows both sides to the reply; 0.3 of them are
the openers. **The second** is how many packets both sides sent to open the way. A letter says which rung of the ladder
it was; none: plain punching from both sides. **P**: one side's ports are in order, and the next one was predicted.
**E**: both sides' were. **B**: birthday, one side opens many ports and the other finds one. **K**: pairs of ports out
of small blocks. `*`: one side answered from another port than the broker had seen, and was met there. **R**: nothing
but a relay connects this pair. Either both routers give each destination another port, one of them any port, or there
is no UDP. A friend of both on a public machine passes the packets on, over TCP where there is no UDP. The number is
from the question, by Peer ID, to the answer, while all run and wait at the friend. It includes 0.3 s in which direct
ways are tried alone. **T**: one side is on a public machine, and is reached over TCP itself. Both letters are made by
`python -m tests.natlab.relayed`. **RED**: should meet, and did not each
time.

The lab leaves out other customers of a router, quotas and rate limits. Paths are short unless it says otherwise.
docs/ipv6.md has pairs of homes that have IPv6 besides.
Two brokers help: one host cannot see whether a router gives each host another port.
"""

_LATE = """
## One side late

The same pairs, but one side starts 150 ms after the other, and its packets take 75 ms to its own router. So that router
hears the other side before its own side has sent anything. Each number is the worse of both orders: worker late and
consumer late.

"""

_ROUGH = """
## On rough lines

A sample. Each side is 20 ms from its router, and loses one packet of twenty on that way: the round trip is 80 ms, and a
tenth of all packets is lost. A lost packet of the broker costs a second, so that one side begins late; then the first
meeting may fail, and the next one, with openers for 2.5 s, begins half a second after it.

"""

_NODE = """
## With Node's programs

The same, with programs on libutp instead of some of ours, where their own network allows it. They play the roles of
Node's example `nat_w_broker` (`tests/interop/peer.js`). Node's client sends nothing before it is punched, so it has to
be open or behind a full cone. Node's worker sends one packet every 2 s, which takes most of the time.
"""

_SECTIONS = {"## On rough lines": Order.ROUGH}


def page(outcomes: Sequence[Outcome], seconds: float, beside: str = "") -> str:
    """Return the page; `beside` is the part about others' programs, which is made by itself."""
    ours = [outcome for outcome in outcomes if outcome.cell.nodes == OURS]
    steady = [outcome for outcome in ours if outcome.cell.order is Order.STEADY]
    late = [outcome for outcome in ours if outcome.cell.order in (Order.WORKER_LATE, Order.CONSUMER_LATE)]
    rough = [outcome for outcome in ours if outcome.cell.order is Order.ROUGH]
    parts = [_HEAD, _table(steady), _READ, _LATE, _table(late), _ROUGH, _table(rough), _NODE]
    by_nodes = {outcome.cell.nodes: None for outcome in sorted(outcomes, key=_whose) if outcome.cell.nodes != OURS}
    for nodes in by_nodes:
        rows = [outcome for outcome in outcomes if outcome.cell.nodes == nodes]
        parts += [f"\n**{nodes}**\n\n", _table(rows)]
    return "".join([*parts, beside and f"\n{beside.strip()}\n", _reasons(ours), "\n", summary(outcomes, seconds), "\n"])


def _whose(outcome: Outcome) -> tuple[bool, ...]:
    nodes = outcome.cell.nodes
    return (nodes.worker, nodes.consumer, nodes.broker)


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Say in a sentence what came out."""
    required = [outcome for outcome in outcomes if outcome.cell.required]
    red = {outcome.cell for outcome in outcomes if not outcome.good}
    pairs = {(outcome.cell.worker, outcome.cell.consumer) for outcome in required}
    others = [outcome for outcome in outcomes if not outcome.cell.required]
    met = sum(outcome.seconds is not None for outcome in required)
    return (
        f"{len(pairs)} ordered pairs have to meet: {met} of {len(required)} attempts did. "
        f"Of {len(others)} attempts of others {sum(o.seconds is not None for o in others)} met. "
        f"{len(red)} cells are red. {seconds / 60:.0f} minutes on Linux {platform.release().split('-')[0]}."
    )


def _table(outcomes: Iterable[Outcome]) -> str:
    by_pair: dict[tuple[Kind, Kind], list[Outcome]] = {}
    for outcome in outcomes:
        by_pair.setdefault((outcome.cell.worker, outcome.cell.consumer), []).append(outcome)
    rows = [kind for kind in Kind if any(worker is kind for worker, _ in by_pair)]
    columns = [kind for kind in Kind if any(consumer is kind for _, consumer in by_pair)]
    lines = [f"| worker \\ consumer | {' | '.join(columns)} |", "| --- " * (len(columns) + 1) + "|"]
    for row in rows:
        cells = (_words(by_pair.get((row, column), [])) for column in columns)
        lines.append(f"| **{row}** | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _words(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return ""
    failed = sum(not outcome.good for outcome in outcomes)
    if failed:
        return f"**RED** {failed} of {len(outcomes)}"
    times: dict[Order, list[float]] = {}
    for outcome in outcomes:
        if outcome.seconds is not None:
            times.setdefault(outcome.cell.order, []).append(outcome.seconds)
    if sum(map(len, times.values())) < len(outcomes):
        return "-"  # a lucky one among several is luck
    worst = max(statistics.median(each) for each in times.values())
    packets = statistics.median(outcome.packets for outcome in outcomes)
    rungs = dict.fromkeys(RUNGS.get(outcome.rung, "") for outcome in outcomes)
    how = "/".join(filter(None, rungs)) or ("*" if any(outcome.moved for outcome in outcomes) else "")
    sent = f" {packets:.0f}" if packets else ""
    return f"{worst:.1f}{how}{sent}"


def _reasons(outcomes: Iterable[Outcome]) -> str:
    """List what was said where nobody was met, addresses and times taken out."""
    said: dict[str, int] = {}
    for outcome in outcomes:
        if outcome.seconds is None and outcome.reason:
            words = " ".join("HOST:PORT" if ":" in word and "." in word else word for word in outcome.reason.split())
            said[words] = said.get(words, 0) + 1
    lines = [f"- {count} times: {words}" for words, count in sorted(said.items(), key=lambda item: -item[1])]
    return "\n".join(["", "## What the others were told", "", *lines, ""]) if lines else ""


def with_relayed(text: str, times: Mapping[tuple[Kind, Kind, Order], str | None]) -> str:
    """Return the page with how long it took over TCP, or by way of a friend, where no UDP passes directly."""
    lines, kinds, order = text.split("\n"), list[str](), Order.STEADY
    for number, line in enumerate(lines):
        if line.startswith("## "):
            order = _SECTIONS.get(line, Order.WORKER_LATE)  # of which no cell is relayed
        cells = [each.strip() for each in line.split("|")[1:-1]]
        if cells and cells[0].startswith("worker "):
            kinds = cells[1:]
        elif cells and cells[0].strip("*") in set(Kind) and len(cells) == len(kinds) + 1:
            row = Kind(cells[0].strip("*"))
            for at, column in enumerate(kinds, start=1):
                if cells[at] in ("-", "**RED**") or cells[at].endswith(("R", "T")):
                    cells[at] = _relayed(times, (row, Kind(column), order), cells[at])
            lines[number] = f"| {' | '.join(cells)} |"
    return "\n".join(lines)


def _relayed(times: Mapping[tuple[Kind, Kind, Order], str | None], pair: tuple[Kind, Kind, Order], before: str) -> str:
    return before if pair not in times else times[pair] or "**RED**"
