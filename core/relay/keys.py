"""The keys of one link of two peers through one relay: what the relay changes or repeats is noticed.

Made of the pair's secret, which both have of their identity keys, and a salt of each side, so that nothing from an
earlier link is taken. Sealing is ChaCha20-Poly1305 (RFC 8439), authentication keyed BLAKE2b (RFC 7693).
"""

import hashlib
import hmac
from typing import Final

from core.datagrams.replay import ReplayWindow
from core.values import Buffer
from core.wire.relay_packet import (
    BEAT_HEADER,
    COUNTER_BYTES,
    MAC_BYTES,
    SLOT_BYTES,
    pack_beat_header,
    pack_frame,
    parse_frame,
)

SALT_BYTES: Final = 16
PURPOSE: Final = b"lane"  # of the secret
_PAD: Final = bytes(6)  # a nonce has 12 bytes, a counter 6


def _derive(master: bytes, what: bytes, size: int = 32) -> bytes:
    return hashlib.blake2b(what, key=master, digest_size=size).digest()


class LinkKeys:
    """What one side seals and opens. `first`: our key is the lesser of the two."""

    def __init__(self, secret: bytes, caller_salt: bytes, called_salt: bytes, *, first: bool) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        master = hashlib.blake2b(b"lane" + caller_salt + called_salt, key=secret, digest_size=32).digest()
        ours, theirs = (b"1", b"2") if first else (b"2", b"1")
        self.id = _derive(master, b"id" + ours, SLOT_BYTES)  # in the beats that we send
        self.their_id = _derive(master, b"id" + theirs, SLOT_BYTES)
        self._frame_out, self._frame_in = _derive(master, b"frame" + ours), _derive(master, b"frame" + theirs)
        self._out = ChaCha20Poly1305(_derive(master, b"beat" + ours))
        self._in = ChaCha20Poly1305(_derive(master, b"beat" + theirs))
        self._frames = self._beats = 0
        self._frames_seen, self._beats_seen = ReplayWindow(), ReplayWindow()

    def frame(self, slot: bytes, datagram: bytes) -> bytes:
        """Return a datagram as it leaves for the relay."""
        counter = self._frames
        self._frames = counter + 1
        mac = _mac(self._frame_out, counter, datagram)
        return pack_frame(slot, counter, mac, datagram)

    def unframe(self, frame: Buffer) -> bytes | None:
        """Return the datagram of a frame that came from the relay; None for one that was changed, or came before."""
        counter, mac, datagram = parse_frame(frame)
        if not self._frames_seen.fresh(counter) or not hmac.compare_digest(
            mac, _mac(self._frame_in, counter, datagram)
        ):
            return None
        self._frames_seen.take(counter)
        return datagram

    def seal(self, content: bytes) -> bytes:
        """Return a beat."""
        counter = self._beats
        self._beats = counter + 1
        header = pack_beat_header(self.id, counter)
        return header + self._out.encrypt(_PAD + counter.to_bytes(COUNTER_BYTES, "big"), content, header)

    def open(self, counter: int, datagram: bytes) -> bytes | None:
        """Return the content of a beat; None for one that is forged, or came before."""
        from cryptography.exceptions import InvalidTag

        if not self._beats_seen.fresh(counter):
            return None
        nonce = _PAD + counter.to_bytes(COUNTER_BYTES, "big")
        try:
            content = self._in.decrypt(nonce, datagram[BEAT_HEADER:], datagram[:BEAT_HEADER])
        except InvalidTag:
            return None
        self._beats_seen.take(counter)
        return content


def _mac(key: bytes, counter: int, datagram: bytes) -> bytes:
    made = hashlib.blake2b(counter.to_bytes(COUNTER_BYTES, "big"), key=key, digest_size=MAC_BYTES)
    made.update(datagram)
    return made.digest()
