"""Datagrams changed on the way, and datagrams that nobody sent.

uTP has no checksum: UDP's protects a packet on the wire. So what is promised without it is this. A datagram whose
header contradicts itself or the connection (version, type, extension chain, an id of nobody, numbers out of reach) is
dropped and counted. Timestamps and windows may say anything, and cost speed only. A changed sequence number, type or
payload that could be true cannot be told from a true one: it may break the connection, with a PeerError and within its
time-outs, but never the mux, its bounds, or another connection.
"""

from random import Random

from core.wire.utp_packet import HEADER_BYTES

_TIMES_AND_WINDOW = range(4, 16)  # bytes of the header: timestamp, timestamp difference, window


def harmless(datagram: bytes, random: Random) -> bytes:
    """Return a datagram that must be dropped, or whose change must cost speed only."""
    data = bytearray(datagram)
    kind = random.randrange(5)
    if kind == 0:
        return bytes(data[: random.randrange(HEADER_BYTES)])  # too short for any header
    if kind == 1:
        data[0] = data[0] & 0xF0 | random.choice([version for version in range(16) if version != 1])
    elif kind == 2:
        data[0] = data[0] & 0x0F | random.randrange(5, 16) << 4
    elif kind == 3:
        data[1:] = bytes((1,)) + data[2:HEADER_BYTES] + bytes((1, 200)) * 40  # an extension that lies about its length
    else:
        data[random.choice(_TIMES_AND_WINDOW)] ^= 1 << random.randrange(8)
    return bytes(data)


def anything(datagram: bytes, random: Random) -> bytes:
    """Return a datagram with bits flipped, cut short, or grown."""
    data = bytearray(datagram)
    for _ in range(random.choice((1, 1, 1, 8))):
        kind = random.randrange(6)
        if kind == 0:
            del data[random.randrange(len(data) + 1) :]
        elif kind == 1:
            data += random.randbytes(random.randint(1, 60))
        elif data:
            data[random.randrange(min(len(data), HEADER_BYTES if kind < 5 else len(data)))] ^= 1 << random.randrange(8)
    return bytes(data)


def garbage(random: Random) -> bytes:
    """Return noise, half of it with the first byte of a uTP packet; ids and numbers are guesses."""
    noise = random.randbytes(random.choice((0, 1, 19, 20, 21, 60, 300)))
    if random.random() < 0.5:
        return noise
    return bytes((random.randrange(5) << 4 | 1, random.choice((0, 0, 1, 2)))) + noise
