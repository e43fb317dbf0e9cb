"""Where a profile's private key is kept: the system's keyring, or a file that only its owner can read.

Beside the settings lies a note, `<profile>.identity.json` (`core.identity.note`). Nobody becomes another peer by
accident: a key that is there is found again, whichever of note and key survived, and what cannot be read is never
overwritten.
"""

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from core.aio.aside import aside, in_thread
from core.errors import LocalError
from core.files.kept import keep_damaged
from core.files.lock import locked
from core.files.private import is_private, make_private_directory, read_private, write_private
from core.frozen import frozen
from core.identity.identity import MAX_EXPORT, Identity
from core.identity.keyrings import Keyring, is_locked, system_keyring
from core.identity.note import MAX_NOTE, Kept, Note, Place
from core.peer_id import PeerId

SERVICE: Final = "grapevine"  # what the item is called in the keyring, with the profile's name
KEYRING_TIME: Final = 10.0  # seconds; a keyring that asks its user for a password answers late or never
_WRONG: Final = "ERR_IDENTITY"
LOCKED: Final = "ERR_IDENTITY_LOCKED"  # it is there, and may be had another time
_FOR_NOW: Final = (
    "KeyringLocked",
    "InitError",
    "PasswordSetError",
)  # errors of `keyring` that may pass
_log = logging.getLogger(__name__)


