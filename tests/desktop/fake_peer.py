"""A bridge without a core: its signals are emitted by the test, its verbs are written down. And a lifelike scene."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from core.kinds.listening import Found
from core.kinds.share import Share
from core.ledger.record import CallRecord
from core.news.events import (
    Announced,
    BrokerChanged,
    BrokerEntry,
    BrokerRow,
    BrokerSnapshot,
    BrokerUse,
    Discovered,
    ErrorRaised,
    GrapeChanged,
    GrapeSnapshot,
    GrapeState,
    IdentitySnapshot,
    Listening,
    Lost,
    PeerEvent,
    PeerRow,
    PeerSnapshot,
    PendingRequest,
    PunchReceived,
    PunchSent,
    ReplyReceived,
    RequestSent,
    RequestServed,
    Role,
    ServiceSnapshot,
    ShareRow,
    Traffic,
    UseRow,
)
from core.peer_id import PeerId
from core.trust.audience import Audience
from core.trust.entries import EVERY, KnownPeer, Pending
from core.using.offers import OfferRow
from core.values import Address, JsonValue
from desktop.views.contract import Ending

NOW = 1_789_999_200.0  # Unix seconds; where the scenes play
BOUND = Address("0.0.0.0", 41234)  # before anybody has looked where this computer is
HOME = Address("192.168.1.5", 41234)  # as the core tells it: our address on our network
OBSERVED = Address("198.51.100.23", 41234)
ANNA = Address("203.0.113.5", 40817)
BEN = Address("192.0.2.44", 51022)
CLEO = Address("203.0.113.91", 33400)
DORA = Address("198.51.100.7", 20555)
SEQUENCE: list[JsonValue] = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]

ALONE = GrapeSnapshot(
    GrapeState.ALONE,
    embedded=True,
    url="http://127.0.0.1:30001",
    nodes=0,
    message="No other grape is known. Peers that use this one find each other; to meet more, add a bootstrap node.",
    dht_port=20001,
)
STARTING = GrapeSnapshot(GrapeState.STARTING, True, "http://127.0.0.1:30001", 0, "Joining the network of grapes.")
CONNECTED = GrapeSnapshot(
    GrapeState.CONNECTED,
    embedded=True,
    url="http://127.0.0.1:30001",
    nodes=7,
    message="This computer's own grape, UDP port 20001. Others join it at 198.51.100.23:20001.",
    dht_port=20001,
)
UNREACHABLE = GrapeSnapshot(
    GrapeState.UNREACHABLE,
    embedded=False,
    url="http://192.0.2.7:30001",
    nodes=0,
    message="http://192.0.2.7:30001 does not answer. Check that this grape runs, or set another one; trying again.",
)
FIBONACCI = ServiceSnapshot(
    name="fibonacci",
    description="The first n Fibonacci numbers, exact at any size",
    example={"length": 10},
    sharing=False,
    consuming=False,
    announced_nodes=0,
    served=0,
    failed=0,
)


@dataclass(frozen=True, slots=True)
class FakeReply:
    """As `core.rpc`'s Reply."""

    peer: Address
    seconds: float
    data: JsonValue


@dataclass(frozen=True, slots=True)
class FakeOutcome:
    """As `desktop.bridge.RequestOutcome`."""

    ticket: int
    target: str
    payload: JsonValue
    reply: FakeReply | None
    error: str | None
    seconds: float
    ending: Ending = "silent"


@dataclass(frozen=True, slots=True)
class FakeLook:
    """As `core.kinds.preview.Look`."""

    possible: bool
    ok: bool
    sentence: str
    warnings: tuple[str, ...] = ()


class FakeSharing(QObject):
    """As `desktop.bridge.sharing.Sharing`: verbs are written down, the test tells what comes of them."""

    done = Signal(object, str)
    looked = Signal(object, object)
    found = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[object, ...]] = []
        self.ticket = 0

    def _asked(self, *call: object) -> int:
        self.calls.append(call)
        self.ticket += 1
        return self.ticket

    def add(self, share: Share, groups: Sequence[str] = ()) -> int:
        return self._asked("add", share, *groups)

    def open_for(self, name: str, groups: Sequence[str]) -> None:
        self.calls.append(("open for", name, list(groups)))

    def switch(self, name: str, on: bool) -> None:
        self.calls.append(("switch", name, on))

    def remove(self, name: str) -> None:
        self.calls.append(("remove", name))

    def edit(self, name: str, new_name: str, audience: Audience, permanent: bool, over: tuple[str, ...] = ()) -> None:
        self.calls.append(("edit", name, new_name, audience, permanent, over))

    def look(self, share: Share) -> int:
        return self._asked("look", share)

    def check(self, name: str) -> int:
        return self._asked("check", name)

    def find(self) -> int:
        return self._asked("find")

    def tell_look(self, possible: bool, ok: bool, sentence: str, *warnings: str) -> None:
        """Answer what was asked last."""
        self.looked.emit(self.ticket, FakeLook(possible, ok, sentence, warnings))

    def tell_found(self, *found: Found) -> None:
        """Answer the newest `find`, and no other."""
        self.found.emit(self.ticket, found)


