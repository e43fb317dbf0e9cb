"""What a fuzz target is, and how one input is tried: the same in a campaign, in `make test`, with atheris or without.

A target is a module of `tests.fuzz.targets`: its docstring's first lines say the invariant; `run(data)` raises for
whatever breaks it; `SEEDS` are inputs to begin with; `WATCHED` are the modules whose branches guide the fuzzer.
"""

import gc
import importlib
import pkgutil
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz import targets

CORPUS: Final = Path(__file__).parent / "corpus"
HANG: Final = 0.05  # seconds of this thread's processor time for one input; issue 4
_TRIES: Final = 3  # before an input counts as slow: a neighbour on the machine makes anything slow once
MAX_INPUT: Final = 4096  # bytes


class Hang(AssertionError):
    """One input took too long."""


@dataclass(frozen=True, slots=True)
class Target:
    """One attack surface. `slow` is by how much its instrumented run may be slower than the real thing."""

    name: str
    invariant: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    watched: Sequence[str]
    max_input: int

    @property
    def corpus(self) -> Path:
        """Where its kept inputs are, one in a file."""
        return CORPUS / self.name


def names() -> list[str]:
    """Return the targets, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(targets.__path__))


def load(name: str) -> Target:
    """Import a target, and with it what it watches."""
    module = importlib.import_module(f"tests.fuzz.targets.{name}")
    invariant = (module.__doc__ or "").strip()
    limit: int = getattr(module, "MAX_INPUT", MAX_INPUT)
    return Target(name, invariant, module.run, module.SEEDS, module.WATCHED, limit)


def kept(target: Target) -> list[bytes]:
    """Return the kept inputs, in a fixed order."""
    return [path.read_bytes() for path in sorted(target.corpus.glob("*"))]


def tried(target: Target, data: bytes) -> None:
    """Try one input. Raises what the target raises, and Hang."""
    spent = 0.0
    for _ in range(_TRIES):
        began = time.thread_time()
        target.run(data)
        spent = time.thread_time() - began
        if spent < HANG:
            return
        gc.collect()  # a collection that fell into the run is not the input's fault
    raise Hang(f"{target.name}: {spent * 1000:.0f} ms for {len(data)} bytes")


def mutations(target: Target, seed: int, count: int) -> Iterator[bytes]:
    """Yield inputs made of the kept ones: a short run that is the same every time, on every Python."""
    rng = random.Random(f"{target.name} {seed}")
    pool = [*kept(target), *target.seeds] or [b""]
    for _ in range(count):
        yield _mutated(rng, pool)[: target.max_input]


def _mutated(rng: random.Random, pool: Sequence[bytes]) -> bytes:
    data = bytearray(rng.choice(pool))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0 if data:
                data[at % len(data)] = rng.randrange(256)
            case 1 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 2:
                del data[at : at + rng.randint(1, 16)]
            case 3:
                data[at:at] = rng.randbytes(rng.randint(1, 8))
            case 4:
                data[at:at] = data[at : at + rng.randint(1, 64)]
            case _:
                other = rng.choice(pool)
                start = rng.randrange(len(other) + 1)
                data[at:] = other[start:]
    return bytes(data)
