"""What is passed on by a relay, and the beats of a lane (docs/protocol-additions.md, "Relays and lanes").

     0     1          9          15         23
     +----+----------+----------+----------+-----------------+
     | fb | slot     | counter  | MAC      | a datagram      |    to a relay
     +----+----------+----------+----------+-----------------+
     | fc | slot     | counter  | MAC      | a datagram      |    from a relay: another slot, the rest as it came
     +----+----------+----------+----------+-----------------+
     | fd | id       | counter  | sealed: kind, ...     | tag |    a beat, by any path
     +----+----------+----------+-----------------------+-----+

No first byte begins uTP, a punch, bencode or a datagram of a session. Numbers are big endian. Pure.
"""

import struct
from typing import Final, NamedTuple, TypeAlias

from core.errors import RemoteError
from core.scope import is_six, only_four
from core.values import Address, Buffer
from core.wire.compact import PEER_6_BYTES, PEER_BYTES, pack_peer, pack_peer_6, unpack_peer, unpack_peer_6

TO_RELAY: Final = 0xFB
FROM_RELAY: Final = 0xFC
BEAT: Final = 0xFD
SLOT_BYTES: Final = 8
COUNTER_BYTES: Final = 6
MAC_BYTES: Final = 8
TAG_BYTES: Final = 16  # RFC 8439 section 2.8
SLOT_END: Final = 1 + SLOT_BYTES  # where what a relay does not look at begins
OVERHEAD: Final = SLOT_END + COUNTER_BYTES + MAC_BYTES
BEAT_HEADER: Final = 1 + SLOT_BYTES + COUNTER_BYTES
CANDIDATES_MAX: Final = 8  # addresses in a PING
_PONG_BYTES: Final = 15
_LEAST_BEAT: Final = BEAT_HEADER + _PONG_BYTES + TAG_BYTES
_PING_KIND, _PONG_KIND, _BYE_KIND = 1, 2, 3
_PING: Final = struct.Struct(">BQB")
_PONG: Final = struct.Struct(">BQ")


class Ping(NamedTuple):
    """Asks for a sign of life by this path, and tells where the sender may be reached besides.

    IPv6 candidates come after those of IPv4, where older peers of ours do not look.
    """

    nonce: int  # 64 bits
    candidates: tuple[Address, ...] = ()


class Pong(NamedTuple):
    """Answers a Ping by the same path. `seen`: where it came from by IPv4, None when it came otherwise."""

    nonce: int
    seen: Address | None = None


class Bye(NamedTuple):
    """The sender wants this lane no longer."""


Beat: TypeAlias = Ping | Pong | Bye


def slot_of(datagram: Buffer, first: int) -> bytes | None:
    """Return the slot of a frame with this first byte; None for what is too short or begins otherwise."""
    if len(datagram) <= OVERHEAD or datagram[0] != first:
        return None
    return bytes(datagram[1:SLOT_END])


def passed_on(datagram: Buffer, slot: bytes) -> bytes:
    """Return a frame as the relay sends it to the owner of `slot`: exactly as long."""
    return bytes((FROM_RELAY,)) + slot + bytes(datagram[SLOT_END:])


def pack_frame(slot: bytes, counter: int, mac: bytes, datagram: bytes) -> bytes:
    """Return a frame to a relay."""
    return bytes((TO_RELAY,)) + slot + counter.to_bytes(COUNTER_BYTES, "big") + mac + datagram


def parse_frame(datagram: Buffer) -> tuple[int, bytes, bytes]:
    """Return counter, MAC and datagram of a frame that `slot_of` knows."""
    at = SLOT_END + COUNTER_BYTES
    counter = int.from_bytes(datagram[SLOT_END:at], "big")
    return counter, bytes(datagram[at:OVERHEAD]), bytes(datagram[OVERHEAD:])


def pack_beat_header(lane: bytes, counter: int) -> bytes:
    """Return what goes before the sealed content of a beat."""
    return bytes((BEAT,)) + lane + counter.to_bytes(COUNTER_BYTES, "big")


def parse_beat_header(datagram: Buffer) -> tuple[bytes, int] | None:
    """Return the id and the counter of a beat; None for what is too short or begins otherwise."""
    if len(datagram) < _LEAST_BEAT or datagram[0] != BEAT:
        return None
    return bytes(datagram[1:SLOT_END]), int.from_bytes(datagram[SLOT_END:BEAT_HEADER], "big")


def pack_beat(beat: Beat) -> bytes:
    """Return the content of a beat. A Pong is never longer than the Ping that it answers."""
    if isinstance(beat, Ping):
        four, six = only_four(beat.candidates), [each for each in beat.candidates if is_six(each.host)]
        packed = _PING.pack(_PING_KIND, beat.nonce, len(four)) + b"".join(map(pack_peer, four))
        if six:
            packed += bytes((len(six),)) + b"".join(map(pack_peer_6, six))
    elif isinstance(beat, Pong):
        seen = bytes(PEER_BYTES) if beat.seen is None or is_six(beat.seen.host) else pack_peer(beat.seen)
        packed = _PONG.pack(_PONG_KIND, beat.nonce) + seen
    else:
        packed = bytes((_BYE_KIND,))
    return packed.ljust(_PONG_BYTES, b"\0")


def parse_beat(content: bytes) -> Beat:
    """Return what a beat says. Raises RemoteError for one that is malformed, or of a kind that is not known."""
    kind = content[0] if content else 0
    if kind == _PING_KIND and len(content) >= _PONG_BYTES:
        _, nonce, count = _PING.unpack_from(content)
        end = _PING.size + 6 * count
        if count <= CANDIDATES_MAX and len(content) >= end:
            four = tuple(unpack_peer(content[at : at + 6]) for at in range(_PING.size, end, 6))
            return Ping(nonce, four + _six(content[end:], CANDIDATES_MAX - count))
    elif kind == _PONG_KIND and len(content) == _PONG_BYTES:
        seen = content[_PONG.size :]
        return Pong(_PONG.unpack_from(content)[1], unpack_peer(seen) if any(seen) else None)
    elif kind == _BYE_KIND and len(content) == _PONG_BYTES:
        return Bye()
    raise RemoteError(f"a beat of kind {kind} with {len(content)} bytes")


def _six(content: bytes, most: int) -> tuple[Address, ...]:
    """Return the IPv6 candidates behind the others; the padding of a short beat says that there are none."""
    count = content[0] if content else 0
    if not count:
        return ()
    end = 1 + PEER_6_BYTES * count
    if count > most or len(content) < end:
        raise RemoteError("the IPv6 addresses of a beat cannot be read")
    return tuple(unpack_peer_6(content[at : at + PEER_6_BYTES]) for at in range(1, end, PEER_6_BYTES))
