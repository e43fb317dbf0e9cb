"""A peer that does what a test tells it, with the signatures of `core.peer`, and an `open_peer` that hands them out."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.errors import LocalError, PeerError
from core.kinds.base import Check
from core.kinds.share import Share
from core.news.events import (
    GrapeSnapshot,
    GrapeState,
    PeerEvent,
    PeerRow,
    PeerSnapshot,
    Role,
    ServiceSnapshot,
    Traffic,
    UseRow,
)
from core.peer_id import PeerId
from core.profile.config import PeerConfig
from core.services.service import Registry
from core.trust.audience import Audience
from core.using.offers import OfferRow
from core.values import Address, JsonValue

ADDRESS = Address("127.0.0.1", 40000)
FIBONACCI = ServiceSnapshot("fibonacci", "numbers", {"length": 10}, False, False, announced_nodes=0, served=0, failed=0)
CONNECTED = GrapeSnapshot(GrapeState.CONNECTED, True, "http://127.0.0.1:30001", 3, "3 other grapes")
ALONE = GrapeSnapshot(GrapeState.ALONE, True, "http://127.0.0.1:30001", 0, "Alone on this machine")
STARTING = GrapeSnapshot(GrapeState.STARTING, True, "", 0, "Starting")
UNREACHABLE = GrapeSnapshot(GrapeState.UNREACHABLE, False, "http://192.0.2.1:30001", 0, "The grape does not answer")


def row(port: int, *, role: Role = Role.CONSUMER, last_seen: float = 1000.0, punches: int = 1) -> PeerRow:
    """Return another peer at 192.0.2.7 and this port."""
    return PeerRow(
        address=Address("192.0.2.7", port),
        role=role,
        service="fibonacci_consumer",
        since=900.0,
        last_seen=last_seen,
        listed=True,
        punches_sent=5,
        punches_received=punches,
        requests_served=0,
        replies=0,
        rtt=None,
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """As `core.rpc.client.Reply`."""

    peer: Address
    seconds: float
    data: JsonValue


class ScriptedStream:
    """A byte stream of which a test puts what arrives; b"" is its end, an error breaks it."""

    def __init__(self) -> None:
        self.arriving: asyncio.Queue[bytes | PeerError] = asyncio.Queue()
        self.given_up = False

    async def accepted(self) -> bytes:
        return b""

    async def read(self) -> bytes:
        data = await self.arriving.get()
        if isinstance(data, PeerError):
            raise data
        return data

    def reset(self) -> None:
        self.given_up = True


class ScriptedPublicDht:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.attended: list[bool] = []

    def attend(self, on: bool) -> None:
        self.attended.append(on)


class ScriptedGroups:
    """Writes down what is opened to which groups."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, list[str]]] = []

    async def open_for(self, service: str, groups: Sequence[str]) -> None:
        self.opened.append((service, list(groups)))


