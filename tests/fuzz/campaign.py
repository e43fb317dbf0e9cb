"""`make fuzz`: coverage-guided fuzzing of every target, one after the other, from the kept corpus and back into it.

    make fuzz                                  60 seconds for each target
    make fuzz ARGS='--seconds 600 node mux'    ten minutes for each of two
    make fuzz ARGS='--list'                    what there is

What breaks an invariant is kept as `tests/fuzz/corpus/TARGET/crash-...`: `make test` is red from then on, until the
cause is mended, and tries it for ever after. What leads to new branches is kept too, after libFuzzer has thrown out all
that a smaller input does as well.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz import harness

MOST_KEPT: Final = 64 * 1024  # bytes of one target's corpus: all of them are under 2 MB
MEMORY: Final = 1024  # MB; a target that needs more grows
NICE: Final = 19  # others work on this machine


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one target's run."""

    inputs: int
    features: int  # of libFuzzer: edges, with how often each was taken
    finding: str | None


def libfuzzer(target: harness.Target, arguments: list[str]) -> subprocess.Popen[str]:
    """Start one run."""
    command = [sys.executable, "-m", "tests.fuzz.one", *arguments]
    return subprocess.Popen(
        command,
        env={**os.environ, "FUZZ_TARGET": target.name, "PYTHONHASHSEED": "0"},
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=lambda: os.nice(NICE) and None,
    )


def campaign(target: harness.Target, seconds: int, runs: int) -> Outcome:
    """Fuzz one target, and keep what was learnt."""
    target.corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        work, seeds = Path(place, "work"), Path(place, "seeds")
        for directory in (work, seeds):
            directory.mkdir()
        for number, seed in enumerate(target.seeds):
            (seeds / str(number)).write_bytes(seed)
        sources = [str(directory) for directory in (work, target.corpus, seeds)]
        limits = [f"-max_total_time={seconds}", f"-runs={runs}", f"-max_len={target.max_input}"]
        limits += [f"-rss_limit_mb={MEMORY}", f"-artifact_prefix={target.corpus}/", "-print_final_stats=1"]
        outcome = follow(libfuzzer(target, [*limits, *sources]))
        minimise(target, sources)
    return outcome


def follow(process: subprocess.Popen[str]) -> Outcome:
    """Read what libFuzzer says, to its end."""
    if process.stdout is None:
        raise AssertionError("there is no output")
    lines = list(process.stdout)  # a few hundred
    failed = process.wait() != 0
    inputs, features = counted(lines)
    last = "".join(line for line in lines[-80:] if not line.startswith("#"))
    return Outcome(inputs, features, last if failed else None)


def counted(lines: Sequence[str]) -> tuple[int, int]:
    """Return how many inputs were tried, and how many features they had."""
    inputs = [
        int(found[1]) for line in lines if (found := re.match(r"(?:#|stat::number_of_executed_units: )(\d+)", line))
    ]
    features = [int(found[1]) for line in lines if (found := re.search(r" ft: (\d+)", line))]
    return max(inputs, default=0), max(features, default=0)


def minimise(target: harness.Target, sources: list[str]) -> None:
    """Leave the fewest and smallest inputs that do all that all of them do, as far as they fit; and every finding."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as fewest:
        follow(libfuzzer(target, ["-merge=1", f"-rss_limit_mb={MEMORY}", fewest, *sources]))
        found = sorted(Path(fewest).iterdir(), key=lambda path: path.stat().st_size)
        if not found:
            return  # a target that fails on its own corpus: nothing is thrown away
        for old in target.corpus.iterdir():
            if not old.name.startswith("crash-"):
                old.unlink()
        room = MOST_KEPT
        for path in found:
            room -= path.stat().st_size
            if room < 0:
                break
            shutil.copyfile(path, target.corpus / path.name[:16])


def add_up(tally: Path | None, results: dict[str, Outcome]) -> None:
    """Add the counts to those of earlier campaigns."""
    if tally is None:
        return
    known = json.loads(tally.read_text()) if tally.exists() else {}
    inputs = Counter(known.get("inputs", {}))
    features = known.get("features", {})
    for name, outcome in results.items():
        inputs[name] += outcome.inputs
        features[name] = max(outcome.features, features.get(name, 0))
    tally.write_text(json.dumps({"inputs": inputs, "features": features}, indent=1, sort_keys=True) + "\n")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, when none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--runs", type=int, default=-1, help="inputs for each target at the most")
    parser.add_argument("--tally", type=Path, help="a file to which the counts are added")
    parser.add_argument("--list", action="store_true", help="say what there is")
    return parser.parse_args()


def main() -> int:
    """Run the campaign; 1 if anything was found."""
    chosen = options()
    if importlib.util.find_spec("atheris") is None:
        print(
            f"atheris has no wheel for this Python ({sys.version.split()[0]}, {sys.platform}): use CPython 3.11 to 3.13"
        )
        return 2
    known = harness.names()
    if unknown := set(chosen.targets) - set(known):
        print(f"there is no target {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
        return 2
    failed = False
    for name in chosen.targets or known:
        target = harness.load(name)
        if chosen.list:
            print(f"{name}\n    {target.invariant.replace(chr(10), chr(10) + '    ')}")
            continue
        outcome = campaign(target, chosen.seconds, chosen.runs)
        add_up(chosen.tally, {name: outcome})
        print(f"{name:16} {outcome.inputs:12,} inputs {outcome.features:7,} features", flush=True)
        if outcome.finding is not None:
            failed = True
            print(outcome.finding, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
