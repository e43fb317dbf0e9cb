"""Peers on our networks: is there on each of them, hears who else is, and has our grape ask theirs."""

import asyncio
import itertools
import logging
import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from random import Random

from core.aio.tasks import TaskSet
from core.aio.waiting import wait_for
from core.errors import LocalError
from core.frozen import frozen
from core.lan.instance import NAME_BYTES, Instance, Offer
from core.lan.neighbours import Neighbours
from core.lan.places import Places
from core.lan.tags import pack
from core.lan.wire import NotInstalled, OpenWire, Wire, open_wire
from core.lan.words import LanState, words
from core.limits.rate import Backoff
from core.peer_id import PeerId
from core.scope import Scope, is_six, scope
from core.values import Address

MOST_WIRES = 4  # networks at once; a laptop has two, cable and Wi-Fi
NAME_AGE = 86_400.0  # seconds until we have another name: a day
QUIET = 2.0  # seconds in which every peer that is there has answered: three queries
LOOK = 10.0  # seconds between looks whether what we say still holds
RETRY_FIRST, RETRY_MOST = 5.0, 300.0  # seconds until a network that took no multicast is tried again
_log = logging.getLogger(__name__)


@frozen
class Around:
    """What this room needs of the peer it is part of."""

    hosts: Callable[[], Iterable[str]]  # our own addresses, now
    known: Callable[[Address], bool]  # that grape answers ours
    may_ask: Callable[[Address, float], bool]  # one packet may go there, which is counted
    ask: Callable[[Address], None]  # have our grape ask that one
    firewall_rule: Callable[[str], str]  # the command that opens our grape's port toward the network of this host
    alone: Callable[[], bool]  # our grape knows no other
    on_change: Callable[[], None]  # what we say may be another now
    places: Places = field(default_factory=Places)
    people: Callable[[], dict[PeerId, bytes]] = dict  # the people we know, with the secret that we share with each
    invited: Callable[[], Iterable[bytes]] = tuple  # secrets of those who are invited
    somebody: Callable[[], None] = lambda: None  # is there, and may call in a moment
    links: Callable[[], Mapping[str, tuple[str, ...]]] = dict  # our link-local hosts, and those that hold further
    beside: Callable[[Address], bool] = lambda address: True  # it is on a network of ours


