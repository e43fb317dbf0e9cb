"""The control datagrams: exactly these bytes, and nothing else, in any kind of buffer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.values import Buffer
from core.wire.punch_packet import PunchPacket, parse


def test_the_punch_is_y_with_diaeresis_in_utf8() -> None:
    assert PunchPacket.PUNCH.value == "\u00ff".encode() == bytes.fromhex("c3bf")


def test_the_ack_is_no_utp_packet_and_no_punch() -> None:
    ack = PunchPacket.ACK.value
    assert ack == bytes.fromhex("c3bf06")
    assert ack[0] & 0x0F != 1  # the uTP version nibble: PROTOCOL section 4


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("packet", list(PunchPacket))
def test_each_packet_is_recognised_in_any_buffer(packet: PunchPacket, kind: type[Buffer]) -> None:
    assert parse(kind(packet.value)) is packet


@given(st.binary(max_size=40))
def test_nothing_else_is(datagram: bytes) -> None:
    known = {packet.value for packet in PunchPacket}
    assert (parse(datagram) is not None) == (datagram in known)


@pytest.mark.parametrize(
    "datagram", [b"", b"\xc3", b"\xbf\xc3", b"\xc3\xbf\x07", b"\xc3\xbf\x06\x00", b"\xc3\xbf\xc3\xbf"]
)
def test_near_misses_are_not(datagram: bytes) -> None:
    assert parse(datagram) is None
