"""Where a profile's private key is kept: the system's keyring, or a file that only its owner can read.

Beside the settings lies a note, `<profile>.identity.json` (`core.identity.note`). Nobody becomes another peer by
accident: a key that is there is found again, whichever of note and key survived, and what cannot be read is never
overwritten.
"""

import asyncio
import base64
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from core.aio.aside import aside
from core.errors import LocalError
from core.files.lock import locked
from core.files.private import write_private
from core.identity.identity import MAX_EXPORT, Identity
from core.identity.note import MAX_NOTE, Kept, Note, Place
from core.peer_id import PeerId

SERVICE: Final = "grapevine"  # what the item is called in the keyring, with the profile's name
KEYRING_TIME: Final = 10.0  # seconds; a keyring that asks its user for a password answers late or never
_WRONG: Final = "ERR_IDENTITY"
_LOCKED: Final = "ERR_IDENTITY_LOCKED"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where the key is, and a sentence for people; `protected` by the keyring or a passphrase; `made` just now."""

    kept: Kept
    sentence: str
    protected: bool
    made: bool = False


class Keyring(Protocol):
    """What is used of the package `keyring`."""

    def get_password(self, service: str, username: str) -> str | None:
        """Return the secret, None when there is none."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""


def system_keyring() -> Keyring:
    """Return the system's. Slow (0.2 s), and what it returns may turn out not to work."""
    import keyring  # slow to load, and only needed here

    return keyring.get_keyring()


