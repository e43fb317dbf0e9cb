"""The grape a peer uses, its own or others', as one link and one state in words."""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.aio.aside import aside
from core.aio.tasks import TaskSet
from core.dht.strangers import Share, whole
from core.directory.names import GrapeClient
from core.directory.own_grape import OwnGrape
from core.errors import LookupEmpty, PeerError
from core.grape.config import LOOPBACK, GrapeConfig
from core.grape.grape import Grape, open_grape
from core.grape.local_address import LocalAddresses
from core.news.events import GrapeSnapshot, GrapeState
from core.profile.config import PeerConfig
from core.scope import Scope, scope
from core.values import Address

if TYPE_CHECKING:  # brings aiohttp along, which a peer with a grape of its own does without
    from core.directory.link import Link

PORT_SEARCH = 15  # further pairs tried: 20001..20016, the ports where embedded grapes look for one another
CUSTOMARY_GRAPE = "http://127.0.0.1:30001"
PROBE_NAME = "fibonacci_worker"  # any name will do
LOOK_AGAIN = 10.0  # seconds; a person who starts a grape sees the window agree soon, at 6 small requests a minute
ROUTED = ("203.0.113.1", "192.168.0.1", "10.0.0.1", "172.16.0.1")  # where a route leads in most networks there are
JOINING = 0.5  # seconds an embedded grape counts as starting: by then a bootstrap node that is there has answered
LOADING_PATIENCE = 30.0  # seconds to load the HTTP client; 0.1 on a desktop
CONNECT = "Connect this computer to a network; this goes on by itself."
RETURNING = 15.0  # seconds that we say that we are back in a moment; then what is so
SHOWN = 1.0  # seconds that it is said at least, and between two questions whether a grape answers
PROBE_TIMEOUT = 0.5  # seconds; a grape on this machine answers within 5 ms


ROUTED_6 = ("2001:db8::1", "fd00::1")  # RFC 3849, RFC 4193
_LOCAL_ADDRESSES, _LOCAL_ADDRESSES_6 = LocalAddresses(), LocalAddresses(six=True)


class GrapeAccess:
    """Opens an embedded grape, or none, and a link to it; tells `on_change` of every new state.

    As a context manager it yields the client to use: a Link, or the embedded grape in process.
    """

    def __init__(self, config: PeerConfig, on_change: Callable[[GrapeSnapshot], None], share: Share = whole) -> None:
        """`share`: how the embedded grape's socket shares with the peer's own what a third party gets."""
        self._config = config
        self._share = share
        self._on_change = on_change
        self._grape: Grape | None = None
        self._link: Link | None = None  # to somebody's grape
        self._told: GrapeSnapshot | None = None
        self._joining = True
        self._nearby: Callable[[], str] = lambda: ""
        self._returning = ""  # why we begin again, until somebody answers
        self._returns = TaskSet("grape access")
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> GrapeClient:
        async with AsyncExitStack() as stack:
            urls = self._config.grapes
            client = await (self._open_link(urls, stack) if urls else self._open_grape(stack))
            stack.push_async_callback(self._returns.aclose)
            self._stack = stack.pop_all()
        self.look()
        return client

    async def _open_grape(self, stack: AsyncExitStack) -> GrapeClient:
        self._grape = await stack.enter_async_context(open_grape(_embedded(self._config), share=self._share))
        self._grape.on_change = lambda grape: self.look()
        stack.callback(asyncio.get_running_loop().call_later(JOINING, self._joined).cancel)
        return OwnGrape(self._grape.dht)

    async def _open_link(self, urls: tuple[str, ...], stack: AsyncExitStack) -> GrapeClient:
        link_type = await aside(_load_link, LOADING_PATIENCE)
        self._link = link = link_type(urls)
        stack.push_async_callback(link.close)
        link.on_state = lambda state: self.look()
        tasks = TaskSet("grape access")
        stack.push_async_callback(tasks.aclose)
        tasks.spawn(_look_now_and_then(link), name="look whether the grape answers")
        return link

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._on_change = lambda grape: None
        await self._stack.aclose()

    def observed_host(self) -> str | None:
        """Return the host under which other grapes see ours, if they told."""
        seen = self._grape.observed() if self._grape is not None else None
        return seen.host if seen is not None else None

    def observed_host_6(self) -> str | None:
        """Return the same of IPv6."""
        seen = self._grape.observed_6() if self._grape is not None else None
        return seen.host if seen is not None else None

    def neighbours(self, count: int) -> list[Address]:
        """Return nodes of the DHT that our own grape knows, nearest first; without one: none."""
        return self._grape.neighbours(count) if self._grape is not None else []

    @property
    def own_grape(self) -> Grape | None:
        """The embedded grape, while it runs."""
        return self._grape

    def say_nearby(self, words: Callable[[], str]) -> None:
        """Take what tells what is so on this network, as a sentence of the state, and look whether that is news."""
        self._nearby = words
        self.look()

    def snapshot(self) -> GrapeSnapshot:
        """Return the state and what to do about it, in words."""
        if self._grape is not None or self._link is not None:
            now = self._state()
            if not self._returning or now.state is GrapeState.NO_NETWORK:
                return now
            return replace(now, state=GrapeState.STARTING, message=self._returning, returning=True)
        return GrapeSnapshot(GrapeState.STARTING, not self._config.grapes, "", 0, "The grape is starting.")

    def _state(self) -> GrapeSnapshot:
        if self._grape is not None:
            return _embedded_snapshot(self._grape, self._config, self._joining, self._nearby())
        assert self._link is not None
        return _remote_snapshot(self._link, self._config.grapes)

    def _joined(self) -> None:
        self._joining = False
        self.look()

    def begin_again(self, why: str) -> None:
        """Join, or ask, as if we had just begun; until there is an answer our state says `why`, as a sentence's end."""
        if self._grape is not None:
            self._grape.begin_again()
        if self._link is not None:
            self._link.begin_again()
        self._returning = f"Back in a moment: {why}."
        self._returns.spawn(self._return(), name="see whether a grape answers again")
        self.look()

    async def _return(self) -> None:
        """Wait for an answer, and not for ever."""
        told, asked = self._returning, self._grape or self._link
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETURNING):
                while True:
                    await asyncio.sleep(SHOWN)
                    if asked is None or await _answers(asked):
                        break
        if told is self._returning:
            self._returning = ""
            self.look()

    def look(self) -> None:
        """Tell if the state is another one: call it when this computer's networks have changed."""
        snapshot = self.snapshot()
        if snapshot != self._told:
            self._told = snapshot
            self._on_change(snapshot)


