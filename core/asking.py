"""Requests that go out: from a target a person wrote to an address that answers."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from core.errors import LocalError, PeerError, RefusedError, RequestTimeout, TransportClosed
from core.events import ReplyReceived, RequestSent
from core.hub import Hub
from core.net.tasks import TaskSet
from core.net.udp import destination
from core.pairing import Directory
from core.reach import Race
from core.roster import Roster
from core.rpc.client import Reply, RpcClient
from core.rpc.stream import Stream
from core.secure.dial import Dialer
from core.services.service import Registry, consumer_key, worker_key
from core.sharing import UnknownService
from core.trust.gate import REFUSALS
from core.values import Address, JsonValue
from core.wire.peer_id import PeerId

RETRIES = 1  # a kept connection may have died unseen, as when the peer restarted; the second is a new one
FRESH = 5.0  # seconds; a kept connection to somebody seen so lately is used without asking who else is there
INVITE_AFTER = 0.5  # seconds a request by name tries alone before workers are asked to punch us
CLOSED = "this peer is closed"
_THEIR_OWN = REFUSALS | {UnknownService.name}  # reasons to refuse that another who shares the same may not have


class Socket(Protocol):
    """What asking needs of the endpoint."""

    address: Address

    def punch(self, remote: Address) -> None:
        """Start a series of punches. Raises LocalError when it cannot be punched."""

    async def connect(self, remote: Address, *, timeout: float) -> Stream:
        """Open a stream within `timeout` seconds. Raises PeerError."""


class Asking:
    """Finds, reaches and asks other peers. Raises only PeerError."""

    def __init__(
        self,
        hub: Hub,
        roster: Roster,
        endpoint: Socket,
        link: Directory,
        registry: Registry,
        dialer: Dialer | None = None,
    ) -> None:
        """Without a `dialer` everything is plain."""
        self._hub = hub
        self._roster = roster
        self._endpoint = endpoint
        self._link = link
        self._registry = registry
        self._dialer = dialer
        self._client = RpcClient(self._connect, connect_to=self._connect_to)
        self._races: set[Race] = set()
        self._tasks = TaskSet("asking")
        self._closed = False

    async def aclose(self) -> None:
        """Give up what is under way, at once also for those who wait, and close the connections."""
        self._closed = True
        for race in list(self._races):
            race.abandon(TransportClosed(CLOSED))
        await self._tasks.aclose()
        await self._client.close()

    def searching(self) -> bool:
        """Return whether a request waits for somebody to be reached."""
        return bool(self._races)

    def heard(self, address: Address) -> None:
        """Note a punch: a search that knows this host, or waits for any, tries this address too."""
        for race in self._races:
            if race.patient or address.host in race.hosts():
                race.add(address)

    async def request(self, target: str, payload: JsonValue, timeout: float) -> Reply:
        """Ask a service by name or a peer by `host:port`, within `timeout` seconds in all."""
        target = target.strip()
        try:
            async with asyncio.timeout(timeout):
                if ":" in target:
                    address = await _resolve(target)
                    self._endpoint.punch(address)
                    return await self.ask(address, str(address), target, payload, timeout)
                return await self._ask_by_name(self._key(target), payload, timeout)
        except TimeoutError:
            raise RequestTimeout(f"{target}: no answer within {timeout:g} s") from None

    async def map(self, name: str, payload: JsonValue, timeout: float) -> list[Reply | PeerError]:
        """Ask every provider of a name at once. Returns one reply or error for each."""
        key = self._key(name.strip())
        found = await self._link.lookup(key, fresh=True)
        self._punch_all(found)
        for address in found:
            self._hub.emit(RequestSent(self._hub.now(), key, address))
        outcomes = await self._client.map(found, key, payload, timeout=timeout)
        for outcome in outcomes:
            if isinstance(outcome, Reply):
                self._note(key, outcome)
        return outcomes

    async def ask(
        self,
        address: Address,
        key: str,
        service: str,
        payload: JsonValue,
        timeout: float,
        expected: PeerId | None = None,
    ) -> Reply:
        """Ask one address. `service` is the name the events show; `expected`: who must be there, verified."""
        self._hub.emit(RequestSent(self._hub.now(), service, address))
        reply = await self._client.request(address, key, payload, timeout=timeout, retry=RETRIES, expected=expected)
        self._note(service, reply)
        return reply

    def _note(self, service: str, reply: Reply) -> None:
        self._roster.note_reply(reply.peer, service, reply.seconds)
        self._hub.emit(ReplyReceived(self._hub.now(), reply.peer, reply.seconds, reply.data, reply.peer_id))

    def _key(self, name: str) -> str:
        return worker_key(name) if name in self._registry else name

    async def _ask_by_name(self, key: str, payload: JsonValue, timeout: float) -> Reply:
        """Ask the first that can be reached; the next one when that has stopped sharing, or dies meanwhile."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        failed: dict[Address, PeerError] = {}
        while True:
            address = await self._find(key, max(0.001, until - loop.time()), failed)
            try:
                return await self.ask(address, key, key, payload, max(0.001, until - loop.time()))
            except (RefusedError, TransportClosed) as error:
                if isinstance(error, RefusedError) and error.name not in _THEIR_OWN:
                    raise  # understood, and refused for a reason that others will have too
                failed[address] = error

    async def _find(self, key: str, timeout: float, failed: Mapping[Address, PeerError]) -> Address:
        found = [address for address in await self._link.lookup(key, fresh=True) if address not in failed]
        if self._closed:
            raise TransportClosed(CLOSED)
        if not found and failed:
            raise list(failed.values())[-1]
        lately = self._hub.now() - FRESH
        fresh = [address for address in found if self._roster.seen_since(address, lately)]
        for address in fresh:
            if self._client.connected(address):
                return address
        # An idle connection may have died unseen and would win every race, so it comes last; who answers our punch
        # does not wait for its turn.
        found.sort(key=lambda address: (self._client.connected(address), address not in fresh))
        race = Race(self._client.connect, timeout, excluded=failed, patient=key.endswith("_worker"))
        invitation = self._tasks.spawn(self._invite(key, race), name=f"invite {key}") if race.patient else None
        self._races.add(race)
        try:
            self._punch_all(found)
            return await race.winner(found)
        finally:
            self._races.discard(race)
            if invitation is not None:
                invitation.cancel()

    def _punch_all(self, found: Sequence[Address]) -> None:
        for address in found:
            with contextlib.suppress(PeerError):  # a listing may name what nobody can punch
                self._endpoint.punch(address)

    async def _invite(self, key: str, race: Race) -> None:
        """Soon list us as a consumer, so that workers behind a NAT punch us and so open it."""
        await asyncio.sleep(INVITE_AFTER)
        try:
            await self._link.announce(consumer_key(key.removesuffix("_worker")), self._endpoint.address.port)
        except PeerError:
            race.lose_patience()  # only those found can answer

    async def _connect(self, address: Address, timeout: float) -> Stream:
        if self._dialer is not None:
            return await self._dialer.dial(address, timeout)
        return await self._endpoint.connect(address, timeout=timeout)

    async def _connect_to(self, address: Address, timeout: float, expected: PeerId) -> Stream:
        if self._dialer is None:
            raise LocalError("this peer has no identity: it calls nobody by Peer ID", name="ERR_NO_IDENTITY")
        return await self._dialer.dial(address, timeout, expected)


async def _resolve(target: str) -> Address:
    try:
        wanted = Address.parse(target)
    except ValueError as error:
        raise LocalError(str(error)) from None
    return await destination(wanted)
