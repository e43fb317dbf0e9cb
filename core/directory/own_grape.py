"""The embedded grape as its own peer calls it: a link's verbs in process, with a link's results and errors."""

import asyncio
import logging
import random as random_module
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from core.dht.items import Item, ItemRefused
from core.dht.responder import MAX_KEY_BYTES
from core.dht.watches import RENEW
from core.directory.cache import AgedCache
from core.directory.names import Watch
from core.errors import LocalError, LookupEmpty, RefusedError, RequestTimeout
from core.grape import service as grape
from core.grape.api import found_json
from core.grape.config import LOOPBACK
from core.grape.payload import bencodable, hash_bytes, utf8
from core.grape.service import DhtService, Done, outcome
from core.values import Address, JsonValue

CACHE_AGE: Final = 10.0  # seconds a lookup's answer is used again, as by a link
CACHE_ENTRIES: Final = 512  # names
PATIENCE: Final = 8.0  # seconds for one operation; three tries of 2.5 s is what a link takes at most

ResultT = TypeVar("ResultT")

log = logging.getLogger(__name__)


class OwnGrape:
    """Looks up, announces, puts and gets on a DHT of this process.

    Raises LookupEmpty for an unknown name or hash, RefusedError for what breaks a rule of the DHT, RequestTimeout when
    the network takes too long, LocalError for a wrong call.
    """

    def __init__(
        self, dht: DhtService, *, patience: float = PATIENCE, random: random_module.Random | None = None
    ) -> None:
        self._dht = dht
        self._patience = patience
        self._random = random or random_module.SystemRandom()
        clock = asyncio.get_running_loop().time
        self._cache: AgedCache[tuple[Address, ...]] = AgedCache(CACHE_ENTRIES, CACHE_AGE, clock)

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return who announces `name`, at least one, in random order. `fresh`: not out of the cache."""
        cached = None if fresh else self._cache.get(name)
        if cached is not None:
            return self._mixed(cached)
        key = utf8(name)
        if not key:
            raise RefusedError("a lookup needs the name of a service", name="ERR_GRAPE_LOOKUP")
        found = await self._outcome(partial(self._dht.lookup, key)) if len(key) <= MAX_KEY_BYTES else ()
        peers = tuple(dict.fromkeys(self._dht.listed(found, LOOPBACK)))
        log.debug("lookup of %s: %s", name, [str(peer) for peer in peers])
        if not peers:
            raise LookupEmpty("no grape knows anybody under that name")
        self._cache.set(name, peers)
        return self._mixed(peers)

    async def watch(self, name: str, on_news: Callable[[], None]) -> Watch:
        """See Watching."""
        key = utf8(name)
        if not 0 < len(key) <= MAX_KEY_BYTES:
            raise RefusedError(f"a service name is 1 to {MAX_KEY_BYTES} bytes long", name="ERR_GRAPE_LOOKUP")

        def start(done: Done[grape.Watch]) -> None:
            self._dht.watch(key, done, on_news)

        found = await self._outcome(start)
        return Watch(
            self._mixed(list(dict.fromkeys(self._dht.listed(found.peers, LOOPBACK)))), RENEW if found.granted else 0.0
        )

    def _mixed(self, peers: Sequence[Address]) -> list[Address]:
        """Return peers in a new order: a caller that takes the first one shall not always take the same."""
        return self._random.sample(peers, len(peers))

    async def announce(self, name: str, port: int) -> int:
        """Announce a service on this machine's UDP `port`; return how many grapes stored it."""
        if not 0 < port < 65536:
            raise LocalError(f"{port} is not a port: use a number from 1 to 65535")
        key = utf8(name)
        if not 0 < len(key) <= MAX_KEY_BYTES:
            raise RefusedError(f"a service name is 1 to {MAX_KEY_BYTES} bytes long", name="ERR_GRAPE_ANNOUNCE")
        self._cache.drop(name)
        nodes: int = await self._outcome(partial(self._dht.announce, key, Address(LOOPBACK, port)))
        log.debug("announced %s at port %d on %d grapes", name, port, nodes)
        return nodes

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
        if key is not None and (signature is None or sequence is None):
            raise LocalError("a mutable value needs key, signature and sequence")
        try:
            stored = bencodable(value)
        except TypeError as error:
            raise RefusedError(f"this value cannot be stored: it is {error}") from None
        item = Item(stored) if key is None else Item(stored, key, signature or b"", sequence or 0, salt, cas)
        target: bytes = await self._outcome(partial(self._dht.put, item))
        return target.hex()

    async def get(self, hash: str, *, salt: bytes = b"") -> dict[str, JsonValue]:
        """Return the item under `hash`: `v`, `id`, `token`, and `k`, `sig`, `seq`, `salt` when it is mutable."""
        target = hash_bytes(hash)
        if target is None:
            raise LocalError(f"{hash[:60]!r} is not a hash: it has 40 hex digits")
        found = found_json(await self._outcome(partial(self._dht.get, target, salt)))
        if found is None:
            raise LookupEmpty("no grape knows a value under that hash")
        return found

    async def _outcome(self, start: Callable[[Done[ResultT]], None]) -> ResultT:
        try:
            async with asyncio.timeout(self._patience):
                return await outcome(start)
        except ItemRefused as error:
            raise RefusedError(f"the grapes refused the item: {error}") from error
        except TimeoutError:
            raise RequestTimeout(f"the grapes did not answer within {self._patience:g} s") from None
