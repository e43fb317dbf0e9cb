"""The client of a grape: lookup, announce, put, get (PROTOCOL.md section 3)."""

import asyncio
import json
import logging
import random as random_module
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TypeVar

from core.aio.tasks import TaskSet
from core.directory.cache import AgedCache, InFlight
from core.directory.link.config import LinkConfig
from core.directory.link.grapes import Grapes, LinkState, check_urls
from core.directory.link.http import GrapeHttp
from core.directory.link.replies import RawReply, read_count, read_hash, read_item, read_peers
from core.errors import LocalError, PeerError
from core.values import Address, JsonValue

ResultT = TypeVar("ResultT")

log = logging.getLogger(__name__)


class Link:
    """Asks grapes by their HTTP API; made and used on a running loop, closed by `close` or `async with`.

    Raises only PeerError: LookupEmpty for an unknown name or hash, RefusedError for a grape's error name,
    RequestTimeout or Unreachable that name the grapes, RemoteError for nonsense, LocalError for a wrong call.
    """

    def __init__(
        self, urls: Sequence[str], config: LinkConfig | None = None, *, random: random_module.Random | None = None
    ) -> None:
        """Take the grapes' URLs, the best one first. Raises LocalError for what is none."""
        self._config = config or LinkConfig()
        self._random = random or random_module.SystemRandom()
        self._tasks = TaskSet("link")
        self._http = GrapeHttp(self._config)
        self._grapes = Grapes(check_urls(urls, self._config.max_urls), self._config, self._answers, self._tasks)
        self._in_flight = InFlight(self._tasks)
        clock = asyncio.get_running_loop().time
        self._cache: AgedCache[list[Address]] = AgedCache(self._config.cache_entries, self._config.cache_age, clock)
        self._grapes.on_recovery = self._cache.clear  # another grape may know others

    # -- state

    @property
    def state(self) -> LinkState:
        """The grape in use and whether it answers."""
        return self._grapes.state

    @property
    def on_state(self) -> Callable[[LinkState], None] | None:
        """Called on the loop on every change of `state`."""
        return self._grapes.on_state

    @on_state.setter
    def on_state(self, listener: Callable[[LinkState], None] | None) -> None:
        self._grapes.on_state = listener

    def begin_again(self) -> None:
        """Ask over new connections, the first grape first: we slept, or are on another network."""
        self._grapes.begin_again()
        self._cache.clear()
        self._tasks.spawn(self._http.begin_again(), name="leave kept connections")

    # -- verbs

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return who announces `name`, at least one, in random order. `fresh`: not out of the cache."""
        cached = None if fresh else self._cache.get(name)
        if cached is not None:
            return self._mixed(cached)
        peers = await self._ask("lookup", name, lambda reply: read_peers(reply, self._config.max_peers))
        self._cache.set(name, peers)
        log.debug("lookup of %s: %s", name, [str(peer) for peer in peers])
        return self._mixed(peers)

    def _mixed(self, peers: Sequence[Address]) -> list[Address]:
        """Return peers in a new order: a caller that takes the first one shall not always take the same."""
        return self._random.sample(peers, len(peers))

    async def announce(self, name: str, port: int) -> int:
        """Announce a service on this machine's UDP `port`; return how many grapes stored it."""
        if not 0 < port < 65536:
            raise LocalError(f"{port} is not a port: use a number from 1 to 65535")
        self._cache.drop(name)
        return await self._ask("announce", [name, port], read_count)

    async def put(
        self,
        value: JsonValue,
        *,
        key: bytes | None = None,
        signature: bytes | None = None,
        sequence: int | None = None,
        salt: bytes = b"",
        cas: int | None = None,
    ) -> str:
        """Store a value and return its hash, 40 hex digits. With `key`, `signature` and `sequence` it is mutable."""
        data: dict[str, JsonValue] = {"v": value}
        if key is not None:
            if signature is None or sequence is None:
                raise LocalError("a mutable value needs key, signature and sequence")
            data |= {"k": key.hex(), "sig": signature.hex(), "seq": sequence}
            if salt:
                data["salt"] = _salt_text(salt)
            if cas is not None:
                data["cas"] = cas
        return await self._ask("put", data, read_hash, tries=1)

    async def get(self, hash: str, *, salt: bytes = b"") -> dict[str, JsonValue]:
        """Return the item under `hash`: `v`, `id`, `token`, and `k`, `sig`, `seq`, `salt` when it is mutable."""
        if len(hash) != 40 or not all(digit in "0123456789abcdefABCDEF" for digit in hash):
            raise LocalError(f"{hash[:60]!r} is not a hash: it has 40 hex digits")
        data: JsonValue = {"hash": hash, "salt": _salt_text(salt)} if salt else hash
        return await self._ask("get", data, read_item, tries=1)

    async def close(self) -> None:
        """End what is under way, close the connections. Idempotent."""
        await self._tasks.aclose()
        await self._http.close()

    async def __aenter__(self) -> "Link":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- asking

    async def _ask(
        self, kind: str, data: JsonValue, read: Callable[[RawReply], ResultT], *, tries: int | None = None
    ) -> ResultT:
        """Ask the best grape, once for all who ask the same at the same time."""

        async def ask_one(url: str) -> ResultT:
            return read(await self._http.post(url, kind, data))

        def ask() -> Awaitable[ResultT]:
            return self._grapes.run(ask_one, tries=self._config.tries if tries is None else tries, kind=kind)

        try:
            key = f"{kind} {json.dumps(data, sort_keys=True)}"
        except (TypeError, ValueError, RecursionError) as error:
            raise LocalError(f"{kind}: that is no JSON value ({error})") from None
        if len(self._in_flight) >= self._config.max_in_flight:
            raise LocalError(f"{self._config.max_in_flight} requests are under way already: wait for one to end")
        return await self._in_flight.run(key, ask)

    async def _answers(self, url: str) -> bool:
        """Tell whether a grape answers; a request of no type costs it no DHT work."""
        try:
            reply = await self._http.post(url, "", None)
        except PeerError:
            return False
        return reply.status == 200 and reply.body.startswith(b'"ERR_')


def _salt_text(salt: bytes) -> str:
    """Return a salt as grapes take it: as text where that is unambiguous, else as JSON of its bytes."""
    try:
        text = salt.decode()
    except UnicodeDecodeError:
        text = ""
    return text if text and text[0] not in '[{"' else json.dumps(list(salt))