class FakeUsing(QObject):
    """As `desktop.bridge.using.Using`."""

    offered = Signal(object, object, str)
    opened = Signal(object, str, str)
    values = Signal(object, object)
    ended = Signal(object, str)

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[object, ...]] = []
        self.ticket = 0
        self.kept: set[tuple[PeerId, str]] = set()

    def _asked(self, *call: object) -> int:
        self.calls.append(call)
        self.ticket += 1
        return self.ticket

    def ask(self, peer_id: PeerId) -> int:
        return self._asked("ask", peer_id)

    def open(self, peer_id: PeerId, service: str, kind: str) -> int:
        return self._asked("open", peer_id, service, kind)

    def close(self, where: str) -> None:
        self.calls.append(("close", where))

    def keep(self, row: UseRow, on: bool) -> None:
        self.calls.append(("keep", row.service, on))
        (self.kept.add if on else self.kept.discard)((row.peer_id, row.service))

    def is_kept(self, row: UseRow) -> bool:
        return (row.peer_id, row.service) in self.kept

    def watch(self, peer_id: PeerId, service: str) -> int:
        return self._asked("watch", peer_id, service)

    def cancel(self, ticket: int) -> None:
        self.calls.append(("cancel", ticket))


class FakeInviting(QObject):
    """As `desktop.bridge.inviting.Inviting`."""

    invited = Signal(object, str, object)
    looked = Signal(object, str, object)
    joined = Signal(object, str)
    refused = Signal(object, str)

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[object, ...]] = []

    def _note(self, *call: object) -> int:
        self.calls.append(call)
        return len(self.calls)

    def invite(self, name: str, services: frozenset[str], *, uses: int, days: float, called: str) -> int:
        return self._note("invite", name, services, uses, days, called)

    def withdraw(self, number: int) -> None:
        self._note("withdraw", number)

    def look(self, link: str) -> int:
        return self._note("look", link)

    def join(self, link: str, name: str) -> int:
        return self._note("join", link, name)

    def cancel(self, ticket: int) -> None:
        self._note("cancel", ticket)


