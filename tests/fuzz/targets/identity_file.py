"""A note, or a file with a key: what it says, which is written and read again the same, or ValueError or LocalError.
Nobody's key is ever made up of what is damaged, and no sentence shows what is in the file.
"""

from core.errors import LocalError
from core.identity.identity import Identity
from core.identity.note import Kept, Note, Place
from tests.fuzz.inputs import Input

WATCHED = ["core.identity"]
_WHO = Identity.from_secret(bytes(range(32)))
_NOW = Place(_WHO.peer_id, Kept.KEYRING)
SEEDS = [
    b"\0" + Note(_NOW).dump(),
    b"\0" + Note(_NOW, Place(_WHO.peer_id, Kept.FILE)).dump(),
    b'\0{"peer_id": "AAAA", "kept": []}',
    b"\1" + _WHO.to_pem(None),
    b"\2" + _WHO.to_pem("a passphrase"),
    b"\2-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
]
MAX_INPUT = 1000


def run(data: bytes) -> None:
    source = Input(data)
    kind = source.byte() % 4
    text = source.rest()
    if kind == 0:
        note(text)
    else:
        key(text, {1: None, 2: "a passphrase", 3: "another"}[kind])


def note(text: bytes) -> None:
    """Read a note."""
    try:
        found = Note.load(text)
    except ValueError as error:
        if not 0 < len(str(error)) < 300:
            raise AssertionError("no sentence") from error
        return
    if Note.load(found.dump()) != found:
        raise AssertionError(f"{found} is not what it reads back as")


def key(text: bytes, passphrase: str | None) -> None:
    """Read a key."""
    try:
        found = Identity.from_pem(text, passphrase)
    except LocalError as error:
        if error.name not in ("ERR_IDENTITY", "ERR_PASSPHRASE") or len(str(error)) > 200:
            raise
        return
    if Identity.from_pem(found.to_pem(None), None).peer_id != found.peer_id:
        raise AssertionError("another key")
