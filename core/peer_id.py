"""A Peer ID as people write it: base32 with check characters, in groups that can be read over the telephone.

The ID is the raw Ed25519 public key itself, not a hash of it: anyone with the ID can look up the peer's signed record
(BEP 44 finds it by the key) and verify both the record and an encrypted connection, with nothing else to ask for.

Each 13 characters of the key are followed by one check character (Luhn modulo 32, which finds every single wrong
character and every swap of neighbours but one pair); the 56 characters stand in 8 groups of 7.
"""

import base64
import re
from typing import Final

from core.frozen import dataclass

KEY_BYTES: Final = 32  # an Ed25519 public key (RFC 8032 section 5.1.5)
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648 section 6
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_CHECKED: Final = 13  # characters that one check character covers; 52 of a key are four times as many
_GROUP: Final = 7  # characters; two groups are one checked part
_LENGTH: Final = 56  # characters without separators
_FINGERPRINT: Final = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31}")  # as openssl and Node write it
_MAX_TEXT: Final = 200  # characters looked at; an ID with spaces everywhere has 112
_LOOK_ALIKES: Final = str.maketrans("018", "OIB", " -\t\r\n")  # base32 has none of the digits, and nobody means them


@dataclass(frozen=True, slots=True)
class PeerId:
    """The public key of a peer; `str` is what people copy, `parse` reads it back."""

    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"a Peer ID is a key of {KEY_BYTES} bytes, not {len(self.key)}")

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, PeerId) and self.key == other.key)

    def __hash__(self) -> int:  # of our own: a dataclass would make a tuple each time, and four are asked for a request
        return hash(self.key)

    def __str__(self) -> str:
        bare = base64.b32encode(self.key).decode().rstrip("=")
        parts = [bare[at : at + _CHECKED] for at in range(0, len(bare), _CHECKED)]
        whole = "".join(part + _check(part) for part in parts)
        return "-".join(whole[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP))

    @property
    def short(self) -> str:
        """The first group: enough to tell peers apart in a table, never to trust one."""
        return str(self)[:_GROUP]

    @classmethod
    def parse(cls, text: str) -> "PeerId":
        """Read an ID; case, spaces, dashes and the digits 0, 1, 8 for O, I, B are forgiven.

        A SHA-256 fingerprint of a certificate, in hex with colons, is an ID too: of the peer with that certificate.
        Raises ValueError that says what is wrong, and where.
        """
        if _FINGERPRINT.fullmatch(text.strip()):
            return cls(bytes.fromhex(text.strip().replace(":", "")))
        bare = text[:_MAX_TEXT].upper().translate(_LOOK_ALIKES)
        strange = next((character for character in bare if character not in _VALUES), None)
        if strange is not None:
            raise ValueError(f"a Peer ID has letters and the digits 2 to 7 only, not {strange!r}")
        if len(bare) != _LENGTH or len(text) > _MAX_TEXT:
            raise ValueError(f"a Peer ID has {_LENGTH} letters and digits; this has {len(bare)}: copy it whole")
        key = ""
        for at in range(0, _LENGTH, _CHECKED + 1):
            part, check = bare[at : at + _CHECKED], bare[at + _CHECKED]
            if _check(part) != check:
                first, second = bare[at : at + _GROUP], bare[at + _GROUP : at + 2 * _GROUP]
                raise ValueError(f"this Peer ID is mistyped in {first}-{second}: compare it with the original")
            key += part
        found = cls(base64.b32decode(key + "=" * (-len(key) % 8)))
        if str(found).replace("-", "") != bare:  # the last character carries four bits that must be 0
            raise ValueError(f"this Peer ID is mistyped in its last group, {bare[-_GROUP:]}")
        return found


def looks_like_id(text: str) -> bool:
    """Tell whether a person who wrote this meant a Peer ID, right or mistyped, and no service name nor host:port."""
    if _FINGERPRINT.fullmatch(text.strip()):
        return True
    bare = text[:_MAX_TEXT].upper().translate(_LOOK_ALIKES)
    return len(bare) >= _LENGTH - _GROUP and all(character in _VALUES for character in bare)


def _check(part: str) -> str:
    """Return the Luhn check character modulo 32: every second value is doubled, from the right."""
    total, double = 0, True
    for character in reversed(part):
        value = _VALUES[character] * (2 if double else 1)
        total += value // len(_ALPHABET) + value % len(_ALPHABET)
        double = not double
    return _ALPHABET[-total % len(_ALPHABET)]
