"""What a user does with the identity from the window: export, import, renew. The work is done in threads."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError
from core.profile.config import KeyPlace

if TYPE_CHECKING:  # cryptography: only when it is used
    from core.identity.identity import Identity
    from core.identity.keystore import KeyStore

PASSPHRASE = "GRAPEVINE_PASSPHRASE"  # protects a key that is kept in a file


class IdentityActs(QObject):
    """Acts on the key that is kept at one place, one act at a time.

    Signals:
        done(str): a sentence; it went well.
        failed(str): a sentence; nothing was changed.
        read(object): an Identity was read from a file; `become` takes it.
        replaced(): the peer has to be opened again.
        retried(): the peer should try again to open its key.
    """

    done = Signal(str)
    failed = Signal(str)
    read = Signal(object)
    replaced = Signal()
    retried = Signal()

    def __init__(self, place: KeyPlace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._place = place
        self._tasks = TaskSet("identity")
        self._busy = False

    async def aclose(self) -> None:
        """End what is under way; a key is written whole or not at all. Idempotent."""
        await self._tasks.aclose()

    def retry(self) -> None:
        """Have the peer try again to open a key that could not be opened."""
        self.retried.emit()

    def export(self, path: str, passphrase: str) -> None:
        """Write the identity to a file, under a passphrase."""

        async def act() -> None:
            from core.files.private import write_private

            own, _ = await (await self._store()).open()
            data = await asyncio.to_thread(own.export, passphrase)  # some 0.1 s of key derivation
            try:
                await asyncio.to_thread(write_private, Path(path), data)
            except OSError as error:
                raise LocalError(f"{path} could not be written: {error.strerror or error}") from error
            self.done.emit(f"Peer {own.peer_id.short} was exported to {path}.")

        self._begin("export", act)

    def load(self, path: str, passphrase: str) -> None:
        """Read an exported identity; it is told as `read`, and nothing is changed yet."""

        async def act() -> None:
            self.read.emit(await asyncio.to_thread(_read, path, passphrase))

        self._begin("read an identity", act)

    def become(self, identity: "Identity") -> None:
        """Be the peer with this key from now on."""
        self._begin("become another peer", lambda: self._become(identity))

    def renew(self) -> None:
        """Be a new peer from now on."""

        async def act() -> None:
            await self._become(await asyncio.to_thread(_generate))

        self._begin("renew the identity", act)

    async def _become(self, identity: "Identity") -> None:
        keeping = await (await self._store()).replace(identity)
        self.done.emit(f"This is peer {identity.peer_id.short} now. {keeping.sentence}")
        self.replaced.emit()

    async def _store(self) -> "KeyStore":
        from_thread = await asyncio.to_thread(_keystore)
        return from_thread(self._place.directory, self._place.profile, passphrase=os.environ.get(PASSPHRASE))

    def _begin(self, name: str, act: Callable[[], Awaitable[None]]) -> None:
        if self._busy:
            self.failed.emit("The last act is not done yet. Wait a moment.")
            return
        self._busy = True
        self._tasks.spawn(self._run(act), name=name)

    async def _run(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except PeerError as error:
            sentence = str(error)
            self.failed.emit(f"{sentence[:1].upper()}{sentence[1:]}.")
        finally:
            self._busy = False


def _keystore() -> "type[KeyStore]":
    from core.identity.keystore import KeyStore

    return KeyStore


def _generate() -> "Identity":
    from core.identity.identity import Identity

    return Identity.generate()


def _read(path: str, passphrase: str) -> "Identity":
    from core.identity.identity import MAX_EXPORT, Identity

    try:
        with open(path, "rb") as opened:
            data = opened.read(MAX_EXPORT + 1)
    except OSError as error:
        raise LocalError(f"{path} could not be read: {error.strerror or error}") from error
    return Identity.from_pem(data, passphrase or None)