class ScriptedPeer:
    """Shares and consumes at once; `gate` holds its verbs up, `refusal` makes them fail."""

    def __init__(self, config: PeerConfig | None = None) -> None:
        self.config = config or PeerConfig()
        self.public_dht = ScriptedPublicDht()
        self.groups = ScriptedGroups()
        self.state = PeerSnapshot(1, ADDRESS, None, CONNECTED, (FIBONACCI,), ())
        self.calls: list[str] = []
        self.audiences: dict[str, Audience] = {}
        self.held: dict[str, Share] = {}
        self.port_taken = False
        self.most = 64  # shares that it has room for
        self.room: asyncio.Event | None = None  # holds up what is restored
        self.stream = ScriptedStream()
        self.gate = asyncio.Event()
        self.gate.set()
        self.refusal: PeerError | None = None
        self.closed = False
        self._listeners: list[Callable[[PeerEvent], None]] = []

    def subscribe(self, listener: Callable[[PeerEvent], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def revision(self) -> int:
        return self.state.revision

    def snapshot(self) -> PeerSnapshot:
        return self.state

    def traffic(self) -> Traffic:
        return self.state.traffic

    def emit(self, *events: PeerEvent) -> None:
        """Tell events to who listens."""
        for event in events:
            for listener in tuple(self._listeners):
                listener(event)

    def become(self, **fields: object) -> None:
        """Change fields of the snapshot."""
        self.state = dataclasses.replace(self.state, **{"revision": self.state.revision + 1, **fields})  # type: ignore[arg-type]

    def set_audience(self, service: str, audience: Audience) -> None:
        self.audiences[service] = audience

    def shares(self) -> tuple[Share, ...]:
        return tuple(self.held.values())

    async def change_share(self, name: str, share: Share) -> None:
        self._refuse()
        self.held = {
            share.name if key == name else key: share if key == name else old for key, old in self.held.items()
        }

    async def add_share(self, share: Share) -> None:
        self._refuse()
        self.held[share.name] = share
        self.become()

    async def switch_share(self, name: str, on: bool) -> Share:
        self._refuse()
        self.held[name] = dataclasses.replace(self.held[name], on=on)
        self.become()
        return self.held[name]

    async def remove_share(self, name: str) -> Share:
        self._refuse()
        self.become()
        return self.held.pop(name)

    async def check_share(self, name: str) -> Check:
        self._refuse()
        return Check(True, f"{name} is there.")

    async def offered_by(self, peer_id: PeerId, *, timeout: float = 10.0) -> tuple[OfferRow, ...]:
        self.calls.append(f"offered by {peer_id.short}")
        await self.gate.wait()
        self._refuse()
        return (OfferRow("garden", "http", "a web page"),)

    async def use(self, peer_id: PeerId, service: str, *, kind: str = "", port: int = 0, peer: str = "") -> str:
        self.calls.append(f"use {service} {kind} {port}")
        if port and self.port_taken:
            raise LocalError(f"port {port} is taken", name="ERR_PORT_TAKEN")
        self._refuse()
        where = f"http://{service}.anna.localhost:4000/" if kind in ("http", "folder") else f"127.0.0.1:{port or 4001}"
        self.become(uses=(*self.state.uses, UseRow(where, peer_id, "Anna", service, kind, "")))
        return where

    async def stop_using(self, where: str) -> None:
        self.become(uses=tuple(row for row in self.state.uses if row.where != where))

    async def open_stream(self, peer_id: PeerId, service: str) -> "ScriptedStream":
        self._refuse()
        return self.stream

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def restore_shares(self, shares: Iterable[Share]) -> None:
        if self.room is not None:
            await self.room.wait()
        for share in shares:
            if len(self.held) < self.most:
                self.held[share.name] = share

    def retry_identity(self) -> None:
        self.calls.append("retry identity")

    async def share(self, service: str) -> None:
        await self._do(f"share {service}", sharing=True, announced_nodes=4)

    async def unshare(self, service: str) -> None:
        await self._do(f"unshare {service}", sharing=False, announced_nodes=0)

    async def consume(self, service: str, payload: JsonValue = None) -> None:
        await self._do(f"consume {service}", consuming=True)

    async def stop_consuming(self, service: str) -> None:
        await self._do(f"stop consuming {service}", consuming=False)

    async def request(self, target: str, payload: JsonValue, *, timeout: float = 10.0) -> Reply:
        self.calls.append(f"request {target} {payload} {timeout}")
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        return Reply(ADDRESS, 0.25, payload)

    async def _do(self, call: str, **fields: object) -> None:
        self.calls.append(call)
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        changed = dataclasses.replace(self.state.services[0], **fields)  # type: ignore[arg-type]
        self.become(services=(changed,))


class Opener:
    """Stands in for `core.peer.open_peer`: every peer it opened, in order; `failures` are raised first."""

    def __init__(self, *failures: Exception) -> None:
        self.peers: list[ScriptedPeer] = []
        self.failures = list(failures)
        self.heard_early: tuple[PeerEvent, ...] = ()

    @asynccontextmanager
    async def __call__(
        self, config: PeerConfig, *listeners: Callable[[PeerEvent], None], registry: Registry
    ) -> AsyncIterator[ScriptedPeer]:
        if self.failures:
            raise self.failures.pop(0)
        for listener in listeners:
            for event in self.heard_early:
                listener(event)
        peer = ScriptedPeer(config)
        self.peers.append(peer)
        try:
            yield peer
        finally:
            peer.closed = True
