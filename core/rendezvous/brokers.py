"""A peer and brokers: acting as one, using some, and the meetings that come of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from core.aio.tasks import TaskSet
from core.broker.client import BrokerClient, BrokerReply, Want
from core.broker.registry import Entry
from core.broker.service import BrokerService
from core.directory.announcer import Announcer
from core.directory.names import Directory
from core.errors import LocalError, PeerError
from core.net.udp import destination
from core.news.events import (
    Announced,
    BrokerChanged,
    BrokerEntry,
    BrokerRow,
    BrokerSnapshot,
    BrokerUse,
    ErrorRaised,
    Registered,
)
from core.news.hub import Hub
from core.rendezvous.introductions import Introductions, Punches
from core.scope import Scope, scope, usable
from core.services.service import worker_key
from core.values import Address, Caller, JsonValue, Outcome
from core.wire.broker_message import BROKER_SERVICE, looks_like_registration

HEAD_START = 3.0  # seconds; a meeting's outcome after 2 s, and one more for the broker to tell both sides
SWEEP_EVERY = 1.0  # seconds between looks for entries that have aged
LEAST_PORT = 1024  # below it are well-known services, which no broker shall have us send to (NAT.md 7.3)


class Place(Protocol):
    """Where this peer is, as far as it knows."""

    def local(self, toward: Address) -> str | None:
        """Return this machine's own host toward another."""

    def observed(self) -> str | None:
        """Return its host as others see it."""

    def address(self) -> Address:
        """Return our address on our network."""

    def is_beside(self, address: Address) -> bool:
        """Return whether this is on a network of ours, with no router between."""

    def is_self(self, address: Address) -> bool:
        """Return whether this is our own socket."""