class FakeBridge(QObject):
    """Keeps the contract of docs/architecture.md, "Desktop", with nothing behind it.

    `calls` lists the verbs with their arguments, in order. Turning a switch changes nothing until `show` says so.
    """

    snapshot_changed = Signal(object)
    events_arrived = Signal(object)
    request_finished = Signal(object)
    failed = Signal(str)
    calls_found = Signal(object, object)
    calls_said = Signal(str)
    calls_cleared = Signal()

    def __init__(self, snapshot: PeerSnapshot | None = None) -> None:
        super().__init__()
        self.calls: list[tuple[object, ...]] = []
        self._snapshot = snapshot
        self._tickets = 0
        self.attended: list[bool] = []
        self.crossed = Traffic()
        self.sharing = FakeSharing()
        self.using = FakeUsing()
        self.inviting = FakeInviting()

    def attend(self, on: bool) -> None:
        self.attended.append(on)

    def ask_calls(self, text: str, outcome: str, before: int | None, limit: int) -> int:
        self.calls.append(("ask calls", text, outcome, before, limit))
        self._tickets += 1
        return self._tickets

    def tell_calls(self, *calls: CallRecord) -> None:
        """Answer what was asked for last."""
        self.calls_found.emit(self._tickets, calls)

    def export_calls(self, path: str, text: str, outcome: str) -> None:
        self.calls.append(("export calls", path, text, outcome))

    def clear_calls(self) -> None:
        self.calls.append(("clear calls",))

    def trust(self, peer_id: PeerId, name: str, services: frozenset[str]) -> None:
        self.calls.append(("trust", peer_id, name, services))

    def put_in_groups(self, peer_id: PeerId, groups: Sequence[str]) -> None:
        self.calls.append(("groups", peer_id, list(groups)))

    def confirm_trust(self) -> None:
        self.calls.append(("confirm trust",))

    def untrust(self, peer_id: PeerId) -> None:
        self.calls.append(("untrust", peer_id))

    def block(self, peer_id: PeerId) -> None:
        self.calls.append(("block", peer_id))

    def accept(self, peer_id: PeerId, service: str, *, once: bool) -> None:
        self.calls.append(("accept", peer_id, service, once))

    def refuse(self, peer_id: PeerId, service: str) -> None:
        self.calls.append(("refuse", peer_id, service))

    def act_as_broker(self, on: bool) -> None:
        self.calls.append(("act as broker", on))

    def use_broker(self, on: bool, brokers: Sequence[str]) -> None:
        self.calls.append(("use broker", on, tuple(brokers)))

    def pass_on(self, passes: str) -> None:
        self.calls.append(("pass on", passes))

    def use_relays(self, on: bool) -> None:
        self.calls.append(("use relays", on))

    def show(self, snapshot: PeerSnapshot) -> None:
        """Make this the newest snapshot, and tell."""
        self._snapshot = snapshot
        self.snapshot_changed.emit(snapshot)

    def tell(self, *events: PeerEvent) -> None:
        """Let one batch of events arrive."""
        self.events_arrived.emit(events)

    def answer(self, data: JsonValue, *, peer: Address = ANNA, seconds: float = 0.182) -> None:
        """End the newest request with an answer."""
        _, target, payload, _ = self._newest_request()
        reply = FakeReply(peer, seconds, data)
        self.request_finished.emit(FakeOutcome(self._tickets, target, payload, reply, None, seconds + 0.02, "reply"))

    def fail(self, error: str, *, seconds: float = 10.0, ending: Ending = "silent") -> None:
        """End the newest request with an error."""
        _, target, payload, _ = self._newest_request()
        self.request_finished.emit(FakeOutcome(self._tickets, target, payload, None, error, seconds, ending))

    def cancel_request(self, ticket: int) -> None:
        """Write the call down, and end that request if it is the newest."""
        self.calls.append(("cancel_request", ticket))
        if ticket == self._tickets:
            self.fail("You cancelled this request.", seconds=1.5, ending="cancelled")

    def _newest_request(self) -> tuple[str, str, JsonValue, float]:
        return next(call for call in reversed(self.calls) if call[0] == "send_request")  # type: ignore[return-value]

    def set_sharing(self, service: str, on: bool) -> None:
        """Write the call down."""
        self.calls.append(("set_sharing", service, on))

    def set_consuming(self, service: str, on: bool) -> None:
        """Write the call down."""
        self.calls.append(("set_consuming", service, on))

    def send_request(self, target: str, payload: JsonValue, timeout: float) -> int:
        """Write the call down and return its ticket; `answer` or `refuse` ends it."""
        self.calls.append(("send_request", target, payload, timeout))
        self._tickets += 1
        return self._tickets

    def snapshot(self) -> PeerSnapshot | None:
        """Return the newest snapshot."""
        return self._snapshot

    def traffic(self) -> Traffic:
        """Return what a test put there."""
        return self.crossed


def peer_row(
    address: Address = ANNA,
    role: Role = Role.CONSUMER,
    *,
    now: float = NOW,
    since: float = 240.0,
    seen: float = 1.0,
    sent: int = 12,
    received: int = 10,
    rtt: float | None = 0.182,
    listed: bool = True,
    peer_id: PeerId | None = None,
) -> PeerRow:
    """Return another peer; `since` and `seen` are seconds before `now`."""
    served = int(role is Role.CONSUMER and rtt is not None)
    return PeerRow(
        address=address,
        role=role,
        service=f"fibonacci_{role.value}",
        since=now - since,
        last_seen=now - seen,
        listed=listed,
        punches_sent=sent,
        punches_received=received,
        requests_served=served,
        replies=0 if served or rtt is None else 1,
        rtt=rtt,
        peer_id=peer_id,
    )


def empty_snapshot(grape: GrapeSnapshot = ALONE, service: ServiceSnapshot = FIBONACCI) -> PeerSnapshot:
    """Return a peer just opened, with nobody around."""
    return PeerSnapshot(1, HOME, None, grape, (service,), ())


