"""Two command lines and a grape on loopback: Anna shares, and Bert uses it. He knows her by name; she trusts him."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.forks import OURS
from tests.support.process import NO_KEYRING, Event, Finished, Program, grapevine, to_its_end
from tests.support.tools import ROOT

PATIENCE = 90.0  # seconds for a program that ends by itself; CI machines stall


async def finished(
    *command: str, env: dict[str, str] | None = None, said: bytes = b"", cwd: Path = ROOT, timeout: float = PATIENCE
) -> Finished:
    """Run a program to its end, with `said` on its standard input and `env` added to our environment."""
    return await to_its_end(command, env={**os.environ, **(env or {})}, said=said, cwd=cwd, timeout=timeout)


def environment(home: Path) -> dict[str, str]:
    """Return what a command line with its settings under `home` needs; PATH has `grapevine`, as ssh looks for it."""
    own = {f"XDG_{kind}_HOME": str(home) for kind in ("CONFIG", "DATA", "STATE")}
    return {**own, "PYTHON_KEYRING_BACKEND": NO_KEYRING, "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Pair:
    """Two profiles that know each other, and the grape between."""

    anna: Path
    bert: Path
    anna_id: str
    bert_id: str
    grape: str

    @asynccontextmanager
    async def share(self, *arguments: str) -> AsyncIterator[tuple[Program, Event]]:
        """Have Anna share something; the event is how the first share went."""
        async with grapevine("share", *arguments, "--grape", self.grape, home=self.anna) as program:
            told = await program.event("shared")
            yield program, told

    @asynccontextmanager
    async def open(self, service: str, *arguments: str) -> AsyncIterator[tuple[Program, str]]:
        """Have Bert open a service of Anna's; the text is where."""
        async with grapevine(
            "open", f"anna/{service}", *arguments, "--grape", self.grape, "--timeout", "60", home=self.bert
        ) as program:
            yield program, (await program.event("opened"))["where"]

    def command(self, *arguments: str) -> list[str]:
        """Return a command of Bert's, for a program that runs it itself."""
        return [*OURS, *arguments, "--grape", self.grape]

    async def ask(self, *arguments: str, said: bytes = b"", cwd: Path = ROOT) -> Finished:
        """Have Bert run a command to its end."""
        return await finished(*self.command(*arguments), env=environment(self.bert), said=said, cwd=cwd)


async def own(home: Path, *arguments: str) -> Finished:
    """Run a command that needs no network, for the profile under `home`."""
    return await finished(*OURS, *arguments, env=environment(home))


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    """Make both, and run the grape."""
    anna, bert = folder / "anna", folder / "bert"
    ids = [(await own(home, "id")).out.decode().strip() for home in (anna, bert)]
    for home, other, name in ((anna, ids[1], "bert"), (bert, ids[0], "anna")):
        assert (await own(home, "trust", "add", other, "--name", name)).code == 0
    async with grapevine("grape", "--dp", "0", "--aph", "0", "--bn", "", "-b", "127.0.0.1", home=folder) as program:
        yield Pair(anna, bert, ids[0], ids[1], (await program.event("listening"))["api"])
