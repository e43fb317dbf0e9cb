"""Using brokers: a peer registers with each, again and again, over the one socket that punches and serves.

What a broker sees is then the mapping that everything else uses. A broker of ours is asked to answer when there is
news, so both sides of a pair hear of one another at the same moment; any other is asked every two seconds, as the
demo does.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from core.aio.tasks import TaskSet
from core.aio.waiting import wait_for
from core.broker.in_use import BrokerReply, BrokerStatus, InUse, Want
from core.errors import LookupEmpty, PeerError
from core.peer_id import PeerId
from core.scope import only_four
from core.values import Address, JsonValue
from core.wire.broker_message import (
    LONG,
    MAIL_MAX,
    WAIT_MAX,
    Listing,
    Registration,
    parse_listing,
    registration_document,
)

PAUSE = 2.0  # seconds between registrations (PROTOCOL section 7), and how long a broker of ours may wait for news
TOLD_IN = PAUSE + 0.5  # seconds until a peer that registers like the demo hears of a newcomer; 0.5 for a slow line
QUIET_WAIT = WAIT_MAX  # seconds that it may wait once nobody new has come for QUIET_AFTER: less on the wire
QUIET_AFTER = 60.0
LATE = 1.0  # seconds after its time that an answer is missed: our router may have given us another port
HURRY = 0.1  # seconds between registrations at a broker that tells news: the least
SEEK_EVERY = 5.0  # seconds between looks for brokers by their name; less than an entry's 15 s, so a change costs one
SEEK_SELDOM = 900.0  # the same while all that we know have us registered, and nobody new has come for a while
PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0)  # seconds after the 1st, 2nd, ... failure in a row at one broker
ANSWER_TIME = 5.0  # seconds a broker gets to answer, besides what it may wait
MAX_BROKERS = 4  # used at once; of more that are announced, the first
MAX_WANTED = 64  # roles that are registered; more is a mistake


class BrokerClient:
    """Registers `Want`s at brokers until `aclose`. The callbacks must not raise."""

    def __init__(
        self,
        ask: Callable[[Address, JsonValue, float], Awaitable[BrokerReply]],
        find: Callable[[], Awaitable[Sequence[Address]]],
        resolve: Callable[[str], Awaitable[Address]],
        *,
        refuses: Callable[[Address, Address], str | None],
        is_self: Callable[[Address], bool],
        local: Callable[[], Address | None],
        on_found: Callable[[Want, list[Address], Mapping[Address, float]], None],
        on_changed: Callable[[], None],
        on_problem: Callable[[Address | None, PeerError], None],
        on_told: Callable[[Want, Address, Listing], None] = lambda want, broker, listing: None,
        round_trip: Callable[[Address], float | None] = lambda broker: None,
        speak: Callable[[Address], None] = lambda broker: None,
        rest: Callable[[Address], None] = lambda broker: None,
        on_moved: Callable[[], None] = lambda: None,
    ) -> None:
        """`ask(broker, payload, seconds)` sends one registration; `find()` looks brokers up by name.

        `refuses(target, broker)` says why a target must not be punched, or None. `on_found(want, addresses, told_in)`
        gets those of the other role that all brokers together name now, and who of them hears of us only within so
        many seconds. `local()` is where we are at home, None when that is no private network. `on_told(want, broker,
        listing)` gets each answer of a broker of ours. `round_trip(broker)` is that of our connection, in seconds;
        `speak(broker)` says something over it, so that the broker hears where we are now; after `rest(broker)` only
        what keeps it is said. `on_moved()` hears that a broker sees us elsewhere than before, or
        answers again after it could not.
        """
        self._ask, self._find, self._resolve = ask, find, resolve
        self._refuses = refuses
        self._is_self = is_self
        self._local = local
        self._on_found = on_found
        self._on_changed = on_changed
        self._on_problem = on_problem
        self._on_told = on_told
        self._round_trip, self._speak, self._rest_at, self._on_moved = round_trip, speak, rest, on_moved
        self._news_at = 0.0  # when anybody new came last, or a want of ours
        self._mail: dict[Want, dict[PeerId, str]] = {}
        self._fixed: tuple[str, ...] = ()
        self._wants: dict[Want, None] = {}
        self._brokers: dict[Address, InUse] = {}
        self._seeker = TaskSet("broker seeker")
        self._on = False
        self._problem = ""
        self._told: dict[Address | None, str] = {}  # the name of the last problem of each, told once
        self.refused = 0  # targets that brokers named and nobody should punch

    # -- what the owner wants ----------------------------------------------------------------------------------------

    @property
    def on(self) -> bool:
        """Whether brokers are used."""
        return self._on

    @property
    def fixed(self) -> tuple[str, ...]:
        """The brokers to use, as `host:port`; none: those announced on the grapes."""
        return self._fixed

    async def use(self, fixed: Sequence[str] = ()) -> None:
        """Use these brokers from now on, or with none those that are announced."""
        if self._on and tuple(fixed) == self._fixed:
            return
        await self.stop()
        self._fixed, self._on = tuple(fixed), True
        self._seeker = TaskSet("broker seeker")
        self._seeker.spawn(self._seek_forever(), name="look for brokers")
        self._on_changed()

    async def stop(self) -> None:
        """Use none any more. Entries age at the brokers. Idempotent."""
        self._on = False
        await self._seeker.aclose()
        for address in list(self._brokers):
            await self._leave(address)
        self._problem = ""
        self._told.clear()
        self._on_changed()

    aclose = stop

    def begin_again(self) -> None:
        """Look for brokers, and register, as if we had just begun: we slept, or are on another network."""
        if self._on:
            before, self._seeker = self._seeker, TaskSet("broker seeker")
            self._seeker.spawn(self._seek_again(before), name="look for brokers again")

    async def _seek_again(self, before: TaskSet) -> None:
        await before.aclose()
        for address in list(self._brokers):
            await self._leave(address)
        await self._seek_forever()

    def want(self, want: Want) -> None:
        """Register for this from now on, at every broker. More than `MAX_WANTED` are ignored."""
        if want in self._wants or len(self._wants) >= MAX_WANTED:
            return
        self._wants[want] = None
        for broker in self._brokers.values():
            self._register(broker, want)

    def unwant(self, want: Want) -> None:
        """Stop registering for this."""
        self._wants.pop(want, None)
        self._mail.pop(want, None)

    def leave(self, want: Want, peer_id: PeerId, text: str) -> None:
        """Leave a text for a peer of the other role, at every broker of ours, at once; it replaces the one before."""
        mail = self._mail.setdefault(want, {})
        mail.pop(peer_id, None)
        mail[peer_id] = text
        while len(mail) > MAIL_MAX:
            del mail[next(iter(mail))]
        for broker in self._brokers.values():
            if broker.ours and want in self._wants:
                broker.tasks.spawn(self._deliver(broker, want), name=f"leave a text at {broker.address}")

    async def _deliver(self, broker: InUse, want: Want) -> None:
        with contextlib.suppress(PeerError):  # the next registration brings it, or tells of the problem
            await self._register_once(broker, want, wait=0.0)

    # -- what it says ------------------------------------------------------------------------------------------------

    def statuses(self) -> tuple[BrokerStatus, ...]:
        """Return how each broker in use is doing."""
        return tuple(broker.status() for broker in self._brokers.values())

    def message(self) -> str:
        """Return in words how it goes as a whole."""
        if not self._on:
            return "Off."
        if not self._brokers:
            return self._problem or "Looking for a broker."
        registered = [broker for broker in self._brokers.values() if broker.registered]
        if not registered:
            return next(iter(self._brokers.values())).message
        names = ", ".join(str(broker.address) for broker in registered)
        return f"Registered at {names}." if self._wants else f"{names} is there; nothing to register yet."

    def observed(self) -> set[Address]:
        """Return our IPv4 address as each broker of ours sees it: several are the sign of a symmetric NAT."""
        return set(only_four(broker.you for broker in self._brokers.values() if broker.you is not None))

    def found(self, want: Want) -> list[Address]:
        """Return the peers of the other role that all brokers together name now."""
        found: dict[Address, None] = {}
        for broker in self._brokers.values():
            told = broker.listings.get(want)
            for entry in told.entries if told else ():
                if entry.server != want.server:
                    found[entry.address] = None
        return list(found)

    def named(self) -> list[Address]:
        """Return the peers that all brokers together name now, for all that we want."""
        return list(dict.fromkeys(address for want in self._wants for address in self.found(want)))

    def away(self, address: Address) -> float | None:
        """Return how far from its broker a peer is that hears of us when we hear of it, in seconds; None: unknown."""
        found = (
            entry.away for broker in self._brokers.values() if broker.ours for told in broker.listings.values()
            for entry in told.entries if entry.address == address
        )  # fmt: skip
        return min((away for away in found if away is not None), default=None)

    def named_by(self, address: Address) -> Address | None:
        """Return a broker that names this address now."""
        for broker in self._brokers.values():
            for told in broker.listings.values():
                if any(each.address == address for each in told.entries):
                    return broker.address
        return None

    # -- at work -----------------------------------------------------------------------------------------------------

    async def _seek_forever(self) -> None:
        while True:
            try:
                found = await self._seek()
            except LookupEmpty:
                self._say_problem("No broker is announced on the grapes.")
                found = []
            except PeerError as error:
                self._say_problem(f"No broker was found: {error}.")
                self._tell(None, error)
                found = []
            else:
                self._problem = ""
                self._told.pop(None, None)
            await self._settle(found)
            await self._rest()

    async def _rest(self) -> None:
        """Wait until the next look for brokers: a long time only while nothing is wanting."""
        loop = asyncio.get_running_loop()
        until = loop.time() + SEEK_SELDOM
        await asyncio.sleep(SEEK_EVERY if self._brokers else 1.0)
        while loop.time() < until and self._brokers and self._quiet():
            if not all(broker.registered for broker in self._brokers.values()):
                return
            await asyncio.sleep(SEEK_EVERY)

    async def _seek(self) -> list[Address]:
        if self._fixed:
            return [await self._resolve(text) for text in self._fixed[:MAX_BROKERS]]
        return [address for address in await self._find() if not self._is_self(address)]

    async def _settle(self, found: Sequence[Address]) -> None:
        """Begin with brokers that are new, and leave those that are no longer announced and do not answer either."""
        for address, broker in list(self._brokers.items()):
            if address not in found and not broker.registered:
                await self._leave(address)
        for address in found:
            if address not in self._brokers and len(self._brokers) < MAX_BROKERS:
                broker = self._brokers[address] = InUse(address, TaskSet(f"broker {address}"))
                for want in self._wants:
                    self._register(broker, want)
                self._on_changed()

    async def _leave(self, address: Address) -> None:
        broker = self._brokers.pop(address, None)
        if broker is not None:
            await broker.tasks.aclose()
            self._on_changed()

    def _register(self, broker: InUse, want: Want) -> None:
        """Begin, or register at once what ended a moment ago and still waits for its next turn."""
        now = broker.registering.get(want)
        if now is not None:
            now.set()
            return
        now = broker.registering[want] = asyncio.Event()
        broker.tasks.spawn(self._register_forever(broker, want, now), name=f"register {want.service[:60]}")

    async def _register_forever(self, broker: InUse, want: Want, now: asyncio.Event) -> None:
        failures = 0
        with contextlib.suppress(KeyError):
            while want in self._wants:
                try:
                    pause = await self._register_once(broker, want)
                    failures = 0
                except PeerError as error:
                    pause = PAUSES[min(failures, len(PAUSES) - 1)]
                    failures += 1
                    self._failed(broker, want, error)
                if pause:
                    await asyncio.sleep(HURRY)
                    await wait_for(now, pause - HURRY)
        broker.registering.pop(want, None)
        broker.listings.pop(want, None)

    def _patience(self) -> float:
        """Return for how many seconds a broker of ours may keep an answer back."""
        return QUIET_WAIT if self._quiet() else PAUSE

    def _quiet(self) -> bool:
        return asyncio.get_running_loop().time() - self._news_at >= QUIET_AFTER

    async def _answer(self, broker: InUse, document: dict[str, JsonValue], wait: float) -> BrokerReply:
        """Ask, and say something if the answer is late: it may go to a port that our router no longer knows."""
        loop = asyncio.get_running_loop()
        timers = [loop.call_later(wait + LATE, self._is_late, broker)]
        if wait > LONG:
            timers.append(loop.call_later(LATE, self._rest_at, broker.address))
        try:
            return await self._ask(broker.address, document, ANSWER_TIME + wait)
        finally:
            for timer in timers:
                timer.cancel()

    def _is_late(self, broker: InUse) -> None:
        broker.late = True
        self._speak(broker.address)

    def look_whether_moved(self) -> None:
        """Say something to the brokers that know us: if our router has restarted, they tell us where we are now."""
        for broker in self._brokers.values():
            if broker.registered:
                self._speak(broker.address)

    async def _register_once(self, broker: InUse, want: Want, wait: float | None = None) -> float:
        """Register, take the answer, and return when to come again, in seconds."""
        known = broker.listings.get(want)
        wait = self._patience() if wait is None else wait
        waits, before = broker.ours and known is not None and known.seen is not None, broker.ours
        said = Registration(want.service, want.server)
        if broker.ours:
            seen = known.seen if known else None
            mail = self._mail.get(want, {})
            away = self._round_trip(broker.address)
            said = Registration(want.service, want.server, wait if waits else 0.0, seen, self._local(), mail, away)
        reply = await self._answer(broker, registration_document(said), said.wait or 0.0)
        told = self._sound(parse_listing(reply.data, want.service), broker.address)
        if known is None or (told.entries, told.seen) != (known.entries, known.seen):
            self._news_at = asyncio.get_running_loop().time()
        broker.listings[want] = told
        broker.ours = reply.peer_id is not None
        moved = broker.late or (broker.you is not None and told.you not in (None, broker.you))
        broker.late = False
        if told.you is not None:
            broker.you = told.you
        if moved:
            self._on_moved()
        broker.registered, broker.message = True, f"Registered at {broker.address}."
        self._told.pop(broker.address, None)
        self._on_found(want, self.found(want), self._told_in(broker, told) if known is None else {})
        self._on_changed()
        if broker.ours:
            self._on_told(want, broker.address, told)
        if broker.ours and not before:
            return 0.0  # it can be told all now
        return HURRY if broker.ours else PAUSE

    def _told_in(self, broker: InUse, told: Listing) -> dict[Address, float]:
        """Say when those of a first listing hear of us: at once from a broker of ours, else when they ask again."""
        if broker.ours:
            return {}
        at_once = {
            entry.address for other in self._brokers.values() if other.ours
            for listing in other.listings.values() for entry in listing.entries
        }  # fmt: skip
        return {entry.address: TOLD_IN for entry in told.entries if entry.address not in at_once}

    def _sound(self, told: Listing, broker: Address) -> Listing:
        """Leave out addresses that nobody should punch."""
        kept = []
        for entry in told.entries:
            if self._is_self(entry.address) or entry.address == told.you:
                continue
            if self._refuses(entry.address, broker) is None:
                kept.append(entry)
            else:
                self.refused += 1
        return replace(told, entries=tuple(kept))

    def _failed(self, broker: InUse, want: Want, error: PeerError) -> None:
        broker.registered, broker.ours, broker.late = False, False, True
        broker.listings.pop(want, None)
        broker.message = f"{broker.address} does not take our registration: {error}"
        self._tell(broker.address, error)
        self._on_found(want, self.found(want), {})
        self._on_changed()

    def _tell(self, broker: Address | None, error: PeerError) -> None:
        """Tell each kind of problem of a broker once, until it answers again."""
        if self._told.get(broker) != error.name:
            self._told[broker] = error.name
            self._on_problem(broker, error)

    def _say_problem(self, sentence: str) -> None:
        if sentence != self._problem:
            self._problem = sentence
            self._on_changed()
