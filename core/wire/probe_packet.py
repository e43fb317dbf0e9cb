"""Probes: datagrams of 23 bytes that open a way between two peers which know a common key, and prove that it is open.

```
 0      2      3          7              15             23
 +------+------+----------+--------------+--------------+
 | c3bf | kind |   tag    |    nonce     |     MAC      |     kind 07 PROBE, 08 ECHO, 09 CONFIRM
 +------+------+----------+--------------+--------------+
```

A PROBE is answered by an ECHO with the same nonce, and that by a CONFIRM; nothing answers a CONFIRM. So each side knows
that its packets arrive there and the other's arrive here, and no packet is answered by a longer one. The tag tells
whose key it is; the MAC is keyed BLAKE2b of kind, sender's role and nonce, so that a packet sent back is no answer.
"""

import hashlib
import hmac
import struct
from enum import IntEnum
from typing import Final, NamedTuple

from core.values import Buffer

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 8
TAG_BYTES: Final = 4
MAC_BYTES: Final = 8  # a forged one passes with 2**-64; a wrong path costs a handshake that TLS then refuses
_MAGIC: Final = b"\xc3\xbf"
_LAYOUT: Final = struct.Struct("!2sB4s8s8s")


class ProbeKind(IntEnum):
    """What a probe says."""

    PROBE = 0x07
    ECHO = 0x08
    CONFIRM = 0x09


class Probe(NamedTuple):
    """One probe, whose MAC was right."""

    kind: ProbeKind
    nonce: bytes


def is_probe(datagram: Buffer) -> bool:
    """Tell probes from everything else on a peer's socket, by length and first bytes. Cheap."""
    return len(datagram) == _LAYOUT.size and datagram[0] == 0xC3 and 0x07 <= datagram[2] <= 0x09


def tag_of(datagram: Buffer) -> bytes:
    """Return the tag of what `is_probe` takes for a probe."""
    return bytes(datagram[3 : 3 + TAG_BYTES])


class ProbeCodec:
    """Writes and reads the probes of one pair. `first`: our role; the other side has the other one."""

    def __init__(self, key: bytes, first: bool) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key is {KEY_BYTES} bytes")
        self.tag = hashlib.blake2b(b"tag", key=key, digest_size=TAG_BYTES).digest()
        self._key = key
        self._ours, self._theirs = (b"\x01", b"\x02") if first else (b"\x02", b"\x01")

    def pack(self, kind: ProbeKind, nonce: bytes) -> bytes:
        """Return a probe of ours."""
        return _LAYOUT.pack(_MAGIC, kind, self.tag, nonce, self._mac(kind, self._ours, nonce))

    def parse(self, datagram: Buffer) -> Probe | None:
        """Return a probe of the other side; None for anything else, forged ones included. Never raises."""
        if not is_probe(datagram):
            return None
        magic, number, tag, nonce, mac = _LAYOUT.unpack(datagram)
        if magic != _MAGIC or tag != self.tag:
            return None
        kind = ProbeKind(number)
        return Probe(kind, nonce) if hmac.compare_digest(mac, self._mac(kind, self._theirs, nonce)) else None

    def _mac(self, kind: ProbeKind, role: bytes, nonce: bytes) -> bytes:
        return hashlib.blake2b(bytes([kind]) + role + nonce, key=self._key, digest_size=MAC_BYTES).digest()