class Brokering:
    """The broker that this peer is, and those that it uses. Raises only PeerError."""

    def __init__(
        self,
        hub: Hub,
        endpoint: Punches,
        directory: Directory,
        ask: Callable[[Address, str, JsonValue, float], Awaitable[BrokerReply]],
        place: Place,
        port: int,
        *,
        found: Callable[[str, bool, Sequence[Address]], None],
        head_start: Callable[[float], None],
    ) -> None:
        """`found(worker, offers, addresses)` hears whom brokers name to us; `head_start(seconds)` when they are used.

        `ask(address, key, payload, seconds)` sends a request over the peer's one socket.
        """
        self._hub = hub
        self._directory = directory
        self._place = place
        self._port = port
        self._found = found
        self._head_start = head_start
        self._tasks = TaskSet("brokering")
        self._acting: TaskSet | None = None
        self._announcer: Announcer | None = None
        self._announced = 0
        self._said = ""  # the name of the newest problem with announcing
        self._message = "Off."  # of those that we use
        self._service = BrokerService(
            local=place.local, observed=place.observed, seen=self._on_entry, changed=hub.touch
        )
        self._client = BrokerClient(
            lambda address, payload, seconds: ask(address, BROKER_SERVICE, payload, seconds),
            lambda: directory.lookup(BROKER_SERVICE, fresh=True),
            _resolve,
            refuses=self.refuses,
            is_self=place.is_self,
            local=self._at_home,
            on_found=self._on_found,
            on_changed=self._on_changed,
            on_problem=self._on_problem,
        )
        self._introductions = Introductions(hub, endpoint, lambda: len(self._client.observed()) > 1)

    async def aclose(self) -> None:
        """End both, and punch nobody any more."""
        self._introductions.close()
        await self._client.aclose()
        await self.act(False)
        await self._tasks.aclose()

    # -- acting as a broker ------------------------------------------------------------------------------------------

    async def act(self, on: bool) -> None:
        """Be a broker, announced as one, or be none any more. Idempotent."""
        if on and self._acting is None:
            self._acting = TaskSet("acting as a broker")
            self._announcer = Announcer(BROKER_SERVICE, self._port, self._directory, self._on_announced)
            self._acting.spawn(self._announcer.run(), name=f"announce {BROKER_SERVICE}")
            self._acting.spawn(self._sweep_forever(), name="forget who registers no more")
        elif not on and self._acting is not None:
            acting, self._acting, self._announcer, self._announced = self._acting, None, None, 0
            self._service.close()
            await acting.aclose()
        self._hub.touch()

    def serves(self, key: str, payload: JsonValue = None) -> bool:
        """Return whether a request is for the broker that we are. Who has only our address says so by what it sends."""
        if self._acting is None:
            return False
        return key == BROKER_SERVICE or (":" in key and looks_like_registration(payload))

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Answer a registration."""
        return self._service.handle(payload, caller)

    def on_grape(self) -> None:
        """Announce again now: the grapes around us changed."""
        if self._announcer is not None:
            self._announcer.nudge()

    # -- using brokers -----------------------------------------------------------------------------------------------

    async def use(self, on: bool, brokers: Sequence[str] = ()) -> None:
        """Use brokers: these, or with none those that are announced; or use none any more."""
        for text in brokers:
            try:
                Address.parse(text)
            except ValueError as error:
                raise LocalError(f"broker {error}") from None
        self._head_start(HEAD_START if on else 0.0)
        if on:
            await self._client.use(brokers)
        else:
            await self._client.stop()

    @property
    def in_use(self) -> bool:
        """Whether brokers are used."""
        return self._client.on

    def offer(self, service: str, on: bool) -> None:
        """Register as a worker of a service, or no more."""
        self._set(Want(worker_key(service), server=True), on)

    def seek(self, worker: str, on: bool) -> None:
        """Register as somebody who wants what is announced as `worker`, or no more."""
        self._set(Want(worker, server=False), on)

    def seeks(self, worker: str) -> bool:
        """Return whether we are registered as somebody who wants it."""
        return self._client.wants(Want(worker, server=False))

    def heard(self, address: Address) -> None:
        """Note a punch."""
        self._introductions.heard(address)

    def reached(self, address: Address) -> None:
        """Note that our punches arrive there."""
        self._introductions.reached(address)

    def refuses(self, target: Address, broker: Address) -> str | None:
        """Say why a target that a broker names must not be punched, or return None."""
        if not usable(target):
            return "it is no address that anything can be sent to"
        if target.port < LEAST_PORT:
            return "its port is one of well-known services"
        reach = scope(target.host)
        if reach is Scope.PUBLIC or (reach is Scope.CARRIER and scope(broker.host) is Scope.CARRIER):
            return None
        if reach is Scope.LOOPBACK:
            return None if scope(broker.host) is Scope.LOOPBACK else "it is this machine itself"
        return None if self._place.is_beside(target) else "it is on a private network that is not ours"

    # -- what is shown -----------------------------------------------------------------------------------------------

    def broker_snapshot(self) -> BrokerSnapshot:
        """Return what we are as a broker."""
        if self._acting is None:
            return BrokerSnapshot()
        shift = self._hub.now() - asyncio.get_running_loop().time()
        entries = tuple(
            BrokerEntry(
                each.service, each.server, each.address, each.peer_id, each.since + shift, each.renewed_at + shift
            )
            for each in self._service.entries()
        )
        return BrokerSnapshot(True, self._announced, entries, self.broker_refused())

    def broker_refused(self) -> tuple[tuple[str, int], ...]:
        """Return how many registrations we refused, by the error's name."""
        return tuple(sorted(self._service.refused().items()))

    def use_snapshot(self) -> BrokerUse:
        """Return how it goes with the brokers that we use."""
        if not self._client.on:
            return BrokerUse()
        rows = tuple(
            BrokerRow(each.address, each.registered, each.message, each.peers, each.ours)
            for each in self._client.statuses()
        )
        return BrokerUse(True, self._client.fixed, self._client.message(), rows, self._client.refused)

    # -- news --------------------------------------------------------------------------------------------------------

    def _at_home(self) -> Address | None:
        address = self._place.address()
        return address if scope(address.host) is Scope.PRIVATE else None

    def _set(self, want: Want, on: bool) -> None:
        if on:
            self._client.want(want)
        else:
            self._client.unwant(want)

    def _on_entry(self, entry: Entry) -> None:
        now = self._hub.now()
        self._hub.emit(Registered(now, entry.service, entry.server, entry.address, entry.peer_id))

    def _on_announced(self, nodes: int, error: PeerError | None) -> None:
        if nodes != self._announced:
            self._announced = nodes
            self._hub.touch()
            if nodes:
                self._hub.emit(Announced(self._hub.now(), BROKER_SERVICE, nodes))
        if error is not None and self._said != error.name:
            self._hub.emit(ErrorRaised(self._hub.now(), error.name, str(error)))
        self._said = "" if error is None else error.name

    def _on_found(self, want: Want, addresses: list[Address], told_in: Mapping[Address, float]) -> None:
        self._introductions.keep(self._client.everybody())
        self._introductions.introduce(addresses, told_in)
        self._found(want.service, want.server, addresses)

    def _on_changed(self) -> None:
        self._hub.touch()
        message = self._client.message()
        if message != self._message:
            self._message = message
            registered = sum(status.registered for status in self._client.statuses())
            self._hub.emit(BrokerChanged(self._hub.now(), registered, message))

    def _on_problem(self, broker: Address | None, error: PeerError) -> None:
        where = "" if broker is None else f"broker {broker}: "
        self._hub.emit(ErrorRaised(self._hub.now(), error.name, f"{where}{error}", broker))

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            self._service.sweep()


async def _resolve(text: str) -> Address:
    return await destination(Address.parse(text))