class Lan:
    """Looks for peers until closed. `peer_port` and `grape_port` are ours."""

    def __init__(
        self, around: Around, peer_port: int, grape_port: int, *, open_wire: OpenWire = open_wire,
        random: Random | None = None,
    ) -> None:  # fmt: skip
        self._around = around
        self._ports = peer_port, grape_port
        self._open_wire = open_wire
        random = random or secrets.SystemRandom()
        self._random = random
        self.neighbours = Neighbours(around.known, around.may_ask, random)
        self._wires: dict[str, Wire] = {}  # by our host there; of IPv6 the link-local one
        self._told: dict[str, Offer] = {}  # what each of them says
        self._failed: dict[str, tuple[Backoff, float]] = {}  # hosts without multicast, and when each is tried again
        self._installed = True
        self._problem = ""
        self._quiet_at = math.inf  # when we will have listened for a while
        self._name, self._name_until = "", 0.0
        self._tags = b""
        self._tagged: tuple[str, frozenset[bytes]] | None = None  # for which name and secrets
        self._changed = asyncio.Event()
        self._tasks = TaskSet("peers on the network")

    def start(self) -> None:
        """Begin; what does not work is said, and never raised."""
        self._tasks.spawn(self._run(), name="look for peers on the network")

    def refresh(self) -> None:
        """Look at once which networks we are on, and who is there."""
        self._changed.set()

    def begin_again(self) -> None:
        """Enter our networks and ask who is there now, whatever failed before."""
        self._failed.clear()
        self.neighbours.begin_again(asyncio.get_running_loop().time())
        self._changed.set()

    def state(self) -> LanState:
        """Return what is so now."""
        answering, silent = self.neighbours.counts()
        quiet = bool(self._wires) and self._around.alone() and asyncio.get_running_loop().time() >= self._quiet_at
        rule = self._around.firewall_rule(next(iter(self._wires))) if silent and self._wires else ""
        return LanState(self._installed, quiet, answering, silent, self._ports[1], self._problem, rule)

    def words(self) -> str:
        """Return a sentence about our networks, or nothing."""
        return words(self.state())

    async def aclose(self) -> None:
        """Say goodbye to all networks, and end."""
        await self._tasks.aclose()
        await self._leave(list(self._wires))

    # -- the loop -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._installed:
            await self._rename(loop.time())
            await self._follow_people()
            await self._follow_networks(loop.time())
            now = loop.time()
            self._recall(now)
            for address in self.neighbours.due(now):
                self._around.ask(address)
            self._around.on_change()
            due = (each for each in (self.neighbours.deadline(), self._quiet_at) if each is not None and each > now)
            await wait_for(self._changed, max(0.01, min(LOOK, min(due, default=math.inf) - now)))

    async def _rename(self, now: float) -> None:
        """Have a new name each day."""
        if now >= self._name_until:
            await self._leave(list(self._wires))
            self._name = self._random.randbytes(NAME_BYTES).hex()
            self._name_until = now + NAME_AGE

    async def _follow_networks(self, now: float) -> None:
        """Be on each network that this machine is on now, and on no other."""
        # on an address of the Internet nobody is told: what is beside it there is a provider's network, not a home
        hosts = [host for host in self._around.hosts() if scope(host) is Scope.PRIVATE][:MOST_WIRES]
        hosts += list(self._around.links())[:MOST_WIRES]
        await self._leave([host for host in self._wires if host not in hosts])
        self._failed = {host: failed for host, failed in self._failed.items() if host in hosts}
        self._problem = self._problem if self._failed else ""
        for host in hosts:
            if host not in self._wires and self._installed:
                await self._enter(host, now)
        await self._say_what_is_new()

    async def _follow_people(self) -> None:
        """Show the tags of those who may know us, and recognise the people we know."""
        around = self._around
        people, expected = around.people(), around.places.expected
        secrets = list(dict.fromkeys((*around.invited(), *people.values())))
        wanted = (self._name, frozenset((*secrets, *expected.values())))
        if wanted == self._tagged:
            return
        self._tagged = wanted
        around.places.know(people)
        self._tags = pack(secrets, self._name, self._random)
        await self._say_what_is_new()

    async def _say_what_is_new(self) -> None:
        """Tell each network what it has not been told: other tags, or other addresses of ours."""
        for host, wire in list(self._wires.items()):
            offer = self._offer(host)
            if offer == self._told.get(host):
                continue
            self._told[host] = offer
            try:
                await wire.tell(offer)
            except Exception as error:  # of a library, or a network that is gone
                _log.debug("%s is not told: %s", host, error)

    def _recall(self, now: float) -> None:
        """Have our grape ask those that answered on this network before: it may carry no multicast."""
        kept = self._around.places.kept
        for host in self._wires.keys() | self._failed.keys():
            for grape in kept.grapes:
                if _is_of(grape.host, host):
                    self.neighbours.recall(grape, host, now)
        for address in self.neighbours.answering():
            kept.answered(address)

    def _offer(self, host: str) -> Offer:
        return Offer(self._name, host, *self._ports, self._tags, self._around.links().get(host, ()))

    async def _enter(self, host: str, now: float) -> None:
        backoff, until = self._failed.get(host, (Backoff(RETRY_FIRST, RETRY_MOST), 0.0))
        if now < until:
            return

        def on_seen(instance: Instance) -> None:
            # peers of this computer find each other over loopback
            own = (*self._around.hosts(), *_all(self._around.links()))
            beyond = instance.beyond(own).beside(self._around.beside)
            if beyond.grapes:
                self._around.somebody()
            self.neighbours.add(beyond, host, asyncio.get_running_loop().time())
            self._around.places.add(beyond, host)
            self._changed.set()

        def on_gone(name: str) -> None:
            self.neighbours.remove(name, host)
            self._around.places.remove(name, host)
            self._changed.set()

        try:
            offer = self._offer(host)
            self._wires[host] = await self._open_wire(offer, on_seen, on_gone)
        except NotInstalled as error:
            self._installed = False
            _log.info("peers on this network are not looked for: %s", error)
        except LocalError as error:
            if host not in self._failed:
                _log.warning("no multicast at %s", error)
            self._problem = str(error)
            self._failed[host] = backoff, now + backoff.failed()
        else:
            self._failed.pop(host, None)
            self._told[host] = offer
            self._quiet_at = now + QUIET
            _log.debug("on the network of %s as %s", host, self._name)

    async def _leave(self, hosts: Iterable[str]) -> None:
        for host in hosts:
            wire = self._wires.pop(host)
            self._told.pop(host, None)
            self.neighbours.leave(host)
            self._around.places.leave(host)
            await wire.aclose()


def _all(links: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    """Return all hosts of our links."""
    return itertools.chain(links, *links.values())


def _is_of(host: str, ours: str) -> bool:
    """Return whether a host may be on the network where ours is: of the same kind, and on no other link."""
    zone = host.partition("%")[2]
    return is_six(host) == is_six(ours) and (not zone or zone == ours.partition("%")[2])
