"""Running cases in rounds, and keeping what came out.

A case measures each of its variants once per round, one after the other, so that whatever else the machine does falls
on all of them alike. What counts is the median of the rounds, and the ratio to the baseline of the same run.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

UNITS = {
    "rate": "1/s",
    "p50": "us",
    "p99": "us",
    "failed": "",
    "server cpu": "us",
    "speed": "MB/s",
    "cpu": "ms/MB",
    "cpu per packet": "us",
    "cpu per request": "us",
    "per connection": "KB",
    "process": "MB",
    "idle cpu": "%",
    "memory": "MB",
    "goodput": "Mbit/s",
    "delay p50": "ms",
    "delay p95": "ms",
    "proxy late": "ms",
    "blocked p50": "ms",
    "blocked p99": "ms",
    "blocked worst": "ms",
    "late p99": "ms",
    "late worst": "ms",
    "turn worst": "ms",
    "gc worst": "ms",
}
BIGGER_IS_BETTER = frozenset({"rate", "speed", "goodput"})


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured."""

    full: bool = False
    rounds: int = 3
    megabytes: int = 50  # of one transfer
    idle_connections: int = 1000
    idle_seconds: float = 20.0
    transfer_seconds: float = 4.0  # a transfer that is slower is cut off here, and its speed so far counts


FULL = Settings(True, 5, 200, 10_000, 60.0, 60.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one round. `row` is what was done, `metric` one of UNITS."""

    row: str
    metric: str
    value: float


class Case(Protocol):
    """One module's measurement."""

    name: str
    baseline: str  # the variant that ratios refer to
    once: bool  # not worth several rounds

    def variants(self) -> Iterable[str]:
        """Name what is compared."""

    async def measure(self, variant: str) -> list[Sample]:
        """Measure one variant once."""


@dataclass(slots=True)
class Series:
    """The values of all rounds for one case, row, metric and variant."""

    case: str
    row: str
    metric: str
    variant: str
    values: list[float] = field(default_factory=list)
    ratio: float | None = None  # of the medians, to the baseline; None where that has none or is 0

    @property
    def median(self) -> float:
        """The value that counts."""
        return statistics.median(self.values)


class Results:
    """Everything measured so far, in the order of first appearance."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str, str], Series] = {}
        self.baselines: dict[str, str] = {}
        self.errors: list[str] = []  # what could not be measured, or not be relied on

    def add(self, case: Case, variant: str, samples: Iterable[Sample]) -> None:
        """Keep the numbers of one round."""
        self.baselines[case.name] = case.baseline
        for sample in samples:
            key = (case.name, sample.row, sample.metric, variant)
            self._series.setdefault(key, Series(*key)).values.append(sample.value)

    def all(self) -> list[Series]:
        """Return every series with its ratio."""
        for series in self._series.values():
            reference = self.get(series.case, series.row, series.metric, self.baselines[series.case])
            series.ratio = series.median / reference if reference else None
        return list(self._series.values())

    def get(self, case: str, row: str, metric: str, variant: str) -> float | None:
        """Return a median, or None when it was not measured."""
        series = self._series.get((case, row, metric, variant))
        return None if series is None else series.median


async def run(cases: Iterable[Case], settings: Settings, tell: Callable[[str], None]) -> Results:
    """Measure; `tell` hears what is being done. A variant that fails is noted and the rest goes on."""
    results = Results()
    for case in cases:
        began = time.monotonic()
        rounds = 1 if case.once else settings.rounds
        for number in range(rounds):
            for variant in case.variants():
                tell(f"{case.name}, round {number + 1} of {rounds}: {variant}")
                try:
                    results.add(case, variant, await case.measure(variant))
                except (AssertionError, OSError, RuntimeError, TimeoutError) as error:
                    results.errors.append(f"{case.name}, {variant}: {error}"[:2000])
        tell(f"{case.name}: {time.monotonic() - began:.0f} s")
    return results


def percentile(values: list[int], percent: float) -> float:
    """Return the smallest value that `percent` of the values do not exceed; 0 without values."""
    ranked = sorted(values)
    return float(ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]) if ranked else 0.0
