"""The uTP codec: packets of libutp, round trips, and lies about lengths."""

from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RemoteError
from core.wire.utp_packet import HEADER_BYTES, Packet, PacketType, is_utp, pack_header, parse, seq_add, seq_diff

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
MASKS = st.integers(0, 63).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words))
CHAINS = st.lists(st.tuples(st.integers(2, 255), st.binary(max_size=255)), max_size=15).map(tuple)
PACKETS = st.builds(
    Packet, st.sampled_from(PacketType), U16, U32, U32, U32, U16, U16, MASKS, st.binary(max_size=1400), CHAINS
)

# as libutp sent them: /shared/wire/punch-and-request.pcap, datagrams 3 to 7
LIBUTP = [
    ("410045674473164b000000000010000023c60000", PacketType.SYN, 0x4567, 0x23C6, 0x0000, 0),
    ("21004567447318480000000000100000456723c6", PacketType.STATE, 0x4567, 0x4567, 0x23C6, 0),
    ("01004568447323380000071e0010000023c745665b225d", PacketType.DATA, 0x4568, 0x23C7, 0x4566, 3),
    ("2100456844732dab000000290010000023c84567", PacketType.STATE, 0x4568, 0x23C8, 0x4567, 0),
]


@pytest.mark.parametrize(("text", "kind", "connection_id", "seq", "ack", "size"), LIBUTP)
def test_reads_what_libutp_sent(text: str, kind: PacketType, connection_id: int, seq: int, ack: int, size: int) -> None:
    packet = parse(bytes.fromhex(text))
    assert (packet.type, packet.connection_id, packet.seq, packet.ack) == (kind, connection_id, seq, ack)
    assert packet.window == 1024 * 1024
    assert len(packet.payload) == size
    assert bytes(packet).hex() == text


@given(PACKETS)
def test_parse_inverts_bytes(packet: Packet) -> None:
    datagram = bytes(packet)
    assert parse(datagram) == packet
    assert parse(memoryview(bytearray(datagram))) == packet
    assert is_utp(datagram)


@given(PACKETS)
def test_the_short_header_is_the_same(packet: Packet) -> None:
    plain = replace(packet, selective_ack=b"", payload=b"", extensions=())
    assert pack_header(*astuple(plain)[:7]) == bytes(plain)


@given(st.binary(max_size=80))
def test_any_bytes_give_a_packet_or_a_remote_error(data: bytes) -> None:
    try:
        packet = parse(data)
    except RemoteError:
        return
    assert is_utp(data)
    assert data.endswith(packet.payload)
    assert len(packet.selective_ack) % 4 == 0


def header(extension: int, first: int = 0x21) -> bytes:
    """Return a STATE header that announces an extension."""
    return bytes((first, extension)) + bytes(HEADER_BYTES - 2)


def test_other_extensions_stay_as_they_came() -> None:
    chain = bytes((9, 8)) + bytes(8) + bytes((1, 3)) + b"abc" + bytes((0, 4)) + b"\x05\x00\x00\x80" + b"payload"
    packet = parse(header(2) + chain)
    assert packet.selective_ack == b"\x05\x00\x00\x80"
    assert packet.payload == b"payload"
    assert packet.extensions == ((2, bytes(8)), (9, b"abc"))
    assert packet.extension(9) == b"abc"
    assert packet.extension(7) == b""


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(header(0)[:-1], id="short header"),
        pytest.param(header(0, first=0x22), id="version 2"),
        pytest.param(header(0, first=0x51), id="type 5"),
        pytest.param(header(1), id="chain past the end"),
        pytest.param(header(1) + b"\x00", id="half an extension"),
        pytest.param(header(1) + b"\x00\x08" + bytes(7), id="length past the end"),
        pytest.param(header(7) + b"\x07\xff" + bytes(254), id="unknown length past the end"),
        pytest.param(header(1) + b"\x00\x00", id="empty mask"),
        pytest.param(header(1) + b"\x00\x03abc", id="mask of 3 bytes"),
        pytest.param(header(7) + b"\x07\x00" * 100, id="endless chain"),
        pytest.param(b"\xc3\xbf", id="a punch"),
    ],
)
def test_lies_are_refused(datagram: bytes) -> None:
    with pytest.raises(RemoteError):
        parse(datagram)


@pytest.mark.parametrize("data", [b"\xc3\xbf", b"\xc3\xbf\x06", b"d1:y1:qe" + bytes(40), header(0)[:19], b""])
def test_other_protocols_are_not_taken_for_utp(data: bytes) -> None:
    assert not is_utp(data)


@given(U16, st.integers(-32768, 32767))
def test_seq_diff_inverts_addition(seq: int, step: int) -> None:
    assert 0 <= seq_add(seq, step) <= 0xFFFF
    assert seq_diff(seq_add(seq, step), seq) == step


def test_serial_order_at_the_wrap() -> None:
    assert seq_diff(2, 0xFFFE) == 4
    assert seq_diff(0xFFFE, 2) == -4
