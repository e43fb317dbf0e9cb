"""Keep our own record on the grapes: put at once when it changes, renewed while it holds, taken back at the end."""

import asyncio
import contextlib
import logging
import random as random_module
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

from core.aio.tasks import TaskSet
from core.dht.items import signed_bytes
from core.directory.records.check import SALT, RecordForged, check_item, record_hash
from core.directory.records.finder import Shelf
from core.errors import LookupEmpty, PeerError, RefusedError
from core.limits.rate import Backoff
from core.peer_id import PeerId
from core.values import Address, JsonValue
from core.wire.peer_record import PeerRecord

LIFE: Final = 900  # seconds a record holds: two renewals may fail before a peer is not found any more
REFRESH: Final = 300.0  # seconds between renewals, on average: a grape that is new to us holds it by then
JITTER: Final = 0.2  # of REFRESH, either way: peers that started together must not come together for ever
LOOK: Final = 5.0  # seconds between looks whether our addresses have changed: nobody tells us of that
PAUSE: Final = 2.0  # seconds between puts at least, however fast switches are turned
RETRY: Final = (5.0, 60.0)  # seconds after a put that failed, doubled each time up to the second
GOODBYE: Final = 0.4  # seconds for taking the record back; Ctrl-C leaves 0.7 s for everything

_log = logging.getLogger(__name__)


class Signer(Protocol):
    """What is needed of our identity."""

    @property
    def peer_id(self) -> PeerId:
        """Our Peer ID."""

    def sign(self, data: bytes) -> bytes:
        """Return an Ed25519 signature."""


class Store(Shelf, Protocol):
    """Where records are put; the link."""

    async def put(self, value: JsonValue, *, key: bytes, signature: bytes, sequence: int, salt: bytes = b"") -> object:
        """Store a mutable item. Raises PeerError; RefusedError when a newer one is stored."""


class Offer(NamedTuple):
    """What our record says at a moment."""

    services: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()

    @classmethod
    def of(cls, services: Iterable[str], addresses: Iterable[Address]) -> "Offer":
        """Make one; the best address first."""
        return cls(tuple(sorted(services)), tuple(dict.fromkeys(addresses)))


class Publisher:
    """Publishes what `offer()` says; nothing while we have never shared anything.

    Runs from `start` to `aclose`. `step` is one turn of it: tests with a clock of their own call that instead.
    `clock` is Unix seconds, for the record; `monotonic` seconds, for the pace. Problems are logged, told to
    `on_problem` (None when it went well) and tried again.
    """

    def __init__(
        self,
        signer: Signer,
        store: Store,
        offer: Callable[[], Offer],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        random: random_module.Random | None = None,
        on_problem: Callable[[PeerError | None], None] = lambda error: None,
        alone: Callable[[], bool] = lambda: True,
        on_other: Callable[[], None] = lambda: None,
    ) -> None:
        """`alone` tells whether no other process publishes under this identity; `on_other` hears when one begins."""
        self._signer = signer
        self._store = store
        self._offer = offer
        self._clock = clock
        self._monotonic = monotonic
        self._random = random or random_module.SystemRandom()
        self._on_problem = on_problem
        self._alone = alone
        self._on_other = on_other
        self._was_alone = True
        self._published = Offer()
        self._issued = 0  # Unix seconds, of what was put last
        self._exposed = False  # a record with services is on the grapes, or may be
        self._sequence: int | None = None  # of the newest record of ours, None until the grapes were asked for it
        self._due = monotonic()  # of a renewal
        self._not_before = self._due
        self._backoff = Backoff(*RETRY)
        self._changed = asyncio.Event()
        self._tasks = TaskSet("records")

    def start(self) -> None:
        """Begin."""
        self._tasks.spawn(self._run(), name="publish our record")

    def changed(self, *, renew: bool = False) -> None:
        """Look now: we share something else. `renew`: put it again though it is the same, for grapes new to us."""
        if renew:
            self._due = min(self._due, self._monotonic())
        self._changed.set()

    def begin_again(self) -> None:
        """Put it again now, whatever failed before: we slept, or are on another network."""
        self._backoff.succeeded()
        self._due = self._not_before = min(self._due, self._monotonic())
        self._changed.set()

    async def aclose(self) -> None:
        """Stop, and take back what was published, if the grapes are quick; unless another process goes on."""
        await self._tasks.aclose()
        if self._exposed and self._alone():
            with contextlib.suppress(PeerError, TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self._put(Offer())

    async def step(self) -> float:
        """Put the record if that is due. Returns after how many seconds to come again."""
        offer, now = self._offer(), self._monotonic()
        if not offer.services and not self._exposed:
            return LOOK
        self._look_for_others(now)
        if offer == self._published and now < self._due and not self._clock_jumped():
            return min(LOOK, self._due - now)
        if now < self._not_before:
            return self._not_before - now
        try:
            await self._put(offer)
        except PeerError as error:
            _log.info("our record could not be put: %s", error)
            self._on_problem(error)
            pause = self._backoff.failed()
        else:
            self._published, pause = offer, PAUSE
            self._backoff.succeeded()
            _log.debug("our record says %s at %s", offer.services, [str(place) for place in offer.addresses])
            self._due = now + REFRESH * self._random.uniform(1 - JITTER, 1 + JITTER)
            self._on_problem(None)
        self._not_before = self._monotonic() + pause
        return pause

    def _look_for_others(self, now: float) -> None:
        """Put our record again at once when another process of this identity has ended: what is stored may be its."""
        alone = self._alone()
        if alone and not self._was_alone:
            _log.info("another process of this profile has ended: our record is put again")
            self._due = min(self._due, now)
        elif self._was_alone and not alone:
            self._on_other()
        self._was_alone = alone

    async def _run(self) -> None:
        while True:
            seconds = await self.step()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            self._changed.clear()

    def _clock_jumped(self) -> bool:
        """Return whether our record's time is over by the clock on the wall: this computer slept, or was set."""
        return abs(self._clock() - self._issued) > REFRESH * (1 + JITTER)

    async def _put(self, offer: Offer) -> None:
        peer_id, issued = self._signer.peer_id, int(self._clock())
        if self._sequence is None:
            self._sequence = await self._stored()
        self._issued, self._exposed = issued, self._exposed or bool(offer.services)
        addresses = offer.addresses if offer.services else ()
        value = PeerRecord.fitting(peer_id, offer.services, addresses, issued, issued + LIFE).value()
        # Unix seconds, so that a peer that has forgotten everything goes on; one more where that is not enough
        self._sequence = sequence = max(issued, self._sequence + 1)
        signature = self._signer.sign(signed_bytes(value, sequence, SALT))
        try:
            await self._store.put(value.decode(), key=peer_id.key, signature=signature, sequence=sequence, salt=SALT)
        except RefusedError:
            self._sequence = None  # a newer one of ours is stored, from when our clock was ahead: ask which
            raise
        self._exposed = bool(offer.services)

    async def _stored(self) -> int:
        """Return the sequence number of our record as it is stored, whatever its age; -1 for none, or for a forged one.

        Raises PeerError when no grape answers.
        """
        peer_id = self._signer.peer_id
        try:
            return check_item(peer_id, await self._store.get(record_hash(peer_id), salt=SALT)).sequence
        except (LookupEmpty, RefusedError, RecordForged):
            return -1
