"""The link of an invitation, `grapevine:i/...`: 99 characters that hold who invites, and a secret.

Base32 (RFC 4648, lower case) of: version, a byte without a meaning yet (0, ignored), the inviter's key (32 bytes), the
secret (16), bytes that a later version may add (32 at most, ignored here), and a checksum (4). Base32 since messengers
take `_` and `*` for markup and some change the case; in capitals the whole link is in a QR code's short alphabet. It
says neither an address nor a way: the joiner tries all ways that there are. Pure.
"""

import base64
import binascii
import hashlib
from dataclasses import field
from typing import Final

from core.errors import LocalError
from core.frozen import frozen
from core.peer_id import KEY_BYTES, PeerId

SCHEME: Final = "grapevine:i/"
VERSION: Final = 1
SECRET_BYTES: Final = 16  # 128 bits: nobody guesses it, however often it is tried
LINK_MAX: Final = 150  # characters; a QR code of 49 by 49 modules
_CHECK_BYTES: Final = 4  # of SHA-256: one cut or mistyped link in 4 billion passes
_EXTRA_MAX: Final = 32  # bytes that a later version may add
_SHORTEST: Final = 2 + KEY_BYTES + SECRET_BYTES + _CHECK_BYTES
_LONGEST: Final = _SHORTEST + _EXTRA_MAX
LOOKED_AT: Final = 2000  # characters of what somebody pasted, such as a message with a link in it; more is none
_ALPHABET: Final = frozenset("abcdefghijklmnopqrstuvwxyz234567")


class LinkError(LocalError):
    """What was given is no link that can be opened; the sentence says what to do."""

    name = "ERR_LINK"


class ForeignLink(LinkError):
    """It is something else."""

    name = "ERR_LINK_FOREIGN"


class LinkCut(LinkError):
    """A part is missing, or a character is wrong."""

    name = "ERR_LINK_CUT"


class LinkDoubled(LinkError):
    """There is more than one link in it."""

    name = "ERR_LINK_DOUBLED"


class LinkVersion(LinkError):
    """A later Grapevine made it."""

    name = "ERR_LINK_VERSION"


@frozen
class Link:
    """What a link says. The secret is shown nowhere but in the link itself."""

    peer_id: PeerId
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != SECRET_BYTES:
            raise ValueError(f"the secret of an invitation has {SECRET_BYTES} bytes, not {len(self.secret)}")

    def __str__(self) -> str:
        body = bytes([VERSION, 0]) + self.peer_id.key + self.secret
        return SCHEME + _encode(body + _check(body))


def parse(text: str) -> Link:
    """Read a link that somebody pasted, also with the message that it came in; space and capitals are forgiven.

    Raises LinkError of a class and name for what is wrong: ForeignLink, LinkCut, LinkDoubled, LinkVersion.
    """
    if len(text) > LOOKED_AT:
        raise ForeignLink(
            f"an invitation has at most {LINK_MAX} characters, and this has {len(text):,}: paste the link only"
        )
    bare = _alone(text)
    data = _decode(bare.removeprefix(SCHEME))
    if len(bare) > LINK_MAX and data[:1] == bytes([VERSION]):
        raise LinkCut(f"this link has {len(bare)} characters, more than {LINK_MAX}: copy the link only")
    if data[:1] > bytes([VERSION]) and data[-_CHECK_BYTES:] == _check(data[:-_CHECK_BYTES]):
        raise LinkVersion("a later version of Grapevine made this link: update Grapevine to open it")
    if not _SHORTEST <= len(data) <= _LONGEST or data[-_CHECK_BYTES:] != _check(data[:-_CHECK_BYTES]):
        raise LinkCut("a part of this link is missing, or a character is wrong: copy the whole link again")
    if data[0] != VERSION:
        raise LinkVersion(f"no Grapevine makes links of version {data[0]}: ask for another link")
    key, secret = data[2 : 2 + KEY_BYTES], data[2 + KEY_BYTES : 2 + KEY_BYTES + SECRET_BYTES]
    return Link(PeerId(key), secret)


def _alone(text: str) -> str:
    """Return the link without what stands around it. Raises ForeignLink, LinkDoubled."""
    said = text.casefold()
    if said.count(SCHEME) > 1:
        raise LinkDoubled("there are two links in this: paste one of them")
    before, scheme, after = said.partition(SCHEME)
    if not scheme:
        raise ForeignLink(f"this is no invitation: one begins with {SCHEME}")
    if before.strip("<>\"' \t\r\n"):  # it stands in a message: it ends where the word ends
        after = after.split(maxsplit=1)[0] if after.strip() else ""
        after = after.rstrip(".,;:!?)>\"'")
    return scheme + "".join(after.split()).strip("<>\"'")


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"grapevine invitation link" + body).digest()[:_CHECK_BYTES]


def _encode(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _decode(text: str) -> bytes:
    strange = next((each for each in text if each not in _ALPHABET), None)
    if strange is not None:
        raise LinkCut(f"a link has letters and the digits 2 to 7 only, not {strange!r}: copy the whole link again")
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except binascii.Error:
        raise LinkCut("a part of this link is missing: copy the whole link again") from None
    if _encode(data) != text:
        raise LinkCut("the last character of this link is wrong: copy the whole link again")
    return data
