"""Two friends, each behind a home router: Anna shares, Bert opens. A grape and a broker are on a public machine.

All are the real command line. The core between can lose packets, and each router can restart.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.natlab import namespaces as ns
from tests.natlab.internet import Internet, Public, Site
from tests.natlab.kinds import LAYERS, Kind, rules
from tests.streams_real import environment, finished, own
from tests.support.forks import OURS
from tests.support.process import Event, Finished, Program, grapevine, running

API, BROKER = 30001, 4000  # ports of the public machine
_LOSS = """
table ip loss {{}}
delete table ip loss
table ip loss {{
  chain forward {{ type filter hook forward priority filter; policy accept;
    {drop}
  }}
}}
"""
PATIENCE = "60"  # seconds that Bert's commands wait for Anna, on a machine that is busy


@dataclass(slots=True)
class Friends:
    """The place, and what runs in it."""

    world: Internet
    folder: Path
    public: Public
    anna: Site
    bert: Site
    ids: tuple[str, str]  # Anna's and Bert's
    programs: list[Program] = field(default_factory=list)
    _restarts: Counter[str] = field(default_factory=Counter)  # with other ports, by router

    @property
    def grape(self) -> str:
        """The grape's HTTP API."""
        return f"http://{self.public.addresses[0]}:{API}"

    @property
    def homes(self) -> tuple[Path, Path]:
        """Anna's and Bert's settings."""
        return self.folder / "anna", self.folder / "bert"

    @asynccontextmanager
    async def origin(self) -> AsyncIterator[Event]:
        """Run what Anna has at home; the event says its ports."""
        command = [*self.anna.inside, sys.executable, "-m", "tests.natlab.origin"]
        async with running("origin", command) as program:
            yield await program.event("ready")

    @asynccontextmanager
    async def share(self, *arguments: str) -> AsyncIterator[Program]:
        """Have Anna share something, until a broker has her."""
        more = ("--broker", "--grape", self.grape)
        async with grapevine("share", *arguments, *more, inside=self.anna.inside, home=self.homes[0]) as program:
            self.programs.append(program)
            await program.event("shared")
            await program.event("broker", lambda event: bool(event["registered"]))
            yield program

    @asynccontextmanager
    async def open(self, service: str, *arguments: str) -> AsyncIterator[tuple[Program, str]]:
        """Have Bert open a service of Anna's; the text is where."""
        more = ("--broker", "--grape", self.grape, "--timeout", PATIENCE)
        arguments = ("open", f"anna/{service}", *arguments, *more)
        async with grapevine(*arguments, inside=self.bert.inside, home=self.homes[1]) as program:
            self.programs.append(program)
            yield program, (await program.event("opened"))["where"]

    def command(self, *arguments: str) -> list[str]:
        """Return a command of Bert's."""
        more = ("--broker", "--grape", self.grape)
        return [*self.bert.inside, *OURS, *arguments, *more]

    async def ask(self, *arguments: str, said: bytes = b"", timeout: float = 180.0) -> Finished:
        """Have Bert run a command of ours to its end."""
        return await finished(
            *self.command(*arguments), env=environment(self.homes[1]), said=said, cwd=self.folder, timeout=timeout
        )

    async def run(self, *command: str, said: bytes = b"", timeout: float = 180.0) -> Finished:
        """Have Bert run any program to its end."""
        return await finished(
            *self.bert.inside, *command, env=environment(self.homes[1]), said=said, cwd=self.folder, timeout=timeout
        )

    async def own(self, *arguments: str) -> Finished:
        """Have Anna run a command that needs no network, beside what she shares."""
        return await own(self.homes[0], *arguments)

    # -- trouble

    def lose(self, percent: int) -> None:
        """Lose so many of a hundred packets, each way."""
        drop = f"numgen random mod 100 < {percent} drop" if percent else ""
        ns.run(*ns.inside(self.world.core), "nft", "-f", "-", stdin=_LOSS.format(drop=drop))

    async def restart(self, site: Site, down: float = 0.0, *, moves: bool = True) -> None:
        """Restart a site's router: nothing passes for `down` seconds; then it knows no flow, and gives other ports."""
        router = site.routers[0]
        await asyncio.to_thread(ns.configure, router, "link set wan down")
        await asyncio.sleep(down)
        self._restarts[router] += moves
        renewed = rules(LAYERS[site.kind][0], site.outside, depth=self._restarts[router])
        await asyncio.to_thread(ns.load_rules, router, renewed)
        await asyncio.to_thread(ns.forget_connections, router)
        gateway = "11.0.255.1"
        await asyncio.to_thread(
            ns.configure, router, "link set wan up", f"route add {gateway}/32 dev wan",
            f"route add default via {gateway} dev wan src {site.outside}",
        )  # fmt: skip

    def transcript(self) -> str:
        """Return what all programs printed."""
        return "\n".join(program.transcript() for program in self.programs)


async def known(folder: Path) -> tuple[str, str]:
    """Make both identities, which trust each other; return their Peer IDs."""
    homes = folder / "anna", folder / "bert"
    made = await asyncio.gather(*(own(home, "id") for home in homes))
    ids = made[0].out.decode().strip(), made[1].out.decode().strip()
    trusted = await asyncio.gather(
        own(homes[0], "trust", "add", ids[1], "--name", "bert"), own(homes[1], "trust", "add", ids[0], "--name", "anna")
    )
    assert [done.code for done in trusted] == [0, 0], trusted
    return ids


@asynccontextmanager
async def friends(
    world: Internet, folder: Path, anna: Kind = Kind.LINUX, bert: Kind = Kind.PORT_RESTRICTED
) -> AsyncIterator[Friends]:
    """Build both homes, and run grape and broker. A failure within shows what all programs printed."""
    async with AsyncExitStack() as stack:
        ids = await known(folder)
        place = Friends(world, folder, world.public(), world.site(anna), world.site(bert), ids)
        api = f"http://127.0.0.1:{API}"
        public = place.public.inside
        for arguments, event in (
            (("grape", "--dp", "20001", "--aph", str(API), "--bn", ""), "listening"),
            (("broker", "--port", str(BROKER), "--grape", api), "announced"),
        ):
            program = await stack.enter_async_context(
                grapevine(*arguments, inside=public, home=folder / f"public-{arguments[0]}")
            )
            place.programs.append(program)
            await program.event(event)
        try:
            yield place
        except AssertionError as error:
            raise AssertionError(f"{error}\n{place.transcript()}") from None
