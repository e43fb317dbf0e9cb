"""What a network does to UDP, found out as RFC 5780 does: ask servers at two addresses with two ports each.

Mapping: does the port that they see depend on the server that we ask? Filtering: from where does an answer get in?
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import TypeAlias

from core.values import Address
from tests.natlab.internet import Public
from tests.natlab.namespaces import entered

Message: TypeAlias = dict[str, object]

PORTS = (3478, 3479)
_TRIES, _PATIENCE = 3, 0.3  # seconds; on a machine that is busy with other tests
_OFTEN = 0.05  # seconds between looks


class Depends(StrEnum):
    """On what of the remote address something depends (RFC 4787 sections 4.1 and 5)."""

    NOTHING = "nothing"
    HOST = "host"
    ADDRESS = "host and port"
    BLOCKED = "nothing gets through"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`mapped` is our address as each server saw it."""

    mapping: Depends
    filtering: Depends
    mapped: tuple[Address, ...] = ()
    kept: bool = False  # the inside's port


class Probe:
    """A UDP socket in a namespace; it sends JSON, and keeps what comes with where it came from."""

    def __init__(self, namespace: str, port: int = 0, host: str = "0.0.0.0") -> None:
        with entered(namespace):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, port))
        self.got: list[tuple[Message, Address]] = []
        asyncio.get_running_loop().add_reader(self.socket, self._read)

    @property
    def port(self) -> int:
        """Our own, inside."""
        return int(self.socket.getsockname()[1])

    def send(self, message: Message, to: Address, *, ttl: int = 64) -> None:
        """Send one datagram; that nobody is there is no error."""
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        with contextlib.suppress(OSError):
            self.socket.sendto(json.dumps(message).encode(), tuple(to))

    async def ask(self, server: Address, *, via: Address | None = None) -> Address | None:
        """Ask a server how it sees us; `via` is where the answer is to come from. None: no answer came."""
        for number in range(_TRIES):
            asked = f"{server} {via} {number}"
            self.send({"asked": asked, "via": None if via is None else str(via)}, server)
            answer = await self.hears(lambda message: message.get("answer") == asked)  # noqa: B023 - over before the next
            if answer is not None:
                return Address.parse(str(answer[0]["you"]))
        return None

    async def hears(
        self, what: Callable[[Message], bool], seconds: float = _PATIENCE
    ) -> tuple[Message, Address] | None:
        """Return what came and is as wanted, waiting for it; None when nothing did."""
        for _ in range(round(seconds / _OFTEN)):
            found = next((item for item in self.got if what(item[0])), None)
            if found is not None:
                return found
            await asyncio.sleep(_OFTEN)
        return None

    def close(self) -> None:
        """Close the socket."""
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, (host, port) = self.socket.recvfrom(2048)
                self.got.append((json.loads(data), Address(host, port)))
                self.on_message(*self.got[-1])

    def on_message(self, message: Message, source: Address) -> None:
        """Be told of each message, for who answers."""


class _Server(Probe):
    def __init__(self, servers: "Servers", place: Public, address: Address) -> None:
        super().__init__(place.namespace, address.port, address.host)
        self._servers = servers

    def on_message(self, message: Message, source: Address) -> None:
        self.got.clear()
        via = message.get("via")
        answering = self if via is None else self._servers.at(Address.parse(str(via)))
        answering.send({"answer": message["asked"], "you": str(source)}, source)


class Servers:
    """The four sockets of a public machine with two addresses."""

    def __init__(self, place: Public) -> None:
        self.addresses = [Address(host, port) for host in place.addresses for port in PORTS]
        self._servers = {address: _Server(self, place, address) for address in self.addresses}

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for server in self._servers.values():
            server.close()

    def at(self, address: Address) -> Probe:
        """Return the socket that has an address."""
        return self._servers[address]


async def classify(servers: Servers, namespace: str) -> Verdict:
    """Find out what the network of a machine does."""
    first, same_host, other_host, _ = servers.addresses
    probe, fresh = Probe(namespace), Probe(namespace)
    try:
        mapped = [await probe.ask(address) for address in servers.addresses]
        if None in mapped:
            return Verdict(Depends.BLOCKED, Depends.BLOCKED)
        seen = tuple(address for address in mapped if address is not None)
        kept = seen[0].port == probe.port
        filtering = await _filtering(fresh, first, same_host, other_host)
        return Verdict(_mapping(seen), filtering, seen, kept)
    finally:
        probe.close()
        fresh.close()


def _mapping(seen: tuple[Address, ...]) -> Depends:
    if len(set(seen)) == 1:
        return Depends.NOTHING
    return Depends.HOST if seen[0] == seen[1] and seen[2] == seen[3] else Depends.ADDRESS


async def _filtering(fresh: Probe, first: Address, same_host: Address, other_host: Address) -> Depends:
    """Ask one server only, and have the others answer; before that, see that the first one does."""
    assert await fresh.ask(first) is not None
    if await fresh.ask(first, via=other_host) is not None:
        return Depends.NOTHING
    return Depends.HOST if await fresh.ask(first, via=same_host) is not None else Depends.ADDRESS
