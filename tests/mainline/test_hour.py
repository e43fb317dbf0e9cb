"""An hour of 10,000 nodes and 1,000 of ours, as a model: the table of docs/testing.md, and its least figures."""

import pytest

from tests.mainline.hour import Outcome, World, live


def line(name: str, seen: Outcome) -> str:
    """Return a line of the table."""
    cells = (
        name, f"{seen.hops:g}", f"{seen.messages:g}", f"{seen.search:.1f} s", f"{seen.idle_mb:.0f} MB",
        f"{seen.helper_mb:.0f} MB", f"{seen.by_door:.1%}", f"{seen.by_open_peer:.1%}", f"{seen.by_either:.1%}",
        f"{seen.open_median:.1f} s", f"{seen.either_median:.1f} s",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def show(name: str, seen: Outcome) -> None:
    print(line(name, seen), dict(seen.checks))  # noqa: T201


def test_a_small_hour_comes_to_what_the_large_one_does() -> None:
    seen = live(World(600, 30, 6, gone=0.3, lying=0.1))
    show("600 nodes, 30 of ours", seen)
    assert seen.by_either >= 0.95
    assert seen.by_open_peer >= 0.9
    assert seen.idle_mb <= 30.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ours", "helping", "gone", "lying"),
    [
        ("1,000 of ours, 100 of them open", 1000, 100, 0.0, 0.0),
        ("the same, 30 % gone, 10 % lying", 1000, 100, 0.3, 0.1),
        ("our first 100 users, 5 of them open", 100, 5, 0.0, 0.0),
        ("the same, 30 % gone, 10 % lying", 100, 5, 0.3, 0.1),
        ("our first 100 users, none of them open", 100, 0, 0.3, 0.1),
    ],
)
def test_an_hour_of_ten_thousand_nodes(name: str, ours: int, helping: int, gone: float, lying: float) -> None:
    seen = live(World(10_000, ours, helping, gone=gone, lying=lying))
    show(name, seen)
    assert seen.by_either >= 0.95
    assert seen.idle_mb <= (30.0 if gone else 25.0), "silent nodes are asked for nothing"
    assert seen.helper_mb <= 350.0
    if helping:
        assert seen.by_open_peer >= (0.9 if not gone else 0.75)
