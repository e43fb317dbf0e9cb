"""The keys and session ids of datagrams, from the TLS session that they stand beside (RFC 8446 section 7.5, RFC 5705).

Each direction has its own, so that a datagram sent back to who sent it is nobody's.
"""

from typing import Final, NamedTuple

from core.wire.datagram_packet import ID_BYTES

LABEL: Final = b"EXPORTER-grapevine-datagrams-1"  # RFC 5705 section 4: private labels begin with EXPORTER
KEY_BYTES: Final = 32  # ChaCha20-Poly1305, RFC 8439
EXPORTED_BYTES: Final = 2 * (KEY_BYTES + ID_BYTES)


class DirectionKeys(NamedTuple):
    """Of the datagrams that one side sends."""

    key: bytes
    session: bytes


class DatagramKeys(NamedTuple):
    """Both directions, as one side sees them."""

    send: DirectionKeys
    receive: DirectionKeys

    def __repr__(self) -> str:
        return "DatagramKeys(...)"  # secrets are for no log


def split_keys(exported: bytes, *, initiator: bool) -> DatagramKeys:
    """Return the keys: first what the side that connected sends with. Raises ValueError for another length."""
    if len(exported) != EXPORTED_BYTES:
        raise ValueError(f"{EXPORTED_BYTES} bytes are exported, not {len(exported)}")
    half = EXPORTED_BYTES // 2
    connected, accepted = (
        DirectionKeys(part[:KEY_BYTES], part[KEY_BYTES:]) for part in (exported[:half], exported[half:])
    )
    return DatagramKeys(connected, accepted) if initiator else DatagramKeys(accepted, connected)
