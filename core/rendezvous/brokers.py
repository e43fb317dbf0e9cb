"""The brokers that this peer uses: what it registers there, and the meetings that come of it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeAlias

from core.broker.client import BrokerClient
from core.broker.in_use import BrokerReply, Want
from core.calling.outgoing import Outgoing
from core.directory.names import Directory
from core.errors import LocalError, PeerError
from core.nat.reflection import Reflector
from core.net.udp import destination
from core.news.events import BrokerChanged, BrokerRow, BrokerUse, ErrorRaised
from core.news.hub import Hub
from core.peer_id import PeerId
from core.punch.meeting import MeetingConfig
from core.rendezvous.introductions import Introductions
from core.rendezvous.place import Place
from core.scope import Scope, scope
from core.services.intents import Intent, Intents
from core.services.names import Role, RoleName
from core.values import Address, JsonValue
from core.wire.broker_message import BROKER_SERVICE, Listing

AGAIN = MeetingConfig().again_soon + 0.1  # seconds after a failed meeting until the next: a timer may be early
HEAD_START = 3.0  # seconds; a meeting's outcome after 2 s, and one more for the broker to tell both sides

ELSEWHERE = Address("0.0.0.0", 0)  # stands for a broker, where meetings are bounded, when none has told of somebody

_log = logging.getLogger(__name__)

OnNamed: TypeAlias = Callable[[RoleName, Sequence[Address]], None]
OnTold: TypeAlias = Callable[[Want, Address, Listing], None]


class Client(Protocol):
    """What asking a broker needs of the RPC client."""

    def request(
        self, address: Address, key: str, payload: JsonValue, *, timeout: float, retry: int
    ) -> Awaitable[BrokerReply]:
        """Ask one address. Raises PeerError."""


class Brokers:
    """Registers what we intend, and what a search looks for, at the brokers in use. Raises only PeerError."""

    def __init__(
        self,
        hub: Hub,
        outgoing: Outgoing,
        directory: Directory,
        client: Client,
        place: Place,
        intents: Intents,
        listed_by: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`listed_by()` is the host of the grape that lists brokers."""
        self._hub = hub
        self._place = place
        self._outgoing = outgoing
        self._directory = directory
        self._listed_by = listed_by
        self._listeners: list[OnNamed] = []
        self._told: list[OnTold] = []
        self._message = "Off."
        self._searches: Counter[RoleName] = Counter()
        self._intents = intents
        self._client = BrokerClient(
            lambda address, payload, seconds: client.request(
                address, BROKER_SERVICE, payload, timeout=seconds, retry=1
            ),
            self._find,
            self._resolve,
            refuses=lambda target, broker: outgoing.refuses(target, broker.host),
            is_self=place.is_self,
            local=self._at_home,
            on_found=self._on_found,
            on_changed=self._on_changed,
            on_problem=self._on_problem,
            on_told=self._on_told,
            round_trip=outgoing.round_trip,
            speak=outgoing.speak,
            rest=outgoing.rest,
            on_moved=lambda: self._introductions.begin_again(),
        )
        self._introductions = Introductions(
            hub, outgoing, lambda: len(self._client.observed()) > 1, self._on_meeting_failed
        )
        self._meet_again: asyncio.TimerHandle | None = None
        intents.subscribe(self._on_intent)

    async def aclose(self) -> None:
        """Use none any longer, and punch nobody."""
        self._introductions.close()
        if self._meet_again is not None:
            self._meet_again.cancel()
        await self._client.aclose()

    async def use(self, on: bool, brokers: Sequence[str] = ()) -> None:
        """Use brokers: these, or with none those that are announced; or stop using any."""
        for text in brokers:
            try:
                Address.parse(text)
            except ValueError as error:
                raise LocalError(f"broker {error}") from None
        if on:
            await self._client.use(brokers)
        else:
            await self._client.stop()

    def begin_again(self) -> None:
        """Register, and meet others, as if we had just begun: we slept, or are on another network."""
        self._introductions.begin_again()
        self._client.begin_again()

    @property
    def finds(self) -> bool:
        """Whether brokers are used, which may name peers that no source has told of."""
        return self._client.on

    def reflectors(self) -> list[Reflector]:
        """Return who of the brokers in use says where it sees us."""
        return [Reflector(each.address) for each in self._client.statuses()]

    def registered(self) -> int:
        """Return how many brokers have us registered."""
        return sum(each.registered for each in self._client.statuses())

    def listen(self, listener: OnTold) -> None:
        """Call `listener(want, broker, listing)` with each answer of a broker of ours."""
        self._told.append(listener)

    def leave(self, want: Want, peer_id: PeerId, text: str) -> None:
        """Leave a text for a peer of the other role."""
        self._client.leave(want, peer_id, text)

    def head_start(self) -> float:
        """Return for how many seconds brokers arrange meetings before peers found on the grapes are punched."""
        return HEAD_START if self._client.on else 0.0

    def subscribe(self, listener: OnNamed) -> None:
        """Call `listener(name, addresses)` with the peers that brokers name now to a role of ours."""
        self._listeners.append(listener)

    @contextmanager
    def opening(self, worker: RoleName | None, candidates: Sequence[Address]) -> Iterator[bool]:
        """Be registered as a consumer of this for the time of a search: brokers tell both sides when to punch."""
        if worker is None or not self._client.on:
            yield False
            return
        name = worker.other
        self._searches[name] += 1
        self._client.want(_want(name))
        try:
            yield True
        finally:
            self._searches[name] -= 1
            if not self._searches[name]:
                del self._searches[name]
                if name not in self._intents:
                    self._client.unwant(_want(name))

    def meet(self, addresses: Iterable[Address], told_in: float = 0.0) -> None:
        """Meet these, of which somebody told that is no broker; the others hear of us within `told_in` seconds.

        0: they have shown that they are there, and are not waited for.
        """
        met = list(addresses)
        self._introductions.introduce(met, dict.fromkeys(met, told_in), lambda address: ELSEWHERE)
        if not told_in:
            self._introductions.begin(met)

    def heard(self, address: Address) -> None:
        """Note a punch."""
        self._introductions.heard(address)

    def reached(self, address: Address) -> None:
        """Note that our punches arrive there."""
        self._introductions.reached(address)

    def addresses(self) -> list[Address]:
        """Return where the brokers in use are, registered or not."""
        return [each.address for each in self._client.statuses()]

    def snapshot(self) -> BrokerUse:
        """Return how it goes with the brokers in use."""
        if not self._client.on:
            return BrokerUse()
        rows = tuple(
            BrokerRow(each.address, each.registered, each.message, each.peers, each.ours)
            for each in self._client.statuses()
        )
        return BrokerUse(True, self._client.fixed, self._client.message(), rows, self._client.refused)

    async def _find(self) -> Sequence[Address]:
        return self._outgoing.told(await self._directory.lookup(BROKER_SERVICE, fresh=True), self._listed_by())

    async def _resolve(self, text: str) -> Address:
        """Return where a broker is that the owner chose."""
        address = await destination(Address.parse(text))
        self._outgoing.permit(address)
        return address

    # -- news --------------------------------------------------------------------------------------------------------

    def _on_intent(self, intent: Intent, on: bool) -> None:
        if on and intent.listed:
            self._client.want(_want(intent.name))
        elif not on and intent.name not in self._searches:
            self._client.unwant(_want(intent.name))

    def _at_home(self) -> Address | None:
        address = self._place.address()
        return address if scope(address.host) is Scope.PRIVATE else None

    def _on_found(self, want: Want, addresses: list[Address], told_in: Mapping[Address, float]) -> None:
        self._outgoing.listed(addresses)
        self._introductions.introduce(addresses, told_in, self._client.named_by, self._client.away)
        named = RoleName.parse(want.service)
        if named is not None:
            ours = named if want.server else named.other
            for listener in self._listeners:
                listener(ours, addresses)

    def _on_meeting_failed(self) -> None:
        """Look whether we moved, and soon see who is still named: a broker's next answer may take seconds."""
        self._client.look_whether_moved()
        if self._meet_again is None:
            self._meet_again = asyncio.get_running_loop().call_later(AGAIN, self._meet_named)

    def _meet_named(self) -> None:
        self._meet_again = None
        self._introductions.introduce(self._client.named(), {}, self._client.named_by, self._client.away)

    def _on_told(self, want: Want, broker: Address, listing: Listing) -> None:
        for listener in self._told:
            listener(want, broker, listing)

    def _on_changed(self) -> None:
        self._hub.touch()
        message = self._client.message()
        if message != self._message:
            _log.debug("brokers: %s", message)
            self._message = message
            registered = sum(status.registered for status in self._client.statuses())
            self._hub.emit(BrokerChanged(self._hub.now(), registered, message))

    def _on_problem(self, broker: Address | None, error: PeerError) -> None:
        _log.debug("broker %s: %s", broker or "lookup", error)
        where = "" if broker is None else f"broker {broker}: "
        self._hub.emit(ErrorRaised(self._hub.now(), error.name, f"{where}{error}", broker))


def _want(name: RoleName) -> Want:
    """Return a role of ours as brokers know it: by the worker's name, and whether that is us."""
    return Want(str(RoleName(name.service, Role.WORKER)), server=name.role is Role.WORKER)
