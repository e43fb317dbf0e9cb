"""Requests that go out: from a target a person wrote to an address that answers."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence

from core.errors import LocalError, PeerError, RequestTimeout
from core.events import ReplyReceived, RequestSent
from core.hub import Hub
from core.link import Link
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.net.tasks import TaskSet
from core.reach import Race
from core.roster import Roster
from core.rpc.client import Reply, RpcClient
from core.services.service import Registry, consumer_key, worker_key
from core.values import Address, JsonValue

RETRIES = 1  # a kept connection may have died unseen, as when the peer restarted; the second is a new one
INVITE_AFTER = 0.5  # seconds a request by name tries alone before workers are asked to punch us


class Asking:
    """Finds, reaches and asks other peers. Raises only PeerError."""

    def __init__(self, hub: Hub, roster: Roster, endpoint: Endpoint, link: Link, registry: Registry) -> None:
        self._hub = hub
        self._roster = roster
        self._endpoint = endpoint
        self._link = link
        self._registry = registry
        self._client = RpcClient(self._connect)
        self._races: set[Race] = set()
        self._tasks = TaskSet("asking")

    async def aclose(self) -> None:
        """Give up what is under way and close the connections."""
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
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        try:
            async with asyncio.timeout(timeout):
                if ":" in target:
                    address = await _resolve(target)
                    self._endpoint.punch(address)
                    return await self.ask(address, str(address), target, payload, timeout)
                key = worker_key(target) if target in self._registry else target
                address = await self._find(key, timeout)
                return await self.ask(address, key, key, payload, max(0.001, until - loop.time()))
        except TimeoutError:
            raise RequestTimeout(f"{target}: no answer within {timeout:g} s") from None

    async def map(self, name: str, payload: JsonValue, timeout: float) -> list[Reply | PeerError]:
        """Ask every provider of a name at once. Returns one reply or error for each."""
        key = worker_key(name) if name in self._registry else name
        found = await self._link.lookup(key, fresh=True)
        self._punch_all(found)
        return await self._client.map(found, key, payload, timeout=timeout)

    async def ask(self, address: Address, key: str, service: str, payload: JsonValue, timeout: float) -> Reply:
        """Ask one address. `service` is the name the events show."""
        self._hub.emit(RequestSent(self._hub.now(), service, address))
        reply = await self._client.request(address, key, payload, timeout=timeout, retry=RETRIES)
        self._roster.note_reply(address, service, reply.seconds)
        self._hub.emit(ReplyReceived(self._hub.now(), address, reply.seconds, reply.data))
        return reply

    async def _find(self, key: str, timeout: float) -> Address:
        found = await self._link.lookup(key, fresh=True)
        for address in found:
            if self._client.connected(address):
                return address
        race = Race(self._client.connect, timeout)
        invitation = self._invite(key, race)
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

    def _invite(self, key: str, race: Race) -> "asyncio.Task[None] | None":
        """Soon list us as a consumer, so that workers behind a NAT punch us and so open it."""
        name = key.removesuffix("_worker")
        if name == key:
            return None
        race.patient = True

        async def invite() -> None:
            await asyncio.sleep(INVITE_AFTER)
            try:
                await self._link.announce(consumer_key(name), self._endpoint.address.port)
            except PeerError:
                race.patient = False  # then only those found can answer

        return self._tasks.spawn(invite(), name=f"invite {key}")

    async def _connect(self, address: Address, timeout: float) -> Stream:
        return await self._endpoint.connect(address, timeout=timeout)


async def _resolve(target: str) -> Address:
    try:
        wanted = Address.parse(target)
    except ValueError as error:
        raise LocalError(str(error)) from None
    try:
        found = await asyncio.get_running_loop().getaddrinfo(wanted.host, wanted.port, family=socket.AF_INET)
    except OSError as error:
        raise LocalError(f"no address is known for {wanted.host!r} ({error.strerror or error})") from None
    return Address(*found[0][4][:2])