def busy_snapshot(now: float = NOW) -> PeerSnapshot:
    """Return a peer that shares and consumes among four others."""
    service = replace(
        FIBONACCI, sharing=True, consuming=True, announced_nodes=7, served=1284, failed=2, audience=Audience.ANYONE
    )
    peers = (
        peer_row(
            ANNA, Role.CONSUMER, now=now, since=4210, seen=0.4, sent=1840, received=1822, rtt=0.0382, peer_id=ALICE
        ),
        peer_row(BEN, Role.WORKER, now=now, since=912, seen=2, sent=64, received=61, rtt=0.182),
        peer_row(CLEO, Role.CONSUMER, now=now, since=8, seen=4, sent=15, received=0, rtt=None),
        peer_row(DORA, Role.WORKER, now=now, since=3, seen=3, sent=0, received=0, rtt=None),
        peer_row(
            Address("192.0.2.130", 47001),
            Role.CONSUMER,
            now=now,
            since=9300,
            seen=75,
            sent=500,
            received=480,
            rtt=1.24,
            listed=False,
            peer_id=EVE,
        ),
    )
    identity = IdentitySnapshot(OURS, "Your key is in this computer's keyring.", True)
    return PeerSnapshot(42, HOME, OBSERVED, CONNECTED, (service,), peers, identity=identity)


ALICE, BOB, EVE = (PeerId(bytes([number]) * 32) for number in (7, 88, 201))
OURS = PeerId(bytes(range(32)))


def people_snapshot(now: float = NOW) -> PeerSnapshot:
    """Return the busy peer with an identity, known peers, and two who wait for an answer."""
    known = (
        KnownPeer(ALICE, "Anna's greenhouse", now - 40 * 86_400, now - 65, frozenset({"fibonacci"})),
        KnownPeer(BOB, "", now - 3 * 86_400, None, EVERY),
        KnownPeer(PeerId(bytes([9]) * 32), "The old telephone", now - 700 * 86_400, now - 86_400, frozenset(), True),
    )
    pending = (
        Pending(EVE, "fibonacci", CLEO, now - 500, now - 300, 3),
        Pending(ALICE, "camera", ANNA, now - 70, now - 20),
    )
    return replace(busy_snapshot(now), revision=43, known_peers=known, pending=pending)


