"""Every fuzz target: the kept inputs and the findings of campaigns, and a short run that is the same every time."""

import importlib.util
from pathlib import Path

import pytest

from tests.fuzz import campaign, harness
from tests.fuzz.inputs import Input, sized, split

INPUTS = 100  # of the short run, for each target: 2 s for all of them
ALL_BYTES = 2 << 20  # that the corpus may have; issue 4 wants it kept under tests/

WORKING = pytest.mark.parametrize("name", harness.names())


@WORKING
def test_what_campaigns_found_is_mended(name: str) -> None:
    target = harness.load(name)
    for data in (*target.seeds, *harness.kept(target)):
        harness.tried(target, data)


@WORKING
def test_a_short_run_finds_nothing(name: str) -> None:
    target = harness.load(name)
    for data in harness.mutations(target, 0, INPUTS):
        try:
            harness.tried(target, data)
        except Exception as error:
            raise AssertionError(f"{name} fails for {data!r}") from error


@WORKING
def test_a_target_says_what_must_hold_and_watches_what_there_is(name: str) -> None:
    target = harness.load(name)
    assert len(target.invariant.splitlines()) == 2, "two lines"
    assert target.seeds
    for module in target.watched:
        assert importlib.util.find_spec(module) is not None


def test_the_corpus_is_small() -> None:
    files = [path for path in harness.CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < ALL_BYTES
    assert {path.name for path in harness.CORPUS.iterdir()} <= set(harness.names())


# -- the harness itself -------------------------------------------------------------------------------------------


def target(run: object, directory: Path) -> harness.Target:
    return harness.Target(str(directory), "", run, [b"seed"], [], 64)  # type: ignore[arg-type]


def test_what_takes_too_long_is_a_finding(tmp_path: Path) -> None:
    def slow(data: bytes) -> None:
        sum(range(10_000_000))

    with pytest.raises(harness.Hang, match="5 bytes"):
        harness.tried(target(slow, tmp_path), b"later")


def test_a_short_run_is_the_same_every_time(tmp_path: Path) -> None:
    made = target(print, tmp_path)
    first, again = (list(harness.mutations(made, 0, 50)) for _ in range(2))
    assert first == again != list(harness.mutations(made, 1, 50))
    assert max(map(len, first)) <= 64


def test_inputs_are_read_to_their_end_and_further() -> None:
    source = Input(sized(b"one", b"") + b"\x05\xff")
    assert (source.block(), source.block(), source.number(1000), bool(source)) == (b"one", b"", 0x05FF % 1000, False)
    assert (source.byte(), source.block(), source.rest(), source.cuts()) == (0, b"", b"", [])


def test_pieces_make_the_whole() -> None:
    assert b"".join(split(b"whatever", [3, 5, 100, 0])) == b"whatever"
    assert split(b"whatever", [3, 5]) == [b"wha", b"te", b"ver"]
    assert split(b"", [3]) == []


def test_what_libfuzzer_says_is_understood() -> None:
    lines = ["#2\tINITED cov: 8 ft: 8 corp: 1/1b\n", "#99\tNEW cov: 12 ft: 14 corp: 2/3b\n"]
    assert campaign.counted([*lines, "stat::number_of_executed_units: 120\n"]) == (120, 14)
