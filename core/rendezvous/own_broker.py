"""The broker that this peer may be: announced as one while it acts, and answering registrations."""

import asyncio
import logging
from typing import Protocol

from core.aio.tasks import TaskSet
from core.broker.registry import Entry
from core.broker.service import BrokerService
from core.directory.announcer import Announcer
from core.directory.names import Directory
from core.errors import PeerError
from core.net.reflecting import Echo, Reflecting
from core.net.udp_socket import UdpSocket
from core.news.events import Announced, BrokerEntry, BrokerSnapshot, ErrorRaised, Registered
from core.news.hub import Hub
from core.rendezvous.place import Place
from core.values import Address, Caller, JsonValue, Outcome
from core.wire.broker_message import BROKER_SERVICE, looks_like_registration

_log = logging.getLogger(__name__)
SWEEP_EVERY = 1.0  # seconds between looks for entries that have aged


class Sockets(Protocol):
    """What is needed of the endpoint, to say from a second port too where others are seen."""

    reflecting: Reflecting

    async def another(self) -> UdpSocket:
        """Open one more socket. Raises LocalError."""

    def speak(self, to: Address | None = None, *, rest: bool = False) -> None:
        """Say something over the connections with a remote; `rest`: and then little for a while."""


class OwnBroker:
    """Brings others together who are both behind a NAT, as long as it acts. Raises only PeerError."""

    def __init__(self, hub: Hub, directory: Directory, place: Place, socket: Sockets | None = None) -> None:
        self._hub = hub
        self._socket = socket
        self._echo: Echo | None = None
        self._directory = directory
        self._place = place
        self._acting: TaskSet | None = None
        self._announcer: Announcer | None = None
        self._announced = 0
        self._said = ""  # the name of the newest problem with announcing
        self._service = BrokerService(
            local=place.local, observed=place.observed, seen=self._on_entry, changed=hub.touch, rest=self._rest
        )

    def _rest(self, caller: Address) -> None:
        if self._socket is not None:
            self._socket.speak(caller, rest=True)

    async def aclose(self) -> None:
        """Be no broker any longer."""
        await self.act(False)

    async def act(self, on: bool) -> None:
        """Be a broker, announced as one, or stop. Idempotent."""
        if on and self._acting is None:
            self._acting = TaskSet("acting as a broker")
            self._announcer = Announcer(BROKER_SERVICE, self._place.port, self._directory, self._on_announced)
            self._acting.spawn(self._announcer.run(), name=f"announce {BROKER_SERVICE}")
            await self._answer_at_two_ports()
            self._acting.spawn(self._sweep_forever(), name="forget peers that no longer register")
        elif not on and self._acting is not None:
            acting, self._acting, self._announcer, self._announced = self._acting, None, None, 0
            self._service.close()
            if self._echo is not None:
                self._echo.close()
                self._echo = None
            await acting.aclose()
        self._hub.touch()

    async def _answer_at_two_ports(self) -> None:
        """Without a second port others learn less of their routers, and everything else works."""
        if self._socket is None:
            return
        try:
            self._echo = Echo(await self._socket.another(), self._socket.reflecting)
        except PeerError as error:
            _log.debug("no second port for those who ask where they are seen: %s", error)

    def serves(self, key: str, payload: JsonValue = None) -> bool:
        """Return whether a request is for the broker. A caller that has only our address says so by what it sends."""
        if self._acting is None:
            return False
        return key == BROKER_SERVICE or (":" in key and looks_like_registration(payload))

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Answer a registration."""
        return self._service.handle(payload, caller)

    def publish(self) -> None:
        """Announce again now: the grapes around us changed, or we moved."""
        if self._announcer is not None:
            self._announcer.nudge()

    def snapshot(self) -> BrokerSnapshot:
        """Return what is registered with us."""
        if self._acting is None:
            return BrokerSnapshot()
        shift = self._hub.now() - asyncio.get_running_loop().time()
        entries = tuple(
            BrokerEntry(
                each.service, each.server, each.address, each.peer_id, each.since + shift, each.renewed_at + shift
            )
            for each in self._service.entries()
        )
        return BrokerSnapshot(True, self._announced, entries, self.refused())

    def refused(self) -> tuple[tuple[str, int], ...]:
        """Return how many registrations we refused, by the error's name."""
        return tuple(sorted(self._service.refused().items()))

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

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            self._service.sweep()
