"""Where a profile's private key is kept: the system's keyring, or a file that only its owner can read.

Beside the settings lies a small note, `<profile>.identity.json`: whose key it is and where it is kept. It is there so
that a keyring that is locked today is not taken for one that is empty: nobody becomes another peer by accident.
"""

import asyncio
import base64
import binascii
import enum
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from core.errors import LocalError
from core.identity.aside import aside
from core.identity.identity import Identity
from core.private_file import write_private
from core.wire.peer_id import PeerId

SERVICE: Final = "grapevine"  # what the item is called in the keyring, with the profile's name
KEYRING_TIME: Final = 10.0  # seconds; a keyring that asks its user for a password answers late or never
MAX_NOTE: Final = 4096  # bytes
_WRONG: Final = "ERR_IDENTITY"
_LOCKED: Final = "ERR_IDENTITY_LOCKED"
_log = logging.getLogger(__name__)


class Kept(enum.Enum):
    """Where a key is."""

    KEYRING = "keyring"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where the key is, and a sentence for people; `protected` by the keyring or a passphrase."""

    kept: Kept
    sentence: str
    protected: bool


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
        self._find_keyring = find_keyring
        self._passphrase = passphrase
        self._keyring_time = keyring_time

    async def open(self) -> tuple[Identity, Keeping]:
        """Return the profile's identity, made at the first call ever.

        Raises LocalError: ERR_IDENTITY_LOCKED when there is one that cannot be had now (it says what to do),
        ERR_PASSPHRASE, or ERR_IDENTITY when nothing could be kept.
        """
        note = await asyncio.to_thread(self._read_note)
        if note is None:
            identity = Identity.generate()
            return identity, await self.replace(identity)
        peer_id, kept = note
        identity = await self._from_keyring(peer_id) if kept is Kept.KEYRING else await self._from_file()
        if identity.peer_id != peer_id:
            where = self._file if kept is Kept.FILE else "the keyring"
            raise LocalError(
                f"the key in {where} is not that of peer {peer_id.short}: import the right one, or renew it",
                name=_WRONG,
            )
        return identity, self._keeping(kept)

    async def replace(self, identity: Identity) -> Keeping:
        """Keep this key from now on, instead of another if there was one. Raises LocalError when nothing keeps it."""
        kept = Kept.KEYRING if await self._into_keyring(identity) else Kept.FILE
        try:
            await asyncio.to_thread(self._write, identity, kept)
        except OSError as error:
            raise LocalError(
                f"the identity could not be kept in {self._directory}: {error.strerror or error}", name=_WRONG
            ) from error
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

    async def _into_keyring(self, identity: Identity) -> bool:
        secret = base64.b64encode(identity.secret).decode()

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

    async def _from_keyring(self, peer_id: PeerId) -> Identity:
        advice = f"unlock it and try again, or import peer {peer_id.short} from an export (grapevine id import FILE)"
        try:
            found = await aside(lambda: self._find_keyring().get_password(SERVICE, self._profile), self._keyring_time)
        except TimeoutError:
            raise LocalError(
                f"the keyring with your key did not answer: {advice}", name="ERR_IDENTITY_LOCKED"
            ) from None
        except Exception as error:
            _log.warning("the keyring failed: %r", error)
            raise LocalError(
                f"the keyring with your key cannot be used: {advice}", name="ERR_IDENTITY_LOCKED"
            ) from error
        if found is None:
            raise LocalError(f"your key is not in the keyring any more: {advice}", name=_LOCKED)
        try:
            return Identity.from_secret(base64.b64decode(found, validate=True))
        except binascii.Error as error:
            raise LocalError(f"the keyring holds something else than your key: {advice}", name=_WRONG) from error

    # -- files ----------------------------------------------------------------------------------------------------

    async def _from_file(self) -> Identity:
        try:
            data = await asyncio.to_thread(self._file.read_bytes)
        except OSError as error:
            raise LocalError(
                f"your key could not be read from {self._file} ({error.strerror or error}): put it back, or import it",
                name=_LOCKED,
            ) from error
        return await asyncio.to_thread(Identity.from_pem, data, self._passphrase)

    def _read_note(self) -> tuple[PeerId, Kept] | None:
        try:
            if self._note.stat().st_size > MAX_NOTE:
                raise ValueError("it is far too large")
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return PeerId.parse(str(note["peer_id"])), Kept(note["kept"])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise LocalError(
                f"{self._note} says who this peer is and cannot be read ({error}): remove it to become a new peer",
                name=_WRONG,
            ) from error

    def _write(self, identity: Identity, kept: Kept) -> None:
        """Key first, then the note: what breaks in between leaves the old note with the old key, or none at all."""
        self._directory.mkdir(parents=True, exist_ok=True)
        if kept is Kept.FILE:
            write_private(self._file, identity.to_pem(self._passphrase))
        note = {"schema": 1, "peer_id": str(identity.peer_id), "kept": kept.value}
        write_private(self._note, (json.dumps(note, indent=2) + "\n").encode())
        if kept is Kept.KEYRING:
            self._file.unlink(missing_ok=True)  # an older key, or this one before there was a keyring
