"""Invariant: whatever extensions a packet carries, reading marks and probes raises nothing and invents nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RemoteError
from core.wire.utp_marks import ALL_MARKS, parse_marks
from core.wire.utp_packet import EXTENSION_BITS, HEADER_BYTES, Packet, PacketType, parse
from core.wire.utp_probe import PATH_ANSWER, PATH_PROBE, datagram_bytes, pack_probe, parse_probe

EXTENSIONS = st.lists(st.tuples(st.integers(2, 255), st.binary(max_size=20)), max_size=8)


def packet(extensions: list[tuple[int, bytes]], payload: bytes = b"") -> Packet:
    """Return a STATE with extensions."""
    return Packet(PacketType.STATE, 1, 2, 3, 4, 5, 6, b"", payload, extensions=tuple(extensions))


@settings(max_examples=80, deadline=None)
@given(EXTENSIONS, st.binary(max_size=40))
def test_extensions_come_back_and_read_without_error(extensions: list[tuple[int, bytes]], payload: bytes) -> None:
    sent = packet(extensions, payload)
    heard = parse(bytes(sent))
    assert (heard.payload, datagram_bytes(heard)) == (payload, len(bytes(sent)))
    assert parse_marks(heard.extension(EXTENSION_BITS)) & ~ALL_MARKS == 0
    for kind in (PATH_PROBE, PATH_ANSWER):
        probe = parse_probe(heard, kind)
        assert probe is None or bytes(pack_probe(kind, probe)[1]) in dict(extensions).values() or len(extensions) > 1


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=0, max_size=80), st.sampled_from((1, 2, EXTENSION_BITS, PATH_PROBE, PATH_ANSWER)))
def test_a_chain_of_noise_is_read_or_refused(noise: bytes, first: int) -> None:
    header = bytes(packet([]))[:HEADER_BYTES]
    datagram = bytes((header[0], first)) + header[2:] + noise
    try:
        heard = parse(datagram)
    except RemoteError:
        return
    assert datagram_bytes(heard) <= len(datagram)
    assert parse_marks(heard.extension(EXTENSION_BITS)) & ~ALL_MARKS == 0
    for kind in (PATH_PROBE, PATH_ANSWER):
        probe = parse_probe(heard, kind)
        assert probe is None or pack_probe(kind, probe)[1] in noise
