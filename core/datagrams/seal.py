"""Sealing and opening: ChaCha20-Poly1305 (RFC 8439), which boards without AES in their processor are quick at too.

The counter is the nonce, and never repeats under a key. What does not open is dropped and counted, never answered.
"""

from typing import TYPE_CHECKING, Final

from core.datagrams.replay import ReplayWindow
from core.wire.datagram_keys import DirectionKeys
from core.wire.datagram_packet import COUNTERS, HEADER_BYTES, pack_header

if TYPE_CHECKING:  # 7 MB, that a peer without a session does not load
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

FORGERIES: Final = 1 << 36  # under one key; then it is used no longer (RFC 9001 section 6.6)
_PAD: Final = bytes(4)  # a nonce has 12 bytes, a counter 8


def _cipher(key: bytes) -> "ChaCha20Poly1305":
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key)


class Sealer:
    """What one side sends. `spent`: the counters are used up."""

    __slots__ = ("_aead", "_session", "counter")

    def __init__(self, keys: DirectionKeys) -> None:
        self._aead = _cipher(keys.key)
        self._session = keys.session
        self.counter = 0

    @property
    def spent(self) -> bool:
        """Whether nothing more can be sealed."""
        return self.counter >= COUNTERS

    def seal(self, content: bytes) -> bytes:
        """Return the datagram. Raises struct.error once `spent`."""
        counter = self.counter
        header = pack_header(self._session, counter)
        self.counter = counter + 1
        return header + self._aead.encrypt(_PAD + counter.to_bytes(8, "big"), content, header)


class Opener:
    """What the other side sends."""

    __slots__ = ("_aead", "forged", "window")

    def __init__(self, keys: DirectionKeys) -> None:
        self._aead = _cipher(keys.key)
        self.window = ReplayWindow()
        self.forged = 0

    def open(self, counter: int, datagram: bytes) -> bytes | None:
        """Return the content; None for what is not sealed with this key. The counter is taken only then."""
        if self.forged >= FORGERIES:
            return None
        nonce = _PAD + counter.to_bytes(8, "big")
        try:
            content = self._aead.decrypt(nonce, datagram[HEADER_BYTES:], datagram[:HEADER_BYTES])
        except Exception as failure:
            from cryptography.exceptions import InvalidTag

            if not isinstance(failure, InvalidTag):
                raise
            self.forged += 1
            return None
        self.window.take(counter)
        return content