async def _answers(asked: "Grape | Link") -> bool:
    try:
        await asked.lookup(PROBE_NAME)
    except LookupEmpty:
        return True
    except PeerError:
        return False
    return True


def _load_link() -> "type[Link]":
    from core.directory.link import Link

    return Link


async def _look_now_and_then(link: "Link") -> None:
    """Keep the state true while nobody uses the link."""
    while True:
        with contextlib.suppress(PeerError):  # the link itself tells of its state
            await link.lookup(PROBE_NAME, fresh=True)
        await asyncio.sleep(LOOK_AGAIN)


def _embedded(config: PeerConfig) -> GrapeConfig:
    return GrapeConfig(
        dht_port=config.dht_port,
        api_port=config.api_port,
        bootstrap=config.bootstrap or (),
        bind=config.bind,
        lazy_http=True,
        http_host=LOOPBACK,  # its clients may announce in our name: this machine's users only
        port_search=PORT_SEARCH,
        client=True,
        local_peers=config.bootstrap is None,
    )


def _embedded_snapshot(grape: Grape, config: PeerConfig, joining: bool, nearby: str) -> GrapeSnapshot:
    nodes = grape.nodes()
    nearby = f" {nearby}" if nearby else ""
    if nodes:
        state, message = GrapeState.CONNECTED, f"Connected: {nodes} other grape{'s'[: nodes != 1]} known.{nearby}"
    elif not _is_here(config.bind) and not _has_network():
        state, message = GrapeState.NO_NETWORK, f"No network: nobody can find this peer.{nearby} {CONNECT}"
    elif joining and config.bootstrap != ():
        state, message = GrapeState.STARTING, "Looking for other grapes."
    elif config.bootstrap:
        state, message = (
            GrapeState.UNREACHABLE,
            (
                f"Unreachable: nobody can find this peer yet, as no answer came from {' or '.join(config.bootstrap)}. "
                "Trying again by itself; check that a grape runs there and that the address is right."
            ),
        )
    else:
        state, message = (
            GrapeState.ALONE,
            (
                f"Alone: nobody can find this peer yet, as no other grape is known.{nearby} Peers on this "
                "computer can meet here; to meet others, add a bootstrap node or a grape in the settings."
            ),
        )
    return GrapeSnapshot(state, True, grape.url, nodes, message, grape.dht_address.port, nearby.strip())


def _is_here(host: str | None) -> bool:
    """Return whether this host is this machine to itself, so that no network matters."""
    return host is not None and scope(host) is Scope.LOOPBACK


def _has_network() -> bool:
    """Return whether there is a route to the Internet, or to a network at home; nothing is sent to find out."""
    return any(_LOCAL_ADDRESSES(Address(host, 9)) is not None for host in ROUTED) or any(
        _LOCAL_ADDRESSES_6(Address(host, 9)) is not None for host in ROUTED_6
    )


def _remote_snapshot(link: "Link", urls: tuple[str, ...]) -> GrapeSnapshot:
    state = link.state
    url = state.url or urls[0]
    if state.reachable is None:
        return GrapeSnapshot(GrapeState.STARTING, False, url, 0, f"Asking the grape at {url}.")
    if state.reachable:
        instead = f" {urls[0]} does not answer and is used again when it does." if state.fallback else ""
        but = f" But it does not do all it should: {state.message}." if state.message else ""
        return GrapeSnapshot(GrapeState.CONNECTED, False, url, 1, f"Connected to the grape at {url}.{instead}{but}")
    if not any(_is_here(urlsplit(each).hostname) for each in urls) and not _has_network():
        message = f"No network: the grape at {url} cannot be reached. {CONNECT}"
        return GrapeSnapshot(GrapeState.NO_NETWORK, False, url, 0, message)
    named = " or ".join(urls)
    why = f" ({state.message})" if state.message else ""
    message = (
        f"No grape answers at {named}{why}. Trying again by itself; check that it runs and that the address is right."
    )
    return GrapeSnapshot(GrapeState.UNREACHABLE, False, url, 0, message)


async def running_grape(url: str = CUSTOMARY_GRAPE) -> str | None:
    """Return the URL when a grape answers there, else None."""
    if not await _listens(url):
        return None
    from core.directory.link.config import LinkConfig
    from core.directory.link.http import GrapeHttp

    http = GrapeHttp(LinkConfig(request_timeout=PROBE_TIMEOUT))
    try:
        # of no type: a lookup would wait 2 s for each grape that has died around this one
        reply = await http.post(url, "", None)
    except PeerError:
        return None
    finally:
        await http.close()
    return url if reply.status == 200 and reply.body.startswith(b'"ERR_') else None


async def _listens(url: str) -> bool:
    """Return whether anybody takes connections there: mostly nobody does, and then no HTTP client needs loading."""
    place = urlsplit(url)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(PROBE_TIMEOUT):
            _, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.close()
        return True
    return False
