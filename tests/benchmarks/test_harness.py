"""The benchmarks' arithmetic: medians, ratios, spread and percentiles; failures; what a run writes."""

import asyncio
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.figures import figures
from benchmarks.history import LOOP, keep, over_time
from benchmarks.plot import plot
from benchmarks.report import save, table, verdicts
from benchmarks.runner import Results, Sample, Settings, percentile, run

ROW = "1 stream"


class Scripted:
    """A case with the numbers of its rounds; one that is an exception fails that round."""

    name = "bulk data"
    baseline = "Node->Node"
    once = False

    def __init__(self, metric: str = "speed", **rounds: list[float | Exception]) -> None:
        self._metric = metric
        self._rounds = {name.replace("_to_", "->"): values for name, values in rounds.items()}
        self.order: list[str] = []

    def variants(self) -> tuple[str, ...]:
        return tuple(self._rounds)

    async def measure(self, variant: str) -> list[Sample]:
        self.order.append(variant)
        value = self._rounds[variant].pop(0)
        if isinstance(value, Exception):
            raise value
        return [Sample(ROW, self._metric, value)]


def ran(*cases: Scripted, rounds: int = 3, tell: Callable[[str], None] = lambda text: None) -> Results:
    """Run the cases."""
    return asyncio.run(run(cases, Settings(rounds=rounds), tell))


def some() -> Results:
    """A run with a slow and a fast outlier: medians 30 and 10."""
    return ran(Scripted(ours_to_ours=[30.0, 1.0, 45.0], Node_to_Node=[10.0, 90.0, 8.0]))


def test_the_median_of_the_rounds_counts_not_their_mean() -> None:
    results = some()
    assert results.get("bulk data", ROW, "speed", "ours->ours") == 30
    assert results.get("bulk data", ROW, "speed", "Node->Node") == 10
    assert results.get("bulk data", ROW, "speed", "nobody") is None


def test_ratios_are_of_medians_to_the_baseline_of_the_same_run() -> None:
    assert {series.variant: series.ratio for series in some().all()} == {"ours->ours": 3.0, "Node->Node": 1.0}


def test_a_baseline_of_nothing_or_none_has_no_ratio() -> None:
    nothing = ran(Scripted(ours_to_ours=[5.0], Node_to_Node=[0.0]), rounds=1)
    none = ran(Scripted(ours_to_ours=[5.0]), rounds=1)
    assert [series.ratio for series in [*nothing.all(), *none.all()]] == [None, None, None]


def test_variants_take_turns_within_each_round() -> None:
    case = Scripted(a=[1.0] * 2, b=[1.0] * 2)
    ran(case, rounds=2)
    assert case.order == ["a", "b", "a", "b"]


def test_what_is_not_worth_several_rounds_is_measured_once() -> None:
    case = Scripted(a=[1.0] * 3)
    case.once = True
    assert [len(series.values) for series in ran(case).all()] == [1]


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, 0),
        ([7], 99, 7),
        ([3, 1, 2], 50, 2),
        (list(range(1, 101)), 50, 50),
        (list(range(100, 0, -1)), 99, 99),
        (list(range(1, 1001)), 99, 990),
        ([1, 2], 100, 2),
    ],
)
def test_percentile(values: list[int], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


@pytest.mark.parametrize("error", [AssertionError, OSError, RuntimeError, TimeoutError])
def test_a_variant_that_fails_is_noted_and_the_rest_goes_on(error: type[Exception]) -> None:
    results = ran(
        Scripted(broken=[error("it fell over")] * 2, ours_to_ours=[4.0, 6.0]), Scripted(later=[1.0] * 2), rounds=2
    )
    assert results.errors == ["bulk data, broken: it fell over"] * 2
    assert results.get("bulk data", ROW, "speed", "ours->ours") == 5
    assert results.get("bulk data", ROW, "speed", "later") == 1
    assert any("trouble" in line and "it fell over" in line for line in table(results))


def test_a_round_that_fails_leaves_the_others_values() -> None:
    assert ran(Scripted(a=[1.0, OSError("gone"), 3.0])).get("bulk data", ROW, "speed", "a") == 2


def test_a_mistake_of_the_harness_itself_is_not_hidden() -> None:
    with pytest.raises(KeyError):
        ran(Scripted(a=[KeyError("typo")]), rounds=1)


def test_the_table_shows_ratio_median_and_spread() -> None:
    (ours,) = [line for line in table(some()) if "ours->ours" in line]
    assert ours.split() == ["3.00", "x", "30", "1", "..", "45", "ours->ours", "MB/s"]


def test_a_failed_row_is_only_shown_when_something_failed() -> None:
    assert not any("failed" in line for line in table(ran(Scripted("failed", a=[0.0]), rounds=1)))
    assert any("failed" in line for line in table(ran(Scripted("failed", a=[2.0]), rounds=1)))


def test_figures_are_judged_and_what_was_not_measured_is_said_to_be() -> None:
    found = {figure.text: figure for figure in figures(some())}
    assert found["one stream, ours to ours >= 150 MB/s"].reached is False
    assert found["one stream, ours to ours >= 15 x Node to Node"].measured == "3.00 x"
    assert found["an idle sharing peer <= 45 MB"].reached is None
    *_, verdict = verdicts(list(found.values()))
    assert verdict.startswith("0 of 3 measured figures reached")


def test_the_json_has_every_rounds_value(tmp_path: Path) -> None:
    results = some()
    path = tmp_path / "new" / "bench.json"
    save(path, results, figures(results), Settings(), {"cores": 2})
    written = json.loads(path.read_text())
    ours = written["series"][0]
    assert (ours["variant"], ours["values"], ours["median"], ours["ratio"]) == ("ours->ours", [30, 1, 45], 30, 3)
    assert (written["machine"], written["errors"], written["settings"]["rounds"]) == ({"cores": 2}, [], 3)
    assert {figure["text"] for figure in written["figures"]} == {figure.text for figure in figures(results)}


def test_the_plot_is_written_or_says_what_it_lacks(tmp_path: Path) -> None:
    results = some()
    source, picture = tmp_path / "bench.json", tmp_path / "bench.png"
    save(source, results, [], Settings(), {})
    said = plot(source, picture)
    if importlib.util.find_spec("matplotlib") is None:
        assert "matplotlib is not installed" in said
    else:
        assert said == f"plot: {picture}"
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_kept_run_is_compared_by_the_speed_of_its_machine(tmp_path: Path) -> None:
    results = some()
    kept = keep(results, {"code": "0123abcd, core 1", "load": 5.0, "loop": 2 * LOOP}, tmp_path)
    assert kept.name.endswith("-0123abcd.json")
    assert json.loads(kept.read_text())["machine"]["load"] == 5.0
    lines = over_time(tmp_path, "bulk data")
    assert {name: [value for _, value in points] for name, points in lines.items()} == {
        f"{ROW}, ours->ours": [60.0],
        f"{ROW}, Node->Node": [20.0],
    }
    assert over_time(tmp_path, "bulk data", "8 streams") == over_time(tmp_path, "product") == {}
