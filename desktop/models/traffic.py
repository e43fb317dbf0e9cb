"""What crosses the peer's socket as rates in words, over the last seconds."""

from collections import deque
from collections.abc import Iterable

from core.news.events import Traffic
from desktop.models.words import count, size

WINDOW = 4  # differences that a rate is taken over: 2 s at two looks a second, so that a figure can be read
QUIET_BYTES = 2000  # a second, both ways; below that only punches and keep-alives cross, at most one a second
QUIET = "Quiet"
IN_BYTES = frozenset({"memory", "unfinished"})  # budgets that are counted in bytes
MOST_NAMED = 8  # errors that the tooltip names, the most frequent


class Rates:
    """The newest looks at the counters."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Traffic]] = deque(maxlen=WINDOW + 1)

    def note(self, now: float, traffic: Traffic) -> tuple[str, ...]:
        """Take the counters at `now`, seconds; return the words: connections and `Quiet`, or all rates."""
        if self._looks and traffic.received < self._looks[-1][1].received:
            self._looks.clear()  # another peer, which counts from 0
        self._looks.append((now, traffic))
        then, before = self._looks[0]
        seconds = now - then
        connections = count(traffic.connections, "connection")
        if seconds <= 0:
            return connections, QUIET
        requests = (traffic.requests - before.requests) / seconds
        punches = (traffic.punches - before.punches) / seconds
        received = (traffic.received - before.received) / seconds
        sent = (traffic.sent - before.sent) / seconds
        if requests < 1 and punches <= 1 and received + sent < QUIET_BYTES:
            return connections, QUIET
        return (
            connections,
            f"{count(round(requests), 'request')}/s",
            f"{size(received)}/s in",
            f"{size(sent)}/s out",
            f"{count(round(punches), 'punch', 'punches')}/s",
        )


def totals(traffic: Traffic) -> str:
    """Return what crossed since the start, as a sentence."""
    said = (
        f"Since the start: {count(traffic.requests, 'request')} answered, {size(traffic.received)} received, "
        f"{size(traffic.sent)} sent, {count(traffic.punches, 'punch', 'punches')}."
    )
    for line in budgets(traffic):
        said += f"\n{line}"
    if traffic.refused:
        said += f"\nRefused: {_listed((name, number) for name, number in traffic.refused[:MOST_NAMED])}."
    if traffic.turned_away:
        said += f"\nTurned away: {_listed(traffic.turned_away)}."
    return said


def budgets(traffic: Traffic) -> tuple[str, ...]:
    """Return what callers take of this peer now and how much there is, and where there was no room, as sentences."""
    taken = [f"{_amount(row.name, row.used)} of {_amount(row.name, row.limit)} {row.name}" for row in traffic.budgets]
    full = [f"{count(row.refused, 'time')} for {row.name}" for row in traffic.budgets if row.refused]
    lines = [f"Callers take now: {', '.join(taken)}."] if taken else []
    return (*lines, f"No room was left: {', '.join(full)}.") if full else tuple(lines)


def _amount(name: str, number: int) -> str:
    return size(number) if name in IN_BYTES else f"{number:,}"


def refused_words(traffic: Traffic) -> str:
    """Return how many requests were refused, or nothing."""
    total = sum(number for _, number in traffic.refused)
    return f"{total:,} refused" if total else ""


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts)
