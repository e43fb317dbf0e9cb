"""Requests that go out: from a target a person wrote to an address that answers."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from core.aio.tasks import TaskSet
from core.calling.inviting import Inviting
from core.calling.kept import KeptConnections
from core.calling.late import LateSources
from core.calling.locating import Locating
from core.calling.named import NamedFriends
from core.calling.nearest import nearest
from core.calling.needs import Addresses, Grapes, Punches
from core.calling.outgoing import Told
from core.calling.paths import LateSource, Opener, Origin, Wanted
from core.calling.punching import Punching
from core.calling.race import MAX_LISTED, MAX_NAMED, STAGGER, Race
from core.calling.resolving import resolve, worker_in
from core.calling.sources import GrapeNames, Located, Nearby, PeerRecords, Remembered
from core.calling.story import Story
from core.calling.target import PeerTarget, peer_target
from core.calling.ways import NAMED_FOR, Way, Ways
from core.directory.records.finder import Finder
from core.errors import LocalError, PeerError, RefusedError, RequestTimeout, TransportClosed
from core.news.events import ReplyReceived, RequestSent
from core.news.hub import Hub
from core.news.roster import Roster
from core.peer_id import PeerId
from core.reach.remotes import Remotes
from core.rpc.client import Reply, RpcClient
from core.services.names import RoleName, worker_of
from core.services.personal import personal_name
from core.services.service import Registry
from core.serving.refusals import UnknownService
from core.trust.permissions import REFUSALS
from core.values import Address, JsonValue

NEAR = 1.0  # seconds that who is nearby has, before others are called: a hundred round trips of a bad Wi-Fi
MET_BEFORE = 0.25  # the same where somebody was only met in an earlier run; as between attempts
RETRIES = 1  # a kept connection may have died unseen, as when the peer restarted; the second is a new one
FRESH = 5.0  # seconds; a kept connection to somebody seen so lately is used without asking who else is there
SLACK = 0.1  # seconds beyond a request's time: what waits for an answer ends first, and knows what it tried
CLOSED = "this peer is closed"
_THEIR_OWN = REFUSALS | {UnknownService.name}  # reasons to refuse that another who shares the same may not have

Connects: TypeAlias = Callable[[Address, float], Awaitable[object]]  # (address, seconds); raises PeerError

_log = logging.getLogger(__name__)


class PeerClient:
    """Finds, reaches and asks other peers. Raises only PeerError."""

    def __init__(
        self,
        hub: Hub,
        roster: Roster,
        punches: Punches,
        own: Addresses,
        link: Grapes,
        told: Told,
        registry: Registry,
        client: RpcClient,
        require_identity: Callable[[], Awaitable[None]],
        *,
        openers: Sequence[Opener] = (),
        remotes: Remotes | None = None,
        nearby: Nearby | None = None,
        late: Sequence[LateSource] = (),
        validated: Callable[[Address], None] = lambda address: None,
        friends: Callable[[], Sequence[PeerId]] = tuple,
    ) -> None:
        """`told` takes what was named and returns who may be asked. `openers` are asked in their order, punching last.

        `late` look beside the openers: for a peer by its ID, and where a name is asked, for `friends()` who share it.
        `nearby` is tried before the other sources have answered.
        `client` is closed by its owner. `require_identity` raises LocalError when we can call nobody by Peer ID.
        `validated` hears who answered: nobody answers in another's name, since that needs a connection.
        """
        self._hub = hub
        self._roster = roster
        self._punches = punches
        self._told = told
        self._link = link
        self._registry, self._client = registry, client
        self._require_identity = require_identity
        self._finder = Finder(link)
        self._remotes = Remotes() if remotes is None else remotes
        self._nearby = nearby or Nearby()
        self._punching = Punching(punches.punch)
        self._inviting = Inviting(link, own.port, lambda listed: self._punching.punch(self._told(listed)[:MAX_LISTED]))
        self._openers = (*openers, self._punching)
        self._validated, self._ways = validated, Ways()
        self._late = LateSources(late)
        sources = (Remembered(self._remotes), PeerRecords(self._finder), GrapeNames(link))
        self._friends = NamedFriends(friends, self._finder, self._late)
        self._locating = Locating(sources, self._late, self._openers)
        self._races: set[Race] = set()
        self._tasks = TaskSet("peer client")
        self._kept = KeptConnections(self._tasks, client, self.ask, self._find, RETRIES)
        self._closed = False

    async def aclose(self) -> None:
        """Give up what is under way, at once also for those who wait."""
        self._closed = True
        for race in list(self._races):
            race.abandon(TransportClosed(CLOSED))
        self._kept.close()
        await self._tasks.aclose()

    def searching(self) -> bool:
        """Return whether a request waits for somebody to be reached."""
        return bool(self._races)

    def connected(self, address: Address) -> bool:
        """Return whether a connection to an address is kept."""
        return self._client.connected(address, None)

    def heard(self, address: Address) -> None:
        """Note a punch: a search that knows this host, or takes anyone, tries this address too."""
        for race in self._races:
            known = address.host in race.hosts()
            if known or race.takes_anyone():
                if race.tries(address):
                    self._punches.hurry(address)
                race.add(address, listed=known)

    def came(self, address: Address) -> None:
        """Note a connection from or to there: a search that knows this host tries the address at once.

        Of two searches for one peer the first that calls takes what may be sent to a silent address, and the other is
        held back: it would wait for the next sign of life.
        """
        for race in self._races:
            if address.host in race.hosts():
                race.add(address)

    async def request(self, target: str, payload: JsonValue, timeout: float) -> Reply:
        """Ask a service by name, a peer by `host:port` or by `PEER-ID/service`, within `timeout` seconds in all."""
        target = target.strip()
        began = self._kept.clock()
        way = self._ways.to(target, began)
        if way is not None and self._is_open(way):
            try:  # no second try here: who has just left is looked for, not waited for at the place it left
                reply = await self._kept.ask(way, self._wanted(target), payload, timeout, retry=0)
                if reply.peer != way.address:
                    self._ways.lost(target)
                return reply
            except TransportClosed:
                self._ways.lost(target)
            except RefusedError as error:
                if not way.named or way.expected is not None or error.name not in _THEIR_OWN:
                    raise
                self._ways.lost(target)
            timeout = max(0.001, began + timeout - self._kept.clock())
        return await self._search(target, payload, timeout)

    def _is_open(self, way: Way) -> bool:
        """Return whether a kept way may be taken: one that others could be, only while it surely is alive."""
        if way.named:
            return self._fresh_connection(way.address, way.expected)
        return self._client.connected(way.address, way.expected)

    async def _search(self, target: str, payload: JsonValue, timeout: float) -> Reply:
        """Find who is meant, ask, and keep the way."""
        peer = peer_target(target)
        try:
            async with asyncio.timeout(timeout + SLACK):
                if peer is not None:
                    return await self._ask_by_id(target, peer, payload, timeout)
                if ":" in target:
                    return await self._ask_address(target, payload, timeout)
                return await self._ask_first(target, Wanted(self._key(target)), payload, timeout)
        except TimeoutError:
            raise RequestTimeout(f"{target}: no answer within {round(timeout, 2):g} s") from None

    async def _ask_address(self, target: str, payload: JsonValue, timeout: float) -> Reply:
        """Ask who is at an address, which is punched unless a connection to it is open."""
        address = await resolve(target)
        if not self._client.connected(address):
            self._punches.permit(address)
            self._punches.punch(address)
        reply = await self.ask(address, str(address), target, payload, timeout)
        if target == str(address):  # a name of the Internet's may lead elsewhere next time
            self._ways.note(target, Way(address, target, target))
        return reply

    async def reach(self, peer_id: PeerId, timeout: float, connect: Connects | None = None) -> Address:
        """Return an address where this peer is, verified, whatever it shares. Raises PeerError.

        `connect(address, seconds)` tries one address and raises PeerError. Without it connections for requests are
        used, and one that is kept is an answer.
        """
        await self._require_identity()
        kept = self._remotes.reached(peer_id)
        if connect is None and kept is not None and self._fresh_connection(kept, peer_id):
            return kept
        _, address = await self._find(Wanted(personal_name(peer_id), peer_id), timeout, {}, connect)
        self._remotes.note_reached(peer_id, address)
        return address

    async def map(self, name: str, payload: JsonValue, timeout: float) -> list[Reply | PeerError]:
        """Ask every provider of a name at once. Returns one reply or error for each."""
        if peer_target(name) is not None:
            raise LocalError("there is one peer with that ID: ask it by a request")
        key = self._key(name.strip())
        found = self._told(await self._link.lookup(key, fresh=True))
        self._punching.punch(found)
        for address in found:
            self._hub.emit(RequestSent(self._hub.now(), key, address))
        outcomes = await self._client.map(found, key, payload, timeout=timeout)
        for outcome in outcomes:
            if isinstance(outcome, Reply):
                self._note(key, outcome)
        return outcomes

    async def lookup(self, name: str) -> list[Address]:
        """Return who is announced under a name, or where the peer with this ID says it is."""
        peer = peer_target(name)
        if peer is not None:
            return [*(await self._finder.find(peer.peer_id)).addresses]
        return await self._link.lookup(name, fresh=True)

    async def ask(
        self,
        address: Address,
        key: str,
        service: str,
        payload: JsonValue,
        timeout: float,
        expected: PeerId | None = None,
        *,
        retry: int = RETRIES,
    ) -> Reply:
        """Ask one address. `service` is the name the events show; `expected`: who must be there, verified."""
        if self._hub.wants(RequestSent):
            self._hub.emit(RequestSent(self._hub.now(), service, address))
        reply = await self._client.request(address, key, payload, timeout=timeout, retry=retry, expected=expected)
        self._note(service, reply)
        return reply

    def _wanted(self, target: str) -> Wanted | None:
        """Return who is looked for; None for an address."""
        peer = peer_target(target)
        if peer is not None:
            return Wanted(peer.service, peer.peer_id)
        return None if ":" in target else Wanted(self._key(target))

    def _note(self, service: str, reply: Reply) -> None:
        self._roster.note_reply(reply.peer, service, reply.seconds, reply.peer_id)
        self._validated(reply.peer)
        if self._hub.wants(ReplyReceived):
            self._hub.emit(ReplyReceived(self._hub.now(), reply.peer, reply.seconds, reply.data, reply.peer_id))

    def _key(self, name: str) -> str:
        return str(worker_of(name)) if name in self._registry else name

    async def _ask_by_id(self, written: str, target: PeerTarget, payload: JsonValue, timeout: float) -> Reply:
        """Ask this peer and nobody else, wherever it is found."""
        await self._require_identity()
        kept = self._remotes.reached(target.peer_id)
        if target.service is not None and kept is not None and self._fresh_connection(kept, target.peer_id):
            key = str(worker_of(target.service))
            with contextlib.suppress(TransportClosed):
                # no second try here: who has just left is looked for, not waited for at the place it left
                way = Way(kept, key, key, target.peer_id, named=True)
                reply = await self._kept.ask(way, Wanted(target.service, target.peer_id), payload, timeout, retry=0)
                self._ways.note(written, way._replace(address=reply.peer))
                self._remotes.note_reached(target.peer_id, reply.peer)
                return reply
        reply = await self._ask_first(written, Wanted(target.service, target.peer_id), payload, timeout)
        self._remotes.note_reached(target.peer_id, reply.peer)
        return reply

    async def _ask_first(self, target: str, wanted: Wanted, payload: JsonValue, timeout: float) -> Reply:
        """Ask the first that can be reached; the next one when that has stopped sharing, or dies meanwhile."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        failed: dict[Address, PeerError] = {}
        expected = wanted.peer_id
        while True:
            key, address = await self._find(wanted, max(0.001, until - loop.time()), failed)
            try:
                way = Way(address, key, key, expected, named=True)
                reply = await self._kept.ask(
                    way, wanted, payload, max(0.001, until - loop.time()), retry=RETRIES, failed=failed
                )
                holds = math.inf if expected is not None and wanted.service is not None else loop.time() + NAMED_FOR
                self._ways.note(target, way._replace(address=reply.peer, until=holds))
                return reply
            except (RefusedError, TransportClosed) as error:
                _log.debug("%s did not answer %s: %s", address, key, error)
                if isinstance(error, RefusedError) and (expected or error.name not in _THEIR_OWN):
                    raise  # understood, and refused for a reason that others will have too
                failed[address] = error

    async def _find(
        self, wanted: Wanted, timeout: float, failed: Mapping[Address, PeerError], connect: Connects | None = None
    ) -> tuple[str, Address]:
        """Return the key to ask under, and an address that a connection was made to.

        Who is on our network is called at once, while the others are asked; they are needed if nobody answers there.
        """
        with Story(self._hub, wanted.peer_id) as story:
            found = await self._nearby.find(wanted)
            near = [] if found is None else found.candidates
            usable = frozenset(self._told(each.path.address for each in near)).difference(failed)
            near = [each for each in near if each.path.address in usable]
            story.near(near)

            async def reach(located: Located, seconds: float) -> tuple[str, Address]:
                return located.key, await self._reach(located, seconds, failed, wanted.peer_id, connect, story)

            if found is None or found.key is None or not near:
                return await reach(await self._locating.locate(wanted, story), timeout)
            close_by = Located(found.key, near, own_words=True, alone=True)
            soon = NEAR if any(each.origin is Origin.HERE for each in near) else MET_BEFORE
            locating = self._locating.locate(wanted, story)
            return await nearest(reach, close_by, locating, soon, timeout, story.silent)

    async def _reach(
        self,
        located: Located,
        timeout: float,
        failed: Mapping[Address, PeerError],
        expected: PeerId | None,
        connect: Connects | None,
        story: Story,
    ) -> Address:
        """Return an address that a connection was made to, or is kept to."""
        worker = None if located.alone else located.meeting or worker_in(located.key)
        told = self._told(each.path.address for each in located.candidates)
        found = [address for address in told if address not in failed]
        if self._closed:
            raise TransportClosed(CLOSED)
        if not found and failed:
            raise list(failed.values())[-1]
        for address in found if connect is None else ():
            if self._fresh_connection(address, expected):
                return address
        # An idle connection may have died unseen and would win every race, so it comes last; who answers our punch
        # does not wait for its turn.
        found.sort(key=lambda address: (self._client.connected(address, expected), not self._seen_lately(address)))
        late = None if located.alone else expected
        race = Race(
            connect or (lambda address, seconds: self._client.connect(address, seconds, expected)),
            timeout,
            excluded=failed,
            patient=worker is not None,
            proves=late is not None,
            stagger=0.0 if located.own_words else STAGGER,  # its own words are few: all of them at once
        )
        invitation = None
        if worker is not None:
            invite = self._inviting.invite(worker, partial(self._nobody_else, race, late), one=expected is not None)
            invitation = self._tasks.spawn(invite, name=f"invite {located.key}")
        self._races.add(race)
        try:
            with contextlib.ExitStack() as stack:
                arranged = self._open(stack, worker, found)
                if worker is not None:
                    story.opening(arranged)
                if expected is None and connect is None and worker is not None and self._friends.known():
                    look = self._friends.look(worker, race.add, at_once=not found and not arranged)
                    stack.callback(self._tasks.spawn(look, name=f"friends who share {worker.service}").cancel)
                if late is not None:
                    stack.callback(self._late.begin(self._tasks, late, race.add, at_once=not found and not arranged))
                _log.debug("%s: trying %s", located.key, ", ".join(map(str, found[:MAX_NAMED])) or "who punches us")
                winner = await race.winner(found)
                _log.debug("%s: %s is reached", located.key, winner)
                story.reached(winner)
                self.came(winner)
                return winner
        finally:
            self._races.discard(race)
            if invitation is not None:
                invitation.cancel()

    def _nobody_else(self, race: Race, late: PeerId | None) -> None:
        """Be patient still while somebody looks for the peer: that may take as long as the request."""
        if not self._late.knows(late):
            race.lose_patience()

    def _open(self, stack: contextlib.ExitStack, worker: RoleName | None, found: Sequence[Address]) -> bool:
        """Open the way as long as the stack lasts; True: both sides know when to punch, so nobody else opens it."""
        return any(stack.enter_context(opener.opening(worker, found)) for opener in self._openers)

    def _fresh_connection(self, address: Address, expected: PeerId | None) -> bool:
        """Return whether there is a connection that can be trusted to be alive."""
        return self._client.connected(address, expected) and self._seen_lately(address)

    def _seen_lately(self, address: Address) -> bool:
        return self._roster.seen_since(address, self._hub.now() - FRESH)
