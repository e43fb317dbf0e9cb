"""The bridge: its signals, its parts, and the verbs of the views (`desktop.views.contract`)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.aio.tasks import TaskSet
from core.errors import LocalError
from core.news.events import GrapeSnapshot, PeerEvent, PeerSnapshot, ServiceSnapshot, Traffic
from core.peer_id import PeerId
from core.values import JsonValue
from desktop.bridge.acts import Acts
from desktop.bridge.feed import Feed
from desktop.bridge.inviting import Inviting
from desktop.bridge.records import Records
from desktop.bridge.requests import Requests
from desktop.bridge.session import Session
from desktop.bridge.sharing import Sharing
from desktop.bridge.using import Using
from desktop.bridge.wishes import Wish, Wishes

if TYPE_CHECKING:
    from core.peer import Peer  # imported after the first paint: it brings aiohttp along


class Bridge(QObject):
    """Turns one peer into signals, on the loop of the window. Signals carry `object`: Qt's own int has 32 bits."""

    snapshot_changed = Signal(object)  # PeerSnapshot
    events_arrived = Signal(object)  # tuple[PeerEvent, ...], oldest first
    request_finished = Signal(object)  # RequestOutcome
    failed = Signal(str)  # a sentence for the window
    calls_found = Signal(object, object)  # ticket, tuple[CallRecord, ...]: the newest first
    calls_said = Signal(str)  # a sentence for the page of calls
    calls_cleared = Signal()
    wished = Signal(object, bool)  # Wish, on: the user turned a switch

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._attended = False
        self._tickets = 0
        self._wishes = Wishes(self.failed.emit, lambda failed: self._feed.refresh(force=failed))
        self._feed = Feed(self, self.snapshot_changed.emit, self.events_arrived.emit, self._wishes.applied)
        self._acts = Acts(self.failed.emit, lambda: self._feed.refresh(force=True))
        self._requests = Requests(self, self.request_finished.emit, self._ticket)
        self._records = Records(
            self, self._acts, self.snapshot,
            found=self.calls_found.emit, said=self.calls_said.emit, cleared=self.calls_cleared.emit,
            ticket=self._ticket,
        )  # fmt: skip
        self.sharing = Sharing(self, self._acts, self._ticket)
        self.using = Using(self, self._acts, self._ticket, self.failed.emit)
        self.inviting = Inviting(self, self._acts, self._ticket)
        self._parts = (
            self._acts, self._requests, self._records, self._wishes, self.sharing, self.using, self.inviting,
        )  # fmt: skip

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    # -- the peer ------------------------------------------------------------------------------------------------

    def attach(self, peer: "Peer") -> None:
        """Show this peer from now on and carry out what was wished. Raises LocalError while another is attached."""
        if self._session is not None:
            raise LocalError("the bridge has a peer: detach that one first")
        self._session = session = Session(peer, TaskSet("bridge"))
        peer.public_dht.attend(self._attended)
        self._feed.attach(peer)
        for part in self._parts:
            part.attach(session)

    async def detach(self) -> None:
        """Let go of the peer before it is closed: requests under way end with an error, wishes stay. Idempotent."""
        session, self._session = self._session, None
        self._feed.detach()
        if session is not None:
            await session.tasks.aclose()
        for part in self._parts:
            part.detach()

    def stand_in(self, grape: GrapeSnapshot, services: tuple[ServiceSnapshot, ...] | None = None) -> None:
        """Show what the grape is doing while no peer is attached; `services` until the first peer tells its own."""
        self._feed.stand_in(grape, services)

    def attend(self, on: bool) -> None:
        """Say whether somebody looks at the window: friends who call by the public DHT are noticed sooner then."""
        self._attended = on
        if self._session is not None:
            self._session.peer.public_dht.attend(on)

    def snapshot(self) -> PeerSnapshot | None:
        """Return the newest snapshot the signal carried, or None before the first."""
        return self._feed.snapshot

    def traffic(self) -> Traffic:
        """Return what crossed the peer's socket so far; nothing while no peer is attached."""
        return self._session.peer.traffic() if self._session is not None else Traffic()

    def hear(self, event: PeerEvent) -> None:
        """Take one event, on the loop. An attached peer's come by themselves; while one opens, hand them in here."""
        self._feed.hear(event)

    def dropped_total(self) -> int:
        """Return how many events never reached the window."""
        return self._feed.dropped_total

    def waiting(self) -> bool:
        """Tell whether something is on its way to the window."""
        return self._feed.waiting()

    async def aclose(self) -> None:
        """Let go of the peer, end all tasks, deliver what is pending. Idempotent."""
        await self.detach()
        self._feed.close()

    # -- what is shared and consumed -----------------------------------------------------------------------------

    def set_sharing(self, service: str, on: bool) -> None:
        """Share a service, or stop; a wish until a peer is attached. Failure: `failed`, and a fresh snapshot."""
        self._wish(Wish(service, share=True), on)

    def set_consuming(self, service: str, on: bool) -> None:
        """Consume a service, or stop; else as `set_sharing`."""
        self._wish(Wish(service, share=False), on)

    def wanted(self) -> Mapping[Wish, bool]:
        """Return what the user asked for, done or not yet."""
        return self._wishes.wanted()

    def _wish(self, wish: Wish, on: bool) -> None:
        self._wishes.wish(wish, on)
        if self._session is None and self._feed.snapshot is not None:
            self.stand_in(self._feed.snapshot.grape)
        self.wished.emit(wish, on)

    # -- who may call --------------------------------------------------------------------------------------------

    def trust(self, peer_id: PeerId, name: str, services: frozenset[str]) -> None:
        """Let a peer call these services and no others; `EVERY` is all."""
        self._acts.do("trust", lambda peer: peer.trust(peer_id, name, services))

    def untrust(self, peer_id: PeerId) -> None:
        """Remove a peer from the list of known peers."""
        self._acts.do("untrust", lambda peer: peer.untrust(peer_id))

    def confirm_trust(self) -> None:
        """Put in force what could be read of a damaged list of known peers: its owner has looked."""
        self._acts.do("confirm the known peers", lambda peer: peer.confirm_trust())

    def block(self, peer_id: PeerId) -> None:
        """Let a peer call nothing, ask nobody, and stay connected no longer."""
        self._acts.do("block", lambda peer: peer.block(peer_id))

    def accept(self, peer_id: PeerId, service: str, *, once: bool) -> None:
        """Answer a pending request: from now on, or once."""
        self._acts.do("accept", lambda peer: peer.accept(peer_id, service, once=once))

    def refuse(self, peer_id: PeerId, service: str) -> None:
        """Forget a pending request; the peer may ask again."""
        self._acts.do("refuse", lambda peer: peer.refuse(peer_id, service))

    def put_in_groups(self, peer_id: PeerId, groups: Sequence[str]) -> None:
        """Have a peer be in these groups, some of which may be new, and in no others."""
        self._acts.do("groups of a peer", lambda peer: peer.groups.put(peer_id, groups))

    def retry_identity(self) -> None:
        """Try again to open a key that could not be opened: a keyring that was locked may be open now."""

        async def retry(peer: "Peer") -> None:
            peer.retry_identity()

        self._acts.do("try the key again", retry)

    # -- brokers -------------------------------------------------------------------------------------------------

    def act_as_broker(self, on: bool) -> None:
        """Be a broker, or stop being one."""
        self._acts.do("broker", lambda peer: peer.act_as_broker(on))

    def use_broker(self, on: bool, brokers: Sequence[str]) -> None:
        """Use these brokers, or with none those that are announced; or use none at all."""
        self._acts.do("use broker", lambda peer: peer.use_broker(on, brokers))

    # -- passing packets on -------------------------------------------------------------------------------------

    def pass_on(self, passes: str) -> None:
        """Pass packets on for nobody, friends or everyone, or "auto"; it holds at once."""

        async def act(peer: "Peer") -> None:
            peer.relaying.pass_on(passes)

        self._acts.do("pass packets on", act)

    def use_relays(self, on: bool) -> None:
        """Let friends pass our packets on, or not; it holds at once."""

        async def act(peer: "Peer") -> None:
            peer.relaying.use(on)

        self._acts.do("use relays", act)

    # -- requests and the record of calls ------------------------------------------------------------------------

    def send_request(self, target: str, payload: JsonValue, timeout: float) -> int:
        """Send a request; `timeout` in seconds. Its outcome comes as `request_finished`, never before this returns."""
        return self._requests.send(target, payload, timeout)

    def cancel_request(self, ticket: int) -> None:
        """End a request that is under way; its outcome says so. One that has ended stays as it is."""
        self._requests.cancel(ticket)

    def ask_calls(self, text: str, outcome: str, before: int | None, limit: int) -> int:
        """Ask for calls of the record; they come as `calls_found` with the ticket returned, never before that."""
        return self._records.ask(text, outcome, before, limit)

    def export_calls(self, path: str, text: str, outcome: str) -> None:
        """Write the calls that fit to a CSV file, and say so."""
        self._records.export(path, text, outcome)

    def clear_calls(self) -> None:
        """Forget every call."""
        self._records.clear()
