"""Asking a peer of ours where it sees us, on its very socket, and its answer: 20 bytes each, so nothing is amplified.

```
 0      2      3      4             12     16     18     20
 +------+------+------+-------------+------+------+------+
 | c3bf | kind | from |    nonce    | host | port | also |      kind 0e: question (the rest is 0), 0f: answer
 +------+------+------+-------------+------+------+------+
```

`from` 1 in a question asks for the answer to come from another port of the same host. In an answer it says that it
does. `also` is that other port, which may be asked too; 0: there is none. In a question `also` is a port of the asker's
host where it wants the answer; 0: where it asked from. So a socket that was silent learns whether its router still
lets anybody through to it. Who does not know this does not answer. Plain Grenache peers drop both: they are
neither exactly a punch (`c3 bf`) nor uTP.
"""

import struct
from typing import Final

from core.frozen import dataclass
from core.scope import usable
from core.values import Address, Buffer
from core.wire.compact import pack_peer, unpack_peer

NONCE_BYTES: Final = 8
_MAGIC: Final = b"\xc3\xbf"
_QUESTION: Final = 0x0E
_ANSWER: Final = 0x0F
_NOWHERE: Final = bytes(6)
_LEAST_PORT: Final = 1024  # no answer goes to a well-known port that did not ask
_LAYOUT: Final = struct.Struct("!2sBB8s6sH")


@dataclass(frozen=True, slots=True)
class Question:
    """`other`: answer from another port. `port`: answer there, at the host that asks; 0: at the port that asks."""

    nonce: bytes
    other: bool = False
    port: int = 0

    def __bytes__(self) -> bytes:
        return _LAYOUT.pack(_MAGIC, _QUESTION, self.other, self.nonce, _NOWHERE, self.port)


@dataclass(frozen=True, slots=True)
class Answer:
    """`seen`: the source of the question as the reflector saw it."""

    nonce: bytes
    seen: Address
    other: bool = False
    also: int = 0

    def __bytes__(self) -> bytes:
        return _LAYOUT.pack(_MAGIC, _ANSWER, self.other, self.nonce, pack_peer(self.seen), self.also)


def is_reflection(datagram: Buffer) -> bool:
    """Tell these from everything else on a peer's socket, by length and first bytes. Cheap."""
    return len(datagram) == _LAYOUT.size and datagram[0] == 0xC3 and datagram[2] in (_QUESTION, _ANSWER)


def parse(datagram: Buffer) -> Question | Answer | None:
    """Return what a datagram says, or None when it is neither. Never raises."""
    if len(datagram) != _LAYOUT.size:
        return None
    magic, kind, other, nonce, where, also = _LAYOUT.unpack(datagram)
    if magic != _MAGIC or other > 1:
        return None
    if kind == _QUESTION:
        lawful = where == _NOWHERE and (not also or (also >= _LEAST_PORT and not other))
        return Question(nonce, bool(other), also) if lawful else None
    seen = unpack_peer(where)
    return Answer(nonce, seen, bool(other), also) if kind == _ANSWER and usable(seen) else None
