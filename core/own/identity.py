"""This peer's identity. It is opened beside everything else, since a keyring may take as long as its user needs.

A keyring that is locked is asked again by itself, less and less often, and on demand. Nothing waits for it: until then
this peer is one without an identity.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from core.aio.tasks import TaskSet
from core.aio.waiting import wait_for
from core.errors import LocalError, PeerError
from core.limits.rate import Backoff
from core.news.events import IdentitySnapshot
from core.peer_id import PeerId
from core.profile.config import KeyPlace

if TYPE_CHECKING:  # 7 MB that a peer without an identity does not load
    from core.identity.identity import Identity
    from core.identity.keystore import Keeping, KeyStore
    from core.secure.contexts import Contexts

RETRY_FIRST: Final = 5.0  # seconds; a user who logs in unlocks the keyring within moments
RETRY_MOST: Final = 300.0  # seconds; a keyring that asks each time must not become a nuisance
LOCKED: Final = "ERR_IDENTITY_LOCKED"  # of `core.identity.keystore`
_WAITING: Final = "Waiting for this computer's keyring. Unlock it, if it asks you to."
_log = logging.getLogger(__name__)


class OwnIdentity:
    """Opens an identity in the background. Parts that need it wait for `contexts`, or for `opened`."""

    def __init__(
        self,
        source: "Identity | KeyPlace | None",
        on_failure: Callable[[PeerError], None],
        on_open: Callable[[], None] = lambda: None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_failure` hears why there is none, when there should be; then nothing is encrypted, until `on_open`.

        `on_change` is told whenever the snapshot is another.
        """
        self._source = source
        self._on_failure = on_failure
        self._on_open = [on_open]
        self._on_change = on_change
        self._failure = ""
        self._locked = False  # it may be had another time
        self._waiting = False  # for the keyring
        self._settled = asyncio.Event()
        self._opened = asyncio.Event()
        self._again = asyncio.Event()
        self._tasks = TaskSet("own identity")
        self._contexts: Contexts | None = None
        self._making = asyncio.Lock()
        self._warm = False
        self.identity: Identity | None = None
        self.keeping: Keeping | None = None  # where it is kept, in words; None for one that was handed in

    @property
    def peer_id(self) -> PeerId | None:
        """Our Peer ID, once it is open."""
        return None if self.identity is None else self.identity.peer_id

    def secret(self) -> bytes | None:
        """Return our key itself, once it is open: for what is derived of it."""
        return None if self.identity is None else self.identity.secret

    def when_open(self, listener: Callable[[], None]) -> None:
        """Call `listener` each time that an identity is opened from now on."""
        self._on_open.append(listener)

    def snapshot(self) -> IdentitySnapshot:
        """Return who we are, in words where that is nobody."""
        if self.identity is not None:
            keeping = self.keeping
            words = "This key was handed in, and is kept elsewhere."
            if keeping is not None:
                words = " ".join(filter(None, (keeping.sentence, keeping.notice)))
            return IdentitySnapshot(self.identity.peer_id, words, keeping is None or keeping.protected)
        if self._source is None:
            return IdentitySnapshot(None, "This peer has no identity: nothing is encrypted.")
        words = self._failure or (_WAITING if self._waiting else "Your key is being opened.")
        return IdentitySnapshot(None, words, can_retry=bool(self._failure))

    @property
    def wanted(self) -> bool:
        """Whether there is one, or may be one soon."""
        return self.identity is not None or (self._source is not None and not self._settled.is_set())

    def start(self) -> None:
        """Begin to open it."""
        self._tasks.spawn(self._open(), name="open the identity")

    def retry(self) -> None:
        """Try again at once, if it could not be opened: its owner has unlocked the keyring, say."""
        if self.identity is None and self._source is not None and self._failure:
            self._failure = ""
            self._again.set()
            self._on_change()

    async def aclose(self) -> None:
        """Give it up, if it is not open yet."""
        await self._tasks.aclose()

    async def settled(self) -> None:
        """Wait until it is open, or could not be opened at the first try."""
        await self._settled.wait()

    async def opened(self) -> "Identity":
        """Return it, waiting as long as it takes: for ever, where there is none."""
        await self._opened.wait()
        assert self.identity is not None
        return self.identity

    async def contexts(self) -> "Contexts | None":
        """Return what makes encrypted sessions, waiting for it if it may still come; None: there is no identity now.

        It is made for the first session, not before: OpenSSL takes some MB.
        """
        await self._settled.wait()
        async with self._making:
            if self._contexts is None and self.identity is not None:
                await asyncio.to_thread(_load_contexts)
                from core.secure.contexts import Contexts

                self._contexts = Contexts(self.identity)
        return self._contexts

    def warm(self) -> None:
        """Load what encrypts now, beside everything else: somebody is near, and may call in a moment."""
        if self._contexts is None and not self._warm:
            self._warm = True
            self._tasks.spawn(self._warm_up(), name="load what encrypts")

    async def _warm_up(self) -> None:
        with contextlib.suppress(Exception):  # who needs it tries again, and says what is wrong
            await self.contexts()

    # -- opening --------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        """Open it, trying again for as long as it may be had another time."""
        backoff = Backoff(RETRY_FIRST, RETRY_MOST)
        store: KeyStore | None = None
        while self.identity is None and self._source is not None:
            try:
                if isinstance(self._source, KeyPlace):
                    await asyncio.to_thread(_load)  # 0.1 s of importing, in which the grape can start
                    store = store or self._store(self._source)
                    self.identity, self.keeping = await store.open()
                else:
                    self.identity = self._source
            except PeerError as error:
                self._failed(error)
            except Exception as error:  # of a library that does not load: a peer without identity still works
                self._failed(LocalError(f"this peer's identity could not be opened: {error}", name="ERR_IDENTITY"))
            if self.identity is None:
                await self._until_worth_another_try(store, backoff)
        self._settled.set()
        self._on_change()
        if self.identity is not None:
            self._opened.set()
            for listener in tuple(self._on_open):
                listener()
        if store is not None and self.identity is not None:
            self._tell_where(self._source)
            await self._move(store)

    def _store(self, place: KeyPlace) -> "KeyStore":
        from core.identity.keystore import KeyStore

        passphrase = os.environ.get("GRAPEVINE_PASSPHRASE")
        return KeyStore(
            place.directory,
            place.profile,
            passphrase=passphrase,
            first_time=place.patience,
            on_wait=self._wait,
            on_answer=self._again.set,
        )

    def _wait(self) -> None:
        self._waiting = True
        self._on_change()

    async def _until_worth_another_try(self, store: "KeyStore | None", backoff: Backoff) -> None:
        """Wait until its owner asks for it or, for a keyring that is locked, until it answers or is unlocked."""
        while True:
            pause = backoff.failed() if self._locked else RETRY_MOST
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._again.wait()
                    self._again.clear()
                    return
            if self._locked and store is not None and not await store.locked():
                return  # else it would only ask its user again

    def _tell_where(self, place: object) -> None:
        """Say where a new key was put, if only its file protects it, and what was wrong with the file of an old one."""
        if isinstance(place, KeyPlace) and place.on_made is not None and self.keeping is not None:
            if self.keeping.made and not self.keeping.protected:
                place.on_made(self.keeping.sentence)
            if self.keeping.notice:
                place.on_made(self.keeping.notice)

    async def _move(self, store: "KeyStore") -> None:
        """Move a key that is in a file for now into the keyring, when that answers."""
        backoff = Backoff(RETRY_FIRST, RETRY_MOST)
        while self.identity is not None and self.keeping is not None and self.keeping.provisional:
            try:
                moved = await store.move_to_keyring(self.identity)
            except Exception as error:  # of any keyring; the key is safe where it is
                _log.info("the key stays in its file: %s", error)
            else:
                if moved is None:
                    return
                self.keeping = moved
                self._on_change()
            if self.keeping.provisional:
                await wait_for(self._again, backoff.failed())

    def _failed(self, error: PeerError) -> None:
        sentence = str(error)
        words = f"{sentence[:1].upper()}{sentence[1:]}."
        self._locked = error.name == LOCKED
        news, self._failure, self._waiting = words != self._failure, words, False
        self._settled.set()
        self._on_change()
        if news:
            self._on_failure(error)


def _load() -> None:
    import core.identity.keystore  # noqa: F401


def _load_contexts() -> None:
    import core.secure.contexts  # noqa: F401
