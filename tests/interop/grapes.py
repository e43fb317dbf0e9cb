"""Two grapes that know each other, one ours and one Node's, and two kinds of link to ask either of them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.items import signed_bytes
from core.directory.link import Link
from core.grape.config import GrapeConfig
from core.grape.grape import Grape, open_grape
from core.values import Address, JsonValue
from tests.support.ports import free_port
from tests.support.process import Program, node, until

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class NodeGrape:
    """A running Node grape."""

    program: Program
    dht: Address
    url: str

    async def nodes(self) -> int:
        """Return how many other grapes it knows."""
        return len(await self.program.command("nodes"))


@asynccontextmanager
async def node_grape(*bootstrap: Address, verify: bool = True) -> AsyncIterator[NodeGrape]:
    """Run a Node grape on free ports; with `verify` it accepts mutable items, as its command line's never does."""
    dht, api = Address(LOOPBACK, free_port()), free_port()
    options: dict[str, object] = {
        "dht": dht.port,
        "api": api,
        "host": LOOPBACK,
        "verify": verify,
        "bootstrap": [str(address) for address in bootstrap],
    }
    async with node("grape", options) as program:
        yield NodeGrape(program, dht, f"http://{LOOPBACK}:{api}")


@asynccontextmanager
async def our_grape(*bootstrap: Address) -> AsyncIterator[Grape]:
    """Run a grape of ours on free ports."""
    config = GrapeConfig(dht_port=0, api_port=0, bind=LOOPBACK, bootstrap=bootstrap)
    async with open_grape(config) as grape:
        yield grape


@dataclass(frozen=True)
class Pair:
    """Our grape and Node's, each in the other's table."""

    ours: Grape
    theirs: NodeGrape

    def url(self, whose: str) -> str:
        """Return the URL of the "our" or the "node" grape."""
        return self.ours.url if whose == "our" else self.theirs.url


@asynccontextmanager
async def pair(first: str) -> AsyncIterator[Pair]:
    """Start the "our" or the "node" grape, then the other, which bootstraps off the first; wait until both know."""
    async with AsyncExitStack() as stack:
        if first == "our":
            ours = await stack.enter_async_context(our_grape())
            theirs = await stack.enter_async_context(node_grape(ours.dht_address))
        else:
            theirs = await stack.enter_async_context(node_grape())
            ours = await stack.enter_async_context(our_grape(theirs.dht))

        async def acquainted() -> bool:
            return ours.nodes() == 1 and await theirs.nodes() == 1

        await until(acquainted, "both grapes know each other")
        yield Pair(ours, theirs)


@asynccontextmanager
async def two_node_grapes() -> AsyncIterator[tuple[NodeGrape, NodeGrape]]:
    """Two Node grapes that know each other: one that announces while alone remembers for minutes that it was."""
    async with node_grape() as first, node_grape(first.dht) as second:

        async def acquainted() -> bool:
            return await first.nodes() == 1 and await second.nodes() == 1

        await until(acquainted, "both Node grapes know each other")
        yield first, second


class Asker(Protocol):
    """A link of either kind, reduced to what both can do."""

    async def lookup(self, name: str) -> list[str]:
        """Return who announces a name."""

    async def announce(self, name: str, port: int) -> int:
        """Announce, return the number of grapes that stored it."""

    async def put(self, value: str) -> str:
        """Store, return the hash."""

    async def put_mutable(self, value: str, sequence: int, salt: str) -> tuple[str, str]:
        """Sign with a new key and store; return the hash and the public key in hex."""

    async def get(self, digest: str, salt: str = "") -> dict[str, JsonValue]:
        """Return the item under a hash."""


class OurAsker:
    """Our link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def lookup(self, name: str) -> list[str]:
        """Return who announces a name."""
        return [str(peer) for peer in await self._link.lookup(name)]

    async def announce(self, name: str, port: int) -> int:
        """Announce, return the number of grapes that stored it."""
        return await self._link.announce(name, port)

    async def put(self, value: str) -> str:
        """Store, return the hash."""
        return await self._link.put(value)

    async def put_mutable(self, value: str, sequence: int, salt: str) -> tuple[str, str]:
        """Sign with a new key and store; return the hash and the public key in hex."""
        private = Ed25519PrivateKey.generate()
        key = private.public_key().public_bytes_raw()
        signature = private.sign(signed_bytes(value.encode(), sequence, salt.encode()))
        stored = await self._link.put(value, key=key, signature=signature, sequence=sequence, salt=salt.encode())
        return stored, key.hex()

    async def get(self, digest: str, salt: str = "") -> dict[str, JsonValue]:
        """Return the item under a hash."""
        return await self._link.get(digest, salt=salt.encode())


class NodeAsker:
    """The Node link, in a process of its own."""

    def __init__(self, program: Program) -> None:
        self._program = program

    async def lookup(self, name: str) -> list[str]:
        """Return who announces a name."""
        return list(await self._program.command("lookup", name=name))

    async def announce(self, name: str, port: int) -> int:
        """Announce, return the number of grapes that stored it."""
        return int(await self._program.command("announce", name=name, port=port))

    async def put(self, value: str) -> str:
        """Store, return the hash."""
        return str(await self._program.command("put", item={"v": value}))

    async def put_mutable(self, value: str, sequence: int, salt: str) -> tuple[str, str]:
        """Sign with a new key and store; return the hash and the public key in hex."""
        stored = await self._program.command("putMutable", v=value, seq=sequence, salt=salt)
        return stored["hash"], stored["k"]

    async def get(self, digest: str, salt: str = "") -> dict[str, JsonValue]:
        """Return the item under a hash."""
        item = await self._program.command("get", hash={"hash": digest, "salt": salt} if salt else digest)
        return dict(item)


@asynccontextmanager
async def asker(kind: str, url: str) -> AsyncIterator[Asker]:
    """Connect the "our" or the "node" link to a grape."""
    if kind == "our":
        async with Link([url]) as link:
            yield OurAsker(link)
    else:
        async with node("link", {"grape": url}) as program:
            yield NodeAsker(program)