@frozen
class Keeping:
    """Where the key is, and a sentence for people; `protected` by the keyring or a passphrase; `made` just now.

    `provisional`: it moves into the keyring when that answers. `notice` says what was wrong with its file.
    """

    kept: Kept
    sentence: str
    protected: bool
    made: bool = False
    provisional: bool = False
    notice: str = ""


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
        first_time: float | None = None,
        on_wait: Callable[[], None] = lambda: None,
        on_answer: Callable[[], None] = lambda: None,
    ) -> None:
        """`passphrase` protects, and opens, a key that is kept in a file. `directory` is made when needed.

        `keyring_time` is how many seconds a keyring gets to answer; `first_time` the same at the very first start, when
        it may ask its user for a new password. `on_wait` is told when it is asked, `on_answer` when it has answered too
        late for the caller.
        """
        self._profile = profile
        self._directory = directory
        self._file = directory / f"{profile}.key"
        self._note = directory / f"{profile}.identity.json"
        self._lock = directory / f"{profile}.identity.lock"
        self._find_keyring = find_keyring
        self._passphrase = passphrase
        self._keyring_time = keyring_time
        self._first_time = keyring_time if first_time is None else first_time
        self._on_wait = on_wait
        self._on_answer = on_answer
        self._asked: asyncio.Future[str | None] | None = None  # that the keyring has not answered yet
        self._later = False  # whether a keyring may be there another time
        self._notice = ""
        self._lock_time = 2 * keyring_time + 5.0  # seconds; who holds the lock may wait for the keyring, twice

    async def open(self) -> tuple[Identity, Keeping]:
        """Return the profile's identity, made at the first call ever.

        Raises LocalError: ERR_IDENTITY_LOCKED when there is one that cannot be had now (it says what to do),
        ERR_PASSPHRASE, or ERR_IDENTITY when nothing could be kept.
        """
        note = await asyncio.to_thread(self._read_note)
        if note is not None and note.next is None:
            return await self._found(note)
        left: tuple[Identity | None, bool] | None = None
        if note is None and not await asyncio.to_thread(self._file.exists):
            left = await self._left_in_keyring()  # without the lock: its user may be asked, and be away
        async with self._alone():  # of programs that start at once, one makes the key and the others find it
            note = await asyncio.to_thread(self._read_note)
            if note is None:
                return await self._first(left)
            identity, keeping = await self._found(note)
            if note.next is not None:  # replacing it was interrupted
                await self._write_note(Note(Place(identity.peer_id, keeping.kept)))
            return identity, keeping

    async def replace(self, identity: Identity) -> Keeping:
        """Keep this key from now on, instead of another if there was one. Raises LocalError when nothing keeps it."""
        async with self._alone():
            return await self._keep(identity)

    async def move_to_keyring(self, identity: Identity) -> Keeping | None:
        """Wait for the keyring as long as its user needs, then keep there a key that is in a file for now.

        None: it is not in a file, or not for now only. Raises LocalError, and what the keyring raises.
        """
        note = await asyncio.to_thread(self._read_note)
        if note is None or not note.provisional or self._passphrase:
            return None
        await self._ask(None)
        async with self._alone():
            note = await asyncio.to_thread(self._read_note)
            if note is None or note != Note(Place(identity.peer_id, Kept.FILE), provisional=True):
                return None  # another program was faster, or has made another key
            return await self._keep(identity)

    async def locked(self) -> bool:
        """Tell whether the keyring is known to be locked, without having it ask its user."""
        try:
            return await aside(lambda: is_locked(self._find_keyring()), self._keyring_time)
        except Exception:  # of any back end, or a time-out: it is not known
            return False

    async def _first(self, left: tuple[Identity | None, bool] | None) -> tuple[Identity, Keeping]:
        """There is no note: take up a key that has lost its own, or make one. `left` is what the keyring has."""
        if await asyncio.to_thread(self._file.exists):
            identity, kept = await self._from_file(), Kept.FILE
        else:
            found, silent = left or await self._left_in_keyring()
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
                return identity, self._keeping(place.kept, provisional=note.provisional)
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
        self._later = self._later or not in_keyring
        if kept is Kept.FILE:
            if old is not None:
                await self._write_note(Note(old.now, Place(identity.peer_id, Kept.FILE)))
            await self._write(self._file, identity.to_pem(self._passphrase), spare_unreadable=True)
        provisional = kept is Kept.FILE and self._later and not self._passphrase
        await self._write_note(Note(Place(identity.peer_id, kept), provisional=provisional))
        if kept is Kept.KEYRING:
            with contextlib.suppress(OSError):  # an older key, or this one before there was a keyring
                await asyncio.to_thread(self._file.unlink, missing_ok=True)
        keeping = self._keeping(kept, provisional=provisional)
        _log.info("identity %s: %s", identity.peer_id.short, keeping.sentence)
        return keeping

    def _keeping(self, kept: Kept, *, provisional: bool = False) -> Keeping:
        if kept is Kept.KEYRING:
            return Keeping(kept, "Your key is in this computer's keyring.", True)
        if self._passphrase:
            sentence = f"No keyring is usable here: your key is in {self._file}, under a passphrase."
            return Keeping(kept, sentence, True, notice=self._notice)
        try:
            who = "which only you can read" if is_private(self._file) else "which other users of this computer can read"
        except OSError:
            who = "which cannot be looked at"
        if provisional:
            sentence = f"The keyring did not answer: your key is in {self._file}, {who}, until it does."
        else:
            sentence = f"No keyring is usable here: your key is in {self._file}, {who}."
        return Keeping(kept, sentence, False, provisional=provisional, notice=self._notice)

    # -- the keyring ----------------------------------------------------------------------------------------------

    async def _into_keyring(self, secret: str) -> bool:
        def work() -> bool:
            keyring = self._find_keyring()
            keyring.set_password(SERVICE, self._profile, secret)
            return keyring.get_password(SERVICE, self._profile) == secret  # some swallow what they are given

        try:
            return await aside(work, self._keyring_time)
        except TimeoutError:
            self._later = True
            _log.warning("the keyring did not answer within %g s", self._keyring_time)
        except Exception as error:  # of any backend, and there are many
            self._later = self._later or type(error).__name__ in _FOR_NOW
            _log.info("no keyring is usable: %r", error)
        return False

    async def _left_in_keyring(self) -> tuple[Identity | None, bool]:
        """Return a key that is in the keyring though nothing here speaks of it: the settings were removed, say.

        And whether the keyring was silent: then it is not asked again.
        """
        try:
            found = await self._ask(self._first_time)
        except TimeoutError:
            _log.warning("the keyring did not answer within %g s", self._first_time)
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
            found = await self._ask(self._keyring_time)
        except TimeoutError:
            raise LocalError(f"the keyring with your key did not answer: {advice}", name=LOCKED) from None
        except Exception as error:
            _log.warning("the keyring failed: %r", error)
            raise LocalError(f"the keyring with your key cannot be used: {advice}", name=LOCKED) from error
        if found is None:
            raise LocalError(f"your key is not in the keyring any more: {advice}", name=LOCKED)
        return _identity(found, advice)

    async def _ask(self, seconds: float | None) -> str | None:
        """Look the key up. One question at a time: a second one would ask its user twice. Raises what it raises."""
        if self._asked is None or self._asked.done():
            self._asked = in_thread(self._ask_keyring)
        self._on_wait()
        asked = self._asked
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(asked)
        except TimeoutError:
            if not asked.done():
                asked.add_done_callback(lambda _: self._on_answer())
            raise

    def _ask_keyring(self) -> str | None:
        return self._find_keyring().get_password(SERVICE, self._profile)

    # -- files ----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Hold the profile's lock."""
        lock, left = locked(self._lock, self._lock_time), False

        def enter() -> None:
            make_private_directory(self._directory)
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
            data = await asyncio.to_thread(read_private, self._file, MAX_EXPORT, self._say, secret=True)
        except OSError as error:
            raise LocalError(
                f"your key could not be read from {self._file} ({error.strerror or error}): put it back, or import it",
                name=LOCKED,
            ) from error
        return await asyncio.to_thread(Identity.from_pem, data, self._passphrase)

    def _say(self, sentence: str) -> None:
        self._notice = f"{sentence} If somebody may have copied it, make a new one (grapevine id renew)."
        _log.warning("%s", sentence)

    def _read_note(self) -> Note | None:
        try:
            return Note.load(read_private(self._note, MAX_NOTE))
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
                _log.warning("%s; it is kept as %s", error, keep_damaged(self._note))
            return None

    async def _write_note(self, note: Note) -> None:
        await self._write(self._note, note.dump())

    async def _write(self, path: Path, data: bytes, *, spare_unreadable: bool = False) -> None:
        def work() -> None:
            if spare_unreadable and path.exists() and not self._readable(path):
                _log.warning("a key that cannot be read is kept as %s", keep_damaged(path))
            write_private(path, data)

        try:
            await asyncio.to_thread(work)
        except OSError as error:
            raise self._not_kept(error) from error

    def _readable(self, path: Path) -> bool:
        """Tell whether a key file is one that we can open: what is, may be replaced."""
        try:
            Identity.from_pem(read_private(path, MAX_EXPORT), self._passphrase)
        except (LocalError, OSError):
            return False
        return True

    def _not_kept(self, error: OSError) -> LocalError:
        return LocalError(
            f"the identity could not be kept in {self._directory}: {error.strerror or error}", name=_WRONG
        )


def _identity(text: str, advice: str) -> Identity:
    """Return the key that this text of a keyring's item is. Raises LocalError."""
    try:
        return Identity.from_secret(base64.b64decode(text, validate=True))
    except (ValueError, LocalError) as error:  # ValueError, too, for letters that no base64 has
        raise LocalError(f"the keyring holds something else than your key: {advice}", name=_WRONG) from error