def call_records(now: float = NOW, count: int = 12) -> list[CallRecord]:
    """Return calls of known peers, strangers and plain ones, the newest first."""
    who = (str(ALICE), str(ALICE), None, str(EVE))
    where = (ANNA, ANNA, BEN, CLEO)
    outcomes = ("ok", "ok", "ok", "ERR_NOT_TRUSTED")
    return [
        CallRecord(now - 7.5 * at, who[at % 4], str(where[at % 4]), "fibonacci", 61, (1 - at % 4 // 3) * 412,
                   0.0004 * (at + 1), outcomes[at % 4], count - at)
        for at in range(count)
    ]  # fmt: skip


def broker_snapshot(now: float = NOW) -> PeerSnapshot:
    """Return the peer as a broker of three, that uses another broker itself."""
    entries = (
        BrokerEntry("fibonacci_worker", True, ANNA, ALICE, now - 4000, now - 0.4),
        BrokerEntry("fibonacci_worker", False, CLEO, None, now - 11, now - 1.9),
        BrokerEntry("camera_worker", False, BEN, EVE, now - 63, now - 2.2),
    )
    broker = BrokerSnapshot(True, 7, entries, (("ERR_BROKER_RATE", 1204),))
    row = BrokerRow(Address("203.0.113.9", 21000), True, "Registered at 203.0.113.9:21000.", 2, True)
    use = BrokerUse(True, (), "Registered at 203.0.113.9:21000.", (row,), 1)
    return replace(people_snapshot(now), revision=44, pending=(), broker=broker, broker_use=use)


FOUND = (
    Found(3000, "node", "Web page", "http"),
    Found(1883, "mosquitto", "MQTT broker", "tcp"),
    Found(22, "", "SSH", "tcp"),
    Found(8123, "", "Home Assistant", "http"),
)
OFFERS = (
    OfferRow("garden", "http", "a web page"),
    OfferRow("holiday", "folder", "a folder"),
    OfferRow("ssh", "tcp", "a TCP port (22)"),
    OfferRow("temperature", "values", "values that go on"),
    OfferRow("thermo", "json", "a program that answers requests"),
    OfferRow("<b>telescope</b>", "hologram", "a kind of the future <img src=x>\u202e"),
)


def shares_snapshot(now: float = NOW) -> PeerSnapshot:
    """Return the peer with shares of several kinds, and services of others that are open here."""

    def share(name: str, kind: str, description: str, audience: Audience, **rest: object) -> ShareRow:
        usual: dict[str, object] = {
            "on": True, "permanent": True, "problem": "", "users": (), "streams": 0, "sent": 0, "received": 0,
            "served": 0, "failed": 0, "refused": 0,
        }  # fmt: skip
        return ShareRow(name, kind, description, audience, **{**usual, **rest})  # type: ignore[arg-type]

    shares = (
        share("garden", "http", "a web page", Audience.TRUSTED, users=(ALICE, EVE), streams=3, sent=6_460_000,
              received=41_000, served=431),
        share("holiday pictures", "folder", "a folder", Audience.TRUSTED, permanent=False, served=12, failed=1),
        share("temperature", "values", "values that go on", Audience.IDENTIFIED, users=(BOB,), streams=1, sent=912),
        share("ssh", "tcp", "", Audience.TRUSTED, on=False),
        share("camera", "folder", "", Audience.TRUSTED, on=False,
              problem="The folder /media/camera is not there, or cannot be read"),
    )  # fmt: skip
    uses = (
        UseRow("http://printer.anna-s-greenhouse.localhost:40917/", ALICE, "Anna's greenhouse", "printer", "http", ""),
        UseRow("127.0.0.1:40222", BOB, BOB.short, "ssh", "tcp", "peer K5ZHS2L cannot be reached"),
    )  # fmt: skip
    return replace(people_snapshot(now), revision=45, pending=(), shares=shares, uses=uses)


def busy_events(now: float = NOW) -> list[PeerEvent]:
    """Return what led to `busy_snapshot`, oldest first."""
    start = now - 30
    events: list[PeerEvent] = [
        Listening(start, BOUND),
        GrapeChanged(start + 0.3, STARTING),
        GrapeChanged(start + 1.1, CONNECTED),
        Announced(start + 1.4, "fibonacci_worker", 7),
        Discovered(start + 2.0, "fibonacci_consumer", ANNA),
    ]
    for round_, peer in enumerate((ANNA, BEN)):
        at = start + 2.1 + 3 * round_
        events += [PunchSent(at + 0.05 * each, peer) for each in range(5)]
        events += [PunchReceived(at + 0.12 + 0.05 * each, peer, first=each == 0) for each in range(3)]
        events.append(RequestServed(at + 0.4, "fibonacci", peer, 0.0021, None))
    events += [
        Discovered(start + 9.0, "fibonacci_worker", BEN),
        RequestSent(start + 9.6, "fibonacci", BEN),
        ReplyReceived(start + 9.782, BEN, 0.182, list(SEQUENCE)),
        RequestServed(start + 12.0, "fibonacci", ANNA, 0.0004, "'length' must be a whole number from 0 to 10,000"),
        ErrorRaised(start + 15.0, "ERR_TIMEOUT", "203.0.113.91:33400 did not answer within 10 s", CLEO),
        Lost(start + 20.0, "fibonacci_consumer", DORA, "not listed for 30 s, and silent"),
        BrokerChanged(start + 21.0, 1, "Registered at 203.0.113.9:21000."),
        PendingRequest(start + 21.5, ALICE, "Anna's greenhouse", "camera", ANNA, 1),
        Discovered(start + 22.0, "fibonacci_consumer", CLEO),
    ]
    events += [PunchSent(start + 22.1 + 0.05 * each, CLEO) for each in range(5)]
    events += [
        RequestServed(start + 26.0, "fibonacci", ANNA, 0.0018, None),
        RequestServed(start + 29.0, "fibonacci", ANNA, 0.0017, None),
    ]
    return events


class FakeIdentityActs(QObject):
    """As `desktop.identity_acts.IdentityActs`: verbs are written down, the test tells what comes of them."""

    done = Signal(str)
    failed = Signal(str)
    read = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[object, ...]] = []

    def export(self, path: str, passphrase: str) -> None:
        """Write the call down."""
        self.calls.append(("export", path, passphrase))

    def load(self, path: str, passphrase: str) -> None:
        """Write the call down."""
        self.calls.append(("load", path, passphrase))

    def become(self, identity: object) -> None:
        """Write the call down."""
        self.calls.append(("become", identity))

    def renew(self) -> None:
        """Write the call down."""
        self.calls.append(("renew",))

    def retry(self) -> None:
        """Write the call down."""
        self.calls.append(("retry",))
