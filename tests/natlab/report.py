"""The matrix as a page: docs/nat-matrix.md."""

import platform
import statistics
from collections.abc import Iterable, Sequence

from tests.natlab.kinds import Kind
from tests.natlab.matrix import OURS, Order, Outcome

_HEAD = """# Which networks meet

Made by `make natlab`; not to be edited. A worker (`grapevine share fibonacci --broker`) is behind a network of the
kind on the left, a consumer (`grapevine consume fibonacci --broker --once`) behind one of the kind above; a grape and
`grapevine broker` are on a public machine. All are real processes in network namespaces with nftables rules, and the
packets are the kernel's. Every kind is proven to behave as its name says, by asking as RFC 5780 does
(`tests/natlab/test_internet.py`).

| kind | is |
| --- | --- |
| open | a public address |
| firewall | a public address, and only answers come in |
| full-cone | a NAT with one port for all destinations, and anybody may use it |
| restricted | the same, for hosts that were sent something |
| port-restricted | the same, for addresses that were sent something |
| linux | the same, and the port is the inside's own |
| linux-race | the same, and an unknown packet from outside takes that port away: the early-packet trap |
| sym-addr | symmetric: another port for each remote host |
| sym-seq, sym-random, sym-block | another for each remote address: the next, any, any of a block of 1,008 |
| no-udp | only TCP gets out |
| cgnat, cgnat-sym | a home router behind a carrier's: a full cone, and one with random ports |

"""

_READ = """
**A number** is the median of the seconds from when the broker has both sides to the reply; 0.3 of them are the
openers. `*`: one side answered from another port than the broker had seen, and was met there. **-**: not to be met by
punching alone: both routers insist on the very port, and at least one of them gives each destination another; or there
is no UDP. The consumer ends in time with the reason. **RED**: had to meet, and did not each time.

The lab has no other customers of a router, no quotas and limits of rate, and no IPv6; no way is long unless it says so.
"""

_LATE = """
## One side late

The same pairs, with the other side started 150 ms earlier, and every packet of the late side 75 ms on the way between
it and its own router, which so hears the other side before it has sent anything. The worse of both orders, worker late
and consumer late.

"""

_ROUGH = """
## On rough lines

A sample, with 20 ms from each side to its router, and one packet of twenty lost on each way there: 80 ms from one side
to the other and back, and a tenth of all packets lost. Not of the kind linux-race with its like: one lost packet of the
broker's is a second's delay, and too late for the trap. Such a pair tries again, with openers for 2.5 s.

"""

_NODE = """
## With Node's programs

The same with programs on libutp in the place of some of ours, where their own network allows it. They keep to the roles
of Node's example `nat_w_broker` (`tests/interop/peer.js`). Node's client sends nothing before it is punched, so it has
to be open or behind a full cone; Node's worker sends one packet every 2 s, which is what most of the time is.
"""


def page(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Return the page."""
    ours = [outcome for outcome in outcomes if outcome.cell.nodes == OURS]
    steady = [outcome for outcome in ours if outcome.cell.order is Order.STEADY]
    late = [outcome for outcome in ours if outcome.cell.order in (Order.WORKER_LATE, Order.CONSUMER_LATE)]
    rough = [outcome for outcome in ours if outcome.cell.order is Order.ROUGH]
    parts = [_HEAD, _table(steady), _READ, _LATE, _table(late), _ROUGH, _table(rough), _NODE]
    by_nodes = {outcome.cell.nodes: None for outcome in sorted(outcomes, key=_whose) if outcome.cell.nodes != OURS}
    for nodes in by_nodes:
        rows = [outcome for outcome in outcomes if outcome.cell.nodes == nodes]
        parts += [f"\n**{nodes}**\n\n", _table(rows)]
    return "".join([*parts, _reasons(ours), "\n", summary(outcomes, seconds), "\n"])


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
    return f"{worst:.1f}{'*' if any(outcome.moved for outcome in outcomes) else ''}"


def _reasons(outcomes: Iterable[Outcome]) -> str:
    """List what was said where nobody was met, addresses and times taken out."""
    said: dict[str, int] = {}
    for outcome in outcomes:
        if outcome.seconds is None and outcome.reason:
            words = " ".join("HOST:PORT" if ":" in word and "." in word else word for word in outcome.reason.split())
            said[words] = said.get(words, 0) + 1
    lines = [f"- {count} times: {words}" for words, count in sorted(said.items(), key=lambda item: -item[1])]
    return "\n".join(["", "## What the others were told", "", *lines, ""]) if lines else ""
