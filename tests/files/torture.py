"""Programs that are killed while they write everything a profile keeps, or whose disk is full: `python -m
tests.files.torture RUNS SEED`.

A child writes settings, known peers, key and calls, round by round, and says after each file that it is written. It is
killed at a random system call or a random moment, or each file may only have so many bytes. Then everything is opened:
a file has what was said to be written or what came next, who was blocked is blocked, and no leftover is there.
POSIX only: it forks, so it is a program of its own, without threads.
"""

import asyncio
import contextlib
import functools
import json
import os
import random
import resource
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import LocalError
from core.files.leftovers import remove_leftovers
from core.identity.identity import Identity
from core.identity.keystore import KeyStore
from core.ledger.record import CallRecord, Filter, row_of
from core.ledger.store import CallStore
from core.peer_id import PeerId
from core.profile.settings import Settings, SettingsStore
from core.trust.audience import Audience
from core.trust.edits import Block, Trust
from core.trust.entries import EVERY
from core.trust.file import TrustFile
from tests.identity.test_keystore import Broken

ROUNDS = 1000
EVENTS = 900  # of Python's audit hook, in a few rounds
EVE = PeerId(bytes([9]) * 32)


def friend(number: int) -> PeerId:
    return PeerId(number.to_bytes(32, "big"))


@functools.cache
def key(number: int) -> Identity:
    return Identity.from_secret(number.to_bytes(32, "big"))


class Profile:
    """What a profile keeps, and how far each file has got."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = SettingsStore(root=root)
        self.trust = TrustFile(self.settings.trust_file)
        self.keys = KeyStore(root, "default", find_keyring=Broken)
        self.steps: dict[str, Callable[[int], object]] = {
            "settings": self._settings, "trust": self._trust, "key": self._key, "calls": self._calls,
        }  # fmt: skip

    def _settings(self, number: int) -> None:
        self.settings.load()
        self.settings.save(Settings(udp_port=number, audiences={"fibonacci": Audience.TRUSTED}))

    def _trust(self, number: int) -> None:
        edits = (Block(EVE, 1.0), Trust(friend(number), f"n{number}", EVERY, float(number)))
        self.trust.merge(edits, 1.0, claim=True)

    def _key(self, number: int) -> None:
        asyncio.run(self.keys.replace(key(number)))

    def _calls(self, number: int) -> None:
        store = CallStore(self.settings.calls_file)
        try:
            store.add([row_of(CallRecord(time.time(), None, "192.0.2.1:1", str(number), 1, 1, 0.1, "ok"))], time.time())
        finally:
            store.close()

    def found(self) -> dict[str, int]:
        """Open everything as a new program does; return the last number in each file."""
        settings = self.settings.load()
        assert self.settings.problem is None, self.settings.problem
        merged = self.trust.merge((), 1.0, claim=False)
        assert merged.problem is None, merged.problem
        blocked = merged.book.peers.get(EVE)
        assert not merged.book.peers or (blocked is not None and blocked.blocked), "a block is lost"
        numbers = [int.from_bytes(peer.key, "big") for peer in merged.book.peers if peer != EVE]
        identity, _ = asyncio.run(self.keys.open())
        mine = [number for number in range(1, ROUNDS) if key(number).peer_id == identity.peer_id]
        store = CallStore(self.settings.calls_file)
        calls = [int(call.service) for call in store.query(Filter(), 1)]
        store.close()
        return {
            "settings": settings.udp_port, "trust": max(numbers, default=0), "key": mine[0] if mine else 0,
            "calls": max(calls, default=0),
        }  # fmt: skip


def write(root: Path, said: int, first: int, before: Callable[[], None]) -> None:
    """The child: write round by round, until killed."""
    profile = Profile(root)
    before()
    for number in range(first, ROUNDS):
        for name, step in profile.steps.items():
            try:
                step(number)
            except LocalError:
                continue  # a full disk, which is said to the user
            os.write(said, json.dumps([name, number]).encode() + b"\n")


def kill_at_event(number: int) -> Callable[[], None]:
    """Return what kills this process at the so-manieth audit event: opening, renaming, removing, linking and others."""
    left = number

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return lambda: sys.addaudithook(hook)


def small_disk(size: int) -> Callable[[], None]:
    """Return what lets each file of this process have so many bytes."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return limit


def one_run(root: Path, dice: random.Random, first: int) -> dict[str, int]:
    """Run one child to its end; return the last number that it said of each file."""
    out, said = os.pipe()
    how = dice.choice(["event", "moment", "moment", "disk"])
    before = {
        "event": kill_at_event(dice.randrange(1, EVENTS)),
        "moment": lambda: None,
        "disk": small_disk(dice.choice([0, 1, 100, 1000, 5000, 40_000])),
    }[how]
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.close(out)
            write(root, said, first, before)
        os._exit(0)
    os.close(said)
    until = time.monotonic() + dice.uniform(0.0, 0.25)
    data = b""
    while True:
        readable, _, _ = select.select([out], [], [], max(0.0, until - time.monotonic()))
        if not readable:
            os.kill(child, signal.SIGKILL)
            until = time.monotonic() + 60
            continue
        more = os.read(out, 65536)
        if not more:
            break
        data += more
    os.close(out)
    os.waitpid(child, 0)
    last: dict[str, int] = {}
    for line in data.splitlines():
        with contextlib.suppress(ValueError):
            name, number = json.loads(line)
            last[name] = number
    return last


def main(runs: int, seed: int) -> None:
    """Run, and say how often each file was cut off in the middle of a round."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="torture-") as place:
        root = Path(place) / "grapevine"
        had = {"settings": 0, "trust": 0, "key": 0, "calls": 0}
        for run in range(runs):
            first = max(had.values()) + 1
            if first > ROUNDS - 100:
                for path in root.iterdir():
                    path.unlink()
                had, first = dict.fromkeys(had, 0), 1
            said = one_run(root, dice, first)
            remove_leftovers(root)
            found = Profile(root).found()
            for name, number in found.items():
                least = said.get(name, had[name])
                assert number >= least, f"run {run}, seed {seed}: {name} has {number}, though {least} was written"
            left = [path.name for path in root.iterdir() if "tmp" in path.name or "damaged" in path.name]
            assert left == [], f"run {run}, seed {seed}: {left} are left over"
            had = found
    sys.stdout.write(f"{runs} runs\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