class KeyStore:
    """The key of one profile. All methods may be called from one loop only, one at a time."""

    def __init__(
        self,
        directory: Path,
        profile: str,
        *,
        find_keyring: Callable[[], Keyring] = system_keyring,
        passphrase: str | None = None,
        keyring_time: float = KEYRING_TIME,
    ) -> None:
        """`passphrase` protects, and opens, a key that is kept in a file. `directory` is made when needed."""
        self._profile = profile
        self._directory = directory
        self._file = directory / f"{profile}.key"
        self._note = directory / f"{profile}.identity.json"
        self._lock = directory / f"{profile}.identity.lock"
        self._find_keyring = find_keyring
        self._passphrase = passphrase
        self._keyring_time = keyring_time
        self._lock_time = 2 * keyring_time + 5.0  # seconds; who holds the lock may wait for the keyring, twice

    async def open(self) -> tuple[Identity, Keeping]:
        """Return the profile's identity, made at the first call ever.

        Raises LocalError: ERR_IDENTITY_LOCKED when there is one that cannot be had now (it says what to do),
        ERR_PASSPHRASE, or ERR_IDENTITY when nothing could be kept.
        """
        note = await asyncio.to_thread(self._read_note)
        if note is not None and note.next is None:
            return await self._found(note)
        async with self._alone():  # of programs that start at once, one makes the key and the others find it
            note = await asyncio.to_thread(self._read_note)
            if note is None:
                return await self._first()
            identity, keeping = await self._found(note)
            if note.next is not None:  # replacing it was interrupted
                await self._write_note(Note(Place(identity.peer_id, keeping.kept)))
            return identity, keeping

    async def replace(self, identity: Identity) -> Keeping:
        """Keep this key from now on, instead of another if there was one. Raises LocalError when nothing keeps it."""
        async with self._alone():
            return await self._keep(identity)

    async def _first(self) -> tuple[Identity, Keeping]:
        """There is no note: take up a key that has lost its own, or make one."""
        if await asyncio.to_thread(self._file.exists):
            identity, kept = await self._from_file(), Kept.FILE
        else:
            found, silent = await self._left_in_keyring()
            if found is None:
                identity = Identity.generate()
                keeping = await self._keep(identity, in_keyring=not silent)
                return identity, replace(keeping, made=True)
            identity, kept = found, Kept.KEYRING
        await self._write_note(Note(Place(identity.peer_id, kept)))
        _log.info("identity %s was here without its note", identity.peer_id.short)
        return identity, self._keeping(kept)

    async def _found(self, note: Note) -> tuple[Identity, Keeping]:
        """Return the key that the note speaks of; while it is being replaced, the old or the new one."""
        failure: LocalError | None = None
        for place in note.places:
            try:
                identity = await self._at(place)
            except LocalError as error:
                failure = failure or error
                continue
            if identity.peer_id in [other.peer_id for other in note.places if other.kept is place.kept]:
                return identity, self._keeping(place.kept)
            where = self._file if place.kept is Kept.FILE else "the keyring"
            failure = failure or LocalError(
                f"the key in {where} is not that of peer {place.peer_id.short}: import the right one, or renew it",
                name=_WRONG,
            )
        raise failure or AssertionError("a note speaks of a place")

    async def _at(self, place: Place) -> Identity:
        return await self._from_keyring(place.peer_id) if place.kept is Kept.KEYRING else await self._from_file()

    async def _keep(self, identity: Identity, *, in_keyring: bool = True) -> Keeping:
        """Say in the note what comes, keep the key, and say that it is there: whatever breaks, a key is found."""
        old = await asyncio.to_thread(self._old_note)
        secret = base64.b64encode(identity.secret).decode()
        if old is not None:
            await self._write_note(Note(old.now, Place(identity.peer_id, Kept.KEYRING)))
        kept = Kept.KEYRING if in_keyring and await self._into_keyring(secret) else Kept.FILE
        if kept is Kept.FILE:
            if old is not None:
                await self._write_note(Note(old.now, Place(identity.peer_id, Kept.FILE)))
            await self._write(self._file, identity.to_pem(self._passphrase), spare_unreadable=True)
        await self._write_note(Note(Place(identity.peer_id, kept)))
        if kept is Kept.KEYRING:
            with contextlib.suppress(OSError):  # an older key, or this one before there was a keyring
                await asyncio.to_thread(self._file.unlink, missing_ok=True)
        keeping = self._keeping(kept)
        _log.info("identity %s: %s", identity.peer_id.short, keeping.sentence)
        return keeping

    def _keeping(self, kept: Kept) -> Keeping:
        if kept is Kept.KEYRING:
            return Keeping(kept, "Your key is in this computer's keyring.", True)
        if self._passphrase:
            return Keeping(kept, f"No keyring is usable here: your key is in {self._file}, under a passphrase.", True)
        sentence = f"No keyring is usable here: your key is in {self._file}, which only you can read."
        return Keeping(kept, sentence, False)

    # -- the keyring ----------------------------------------------------------------------------------------------

    async def _into_keyring(self, secret: str) -> bool:
        def work() -> bool:
            keyring = self._find_keyring()
            keyring.set_password(SERVICE, self._profile, secret)
            return keyring.get_password(SERVICE, self._profile) == secret  # some swallow what they are given

        try:
            return await aside(work, self._keyring_time)
        except TimeoutError:
            _log.warning("the keyring did not answer within %g s", self._keyring_time)
        except Exception as error:  # of any backend, and there are many
            _log.info("no keyring is usable: %r", error)
        return False

    async def _left_in_keyring(self) -> tuple[Identity | None, bool]:
        """Return a key that is in the keyring though nothing here speaks of it: the settings were removed, say.

        And whether the keyring was silent: then it is not asked again.
        """
        try:
            found = await aside(self._ask_keyring, self._keyring_time)
        except TimeoutError:
            _log.warning("the keyring did not answer within %g s", self._keyring_time)
            return None, True
        except Exception as error:  # whether it can keep a key is seen next
            _log.info("nothing could be looked up in a keyring: %r", error)
            return None, False
        if found is None:
            return None, False
        return _identity(found, "renew it (grapevine id renew) to put a new one there"), False

    async def _from_keyring(self, peer_id: PeerId) -> Identity:
        advice = f"unlock it and try again, or import peer {peer_id.short} from an export (grapevine id import FILE)"
        try:
            found = await aside(self._ask_keyring, self._keyring_time)
        except TimeoutError:
            raise LocalError(f"the keyring with your key did not answer: {advice}", name=_LOCKED) from None
        except Exception as error:
            _log.warning("the keyring failed: %r", error)
            raise LocalError(f"the keyring with your key cannot be used: {advice}", name=_LOCKED) from error
        if found is None:
            raise LocalError(f"your key is not in the keyring any more: {advice}", name=_LOCKED)
        return _identity(found, advice)

    def _ask_keyring(self) -> str | None:
        return self._find_keyring().get_password(SERVICE, self._profile)

    # -- files ----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Hold the profile's lock."""
        lock, left = locked(self._lock, self._lock_time), False

        def enter() -> None:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock.__enter__()
            if left:
                lock.__exit__(None, None, None)

        try:
            await aside(enter, self._lock_time + 5.0)
        except OSError as error:
            raise self._not_kept(error) from error
        except BaseException:
            left = True
            raise
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    async def _from_file(self) -> Identity:
        try:
            data = await asyncio.to_thread(_read, self._file, MAX_EXPORT)
        except OSError as error:
            raise LocalError(
                f"your key could not be read from {self._file} ({error.strerror or error}): put it back, or import it",
                name=_LOCKED,
            ) from error
        return await asyncio.to_thread(Identity.from_pem, data, self._passphrase)

    def _read_note(self) -> Note | None:
        try:
            return Note.load(_read(self._note, MAX_NOTE))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise LocalError(
                f"{self._note} says who this peer is and cannot be read ({error}): put it right, or remove it, and the "
                "key will be looked for; grapevine id renew makes a new one",
                name=_WRONG,
            ) from error

    def _old_note(self) -> Note | None:
        """Return the note that is to be replaced; one that cannot be read is put beside."""
        try:
            return self._read_note()
        except LocalError as error:
            with contextlib.suppress(OSError):
                _log.warning("%s; it is kept as %s", error, _set_aside(self._note))
            return None

    async def _write_note(self, note: Note) -> None:
        await self._write(self._note, note.dump())

    async def _write(self, path: Path, data: bytes, *, spare_unreadable: bool = False) -> None:
        def work() -> None:
            if spare_unreadable and path.exists() and not self._readable(path):
                _log.warning("a key that cannot be read is kept as %s", _set_aside(path))
            write_private(path, data)

        try:
            await asyncio.to_thread(work)
        except OSError as error:
            raise self._not_kept(error) from error

    def _readable(self, path: Path) -> bool:
        """Tell whether a key file is one that we can open: what is, may be replaced."""
        try:
            Identity.from_pem(_read(path, MAX_EXPORT), self._passphrase)
        except (LocalError, OSError):
            return False
        return True

    def _not_kept(self, error: OSError) -> LocalError:
        return LocalError(
            f"the identity could not be kept in {self._directory}: {error.strerror or error}", name=_WRONG
        )


def _read(path: Path, most: int) -> bytes:
    """Return what is in a file, and a byte more than `most` if it is too large. Raises OSError."""
    with path.open("rb") as file:
        return file.read(most + 1)


def _identity(text: str, advice: str) -> Identity:
    """Return the key that this text of a keyring's item is. Raises LocalError."""
    try:
        return Identity.from_secret(base64.b64decode(text, validate=True))
    except (ValueError, LocalError) as error:  # ValueError, too, for letters that no base64 has
        raise LocalError(f"the keyring holds something else than your key: {advice}", name=_WRONG) from error


def _set_aside(path: Path) -> Path:
    """Rename what cannot be read. Raises OSError."""
    kept = path.with_name(f"{path.name}.unreadable-{time.time_ns()}")
    path.replace(kept)
    return kept
