"""Who this peer is: its identity is opened beside everything else, since a keyring may take seconds to answer."""

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError
from core.news.events import IdentitySnapshot
from core.peer_id import PeerId
from core.profile.config import KeyPlace

if TYPE_CHECKING:  # 7 MB that a peer without an identity does not load
    from core.identity.identity import Identity
    from core.identity.keystore import Keeping
    from core.secure.contexts import Contexts


class OwnIdentity:
    """Opens an identity in the background. Whoever needs it waits for `contexts`."""

    def __init__(
        self,
        source: "Identity | KeyPlace | None",
        on_failure: Callable[[PeerError], None],
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_failure` hears why there is none, when there should be; then nothing is encrypted."""
        self._source = source
        self._on_failure = on_failure
        self._on_open = on_open
        self._failure = ""
        self._settled = asyncio.Event()
        self._tasks = TaskSet("own identity")
        self._contexts: Contexts | None = None
        self.identity: Identity | None = None
        self.keeping: Keeping | None = None  # where it is kept, in words; None for one that was handed in

    @property
    def peer_id(self) -> PeerId | None:
        """Our Peer ID, once it is open."""
        return None if self.identity is None else self.identity.peer_id

    def snapshot(self) -> IdentitySnapshot:
        """Return who we are, in words where that is nobody."""
        if self.identity is not None:
            keeping = self.keeping
            words = keeping.sentence if keeping is not None else "This key was handed in, and is kept elsewhere."
            return IdentitySnapshot(self.identity.peer_id, words, keeping is None or keeping.protected)
        if self._source is None:
            return IdentitySnapshot(None, "This peer has no identity: nothing is encrypted.")
        return IdentitySnapshot(None, self._failure or "Your key is being opened.")

    @property
    def wanted(self) -> bool:
        """Whether there is one, or may be one soon."""
        return self.identity is not None or (self._source is not None and not self._settled.is_set())

    def start(self) -> None:
        """Begin to open it."""
        self._tasks.spawn(self._open(), name="open the identity")

    async def aclose(self) -> None:
        """Give it up, if it is not open yet."""
        await self._tasks.aclose()

    async def contexts(self) -> "Contexts | None":
        """Return what makes encrypted sessions, waiting for it if it may still come; None: there is no identity."""
        await self._settled.wait()
        return self._contexts

    async def _open(self) -> None:
        try:
            if isinstance(self._source, KeyPlace):
                await asyncio.to_thread(_load)  # 0.1 s of importing, in which the grape can start
                await self._open_place(self._source)
            else:
                self.identity = self._source
            if self.identity is not None:
                from core.secure.contexts import Contexts

                self._contexts = Contexts(self.identity)
        except PeerError as error:
            self._failed(error)
        except Exception as error:  # of a keyring, a library that does not load: a peer without identity still works
            self._failed(LocalError(f"this peer's identity could not be opened: {error}", name="ERR_IDENTITY"))
        else:
            self._on_open()
        finally:
            self._settled.set()

    async def _open_place(self, place: KeyPlace) -> None:
        from core.identity.keystore import KeyStore

        store = KeyStore(place.directory, place.profile, passphrase=os.environ.get("GRAPEVINE_PASSPHRASE"))
        self.identity, self.keeping = await store.open()
        if place.on_made is not None and self.keeping.made and not self.keeping.protected:
            place.on_made(self.keeping.sentence)

    def _failed(self, error: PeerError) -> None:
        self.identity = None
        sentence = str(error)
        self._failure = f"{sentence[:1].upper()}{sentence[1:]}."
        self._settled.set()
        self._on_failure(error)


def _load() -> None:
    import core.identity.keystore
    import core.secure.contexts  # noqa: F401
