"""The codec of peer records: what is written is read, and only that."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RemoteError
from core.peer_id import PeerId
from core.values import Address
from core.wire.bencoding import Bencoded, encode
from core.wire.peer_record import MAX_ADDRESSES, MAX_NAME, MAX_SERVICES, MAX_SIX, MAX_TEXT, PeerRecord
from tests.wire.test_bencoding import values

ID = PeerId(bytes(range(32)))
HOME, OUTSIDE = Address("192.168.7.10", 4000), Address("11.0.0.100", 4000)
FIELDS: dict[bytes, Bencoded] = {
    b"a": bytes([192, 168, 7, 10, 15, 160, 11, 0, 0, 100, 15, 160]),
    b"e": 1_700_000_900,
    b"i": 1_700_000_000,
    b"s": [b"echo", b"fibonacci"],
    b"v": 1,
}
RECORD = PeerRecord(ID, ("echo", "fibonacci"), (HOME, OUTSIDE), 1_700_000_000, 1_700_000_900)

hosts = st.integers(1 << 24, (224 << 24) - 1).map(lambda number: ".".join(str(byte) for byte in number.to_bytes(4)))
places = st.lists(st.builds(Address, hosts, st.integers(1, 65535)), max_size=MAX_ADDRESSES + 2)
names = st.lists(st.text(max_size=20), max_size=MAX_SERVICES + 4)


def wrap(fields: Bencoded) -> bytes:
    return base64.urlsafe_b64encode(encode(fields)).rstrip(b"=")


def test_the_bytes_are_these() -> None:
    assert RECORD.value() == wrap(FIELDS)
    assert PeerRecord.read(ID, wrap(FIELDS)) == RECORD


SIX = Address("2001:db8::7", 4000)


def test_ipv6_addresses_stand_beside_the_others_where_older_readers_do_not_look() -> None:
    record = replace(RECORD, addresses=(HOME, OUTSIDE, SIX))
    packed = bytes.fromhex("20010db8000000000000000000000007") + (4000).to_bytes(2)
    assert record.value() == wrap({**FIELDS, b"a6": packed})
    assert PeerRecord.read(ID, record.value()) == record
    told = [SIX, HOME, Address("fd00::7", 1), Address("::1", 1), Address("fe80::1%eth0", 1), Address("ff02::1", 1)]
    fitting = PeerRecord.fitting(ID, ["echo"], told, 0, 900)
    assert fitting.addresses == (HOME, SIX, Address("fd00::7", 1), Address("::1", 1))
    many = [Address(f"2001:db8::{number:x}", 1) for number in range(1, 20)]
    assert len(PeerRecord.fitting(ID, ["echo"], many, 0, 900).addresses) == MAX_SIX


@pytest.mark.parametrize(
    "six",
    [
        b"x", bytes(18), bytes(17), 7, [b"x"],
        bytes.fromhex("ff02000000000000000000000000000100ff"),  # multicast
        bytes.fromhex("fe80000000000000000000000000000100ff"),  # on which link is not said
        bytes.fromhex("00000000000000000000ffffcb00710900ff"),  # IPv4
        bytes.fromhex("20010db80000000000000000000000070000"),  # no port
        bytes.fromhex("20010db8000000000000000000000007000120010db80000000000000000000000070001"),  # twice
        b"".join(bytes.fromhex("20010db800000000000000000000000700") + bytes((port,)) for port in range(1, 6)),
    ],
)  # fmt: skip
def test_ipv6_addresses_that_make_no_sense_are_refused(six: Bencoded) -> None:
    with pytest.raises(RemoteError, match="IPv6"):
        PeerRecord.read(ID, wrap({**FIELDS, b"a6": six}))


@given(names, places, st.integers(0, 1 << 33), st.integers(0, 4000))
def test_whatever_is_offered_fits_and_comes_back(offered: list[str], at: list[Address], issued: int, life: int) -> None:
    record = PeerRecord.fitting(ID, offered, at, issued, issued + life)
    value = record.value()
    assert len(encode(value)) <= 1000
    assert PeerRecord.read(ID, value) == record
    assert set(record.services) <= set(offered)
    assert record.addresses == tuple(dict.fromkeys(at))[:MAX_ADDRESSES]


def test_what_does_not_fit_is_left_out_from_the_end_and_not_more() -> None:
    many = [f"service {number:02} " + "x" * 40 for number in range(32)]
    record = PeerRecord.fitting(ID, many, [HOME] * 3, 1_700_000_000, 1_700_000_900)
    assert record.services == tuple(many[: len(record.services)])
    assert len(record.value()) <= MAX_TEXT < len(record.value()) + len(many[0]) * 4 // 3 + 6
    assert record.addresses == (HOME,)


@given(st.binary(max_size=1100))
def test_any_bytes_are_a_record_or_a_remote_error(data: bytes) -> None:
    for value in (data, base64.urlsafe_b64encode(data).rstrip(b"=")):
        try:
            record = PeerRecord.read(ID, value)
        except RemoteError:
            continue
        assert record.value() == value


@given(st.dictionaries(st.sampled_from([*FIELDS, b"z"]), values, max_size=6))
def test_any_fields_are_a_record_or_a_remote_error(changes: dict[bytes, Bencoded]) -> None:
    try:
        record = PeerRecord.read(ID, wrap({**FIELDS, **changes}))
    except (RemoteError, ValueError):
        return
    assert PeerRecord.read(ID, record.value()) == record


def test_a_field_of_the_future_is_ignored() -> None:
    assert PeerRecord.read(ID, wrap({**FIELDS, b"6": b"an IPv6 address"})) == RECORD


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({b"v": 2}, "version 2"),
        ({b"v": b"1"}, "version"),
        ({b"i": -1}, "times"),
        ({b"i": b"now"}, "times"),
        ({b"e": 1 << 41}, "times"),
        ({b"e": 1_699_999_999}, "expires after"),
        ({b"s": [b"fibonacci", b"echo"]}, "in order"),
        ({b"s": [b"echo", b"echo"]}, "each once"),
        ({b"s": b"echo"}, "up to 32"),
        ({b"s": [b"%03d" % number for number in range(MAX_SERVICES + 1)]}, "up to 32"),
        ({b"s": [b""]}, "name"),
        ({b"s": [b"x" * (MAX_NAME + 1)]}, "name"),
        ({b"s": [b"\xff"]}, "name"),
        ({b"s": [b"a\nb"]}, "printable"),
        ({b"s": ["\u202eevil".encode()]}, "printable"),
        ({b"a": b"12345"}, "6 bytes"),
        ({b"a": [b"123456"]}, "6 bytes"),
        ({b"a": bytes([11, 0, 0, 1, 0, 7]) * 2}, "each once"),
        ({b"a": bytes([11, 0, 0, 1, 0, 0])}, "with a port"),
        ({b"a": bytes([0, 0, 0, 0, 0, 7])}, "unicast"),
        ({b"a": bytes([224, 0, 0, 1, 0, 7])}, "unicast"),
        ({b"a": bytes([255, 255, 255, 255, 0, 7])}, "unicast"),
        ({b"a": b"".join(bytes([11, 0, 0, 1, 1, n]) for n in range(MAX_ADDRESSES + 1))}, "up to 8"),
    ],
)
def test_what_is_refused(changes: dict[bytes, Bencoded], said: str) -> None:
    with pytest.raises(RemoteError, match=said):
        PeerRecord.read(ID, wrap({**FIELDS, **changes}))


@pytest.mark.parametrize("left_out", sorted(FIELDS))
def test_every_field_is_needed(left_out: bytes) -> None:
    with pytest.raises(RemoteError):
        PeerRecord.read(ID, wrap({key: value for key, value in FIELDS.items() if key != left_out}))


def test_there_is_one_way_to_write_a_record() -> None:
    value = wrap({b"a": b"", b"e": 10, b"i": 8, b"s": [], b"v": 1})
    assert PeerRecord.read(ID, value).services == ()
    padded = value + b"=" * (-len(value) % 4)
    last = bytes([value[-1] + 1])  # the bits beyond the last byte
    assert padded != value
    for other in (padded, value[:-1] + last, b" " + value, value + b"\n", value[:20] + b"+" + value[21:]):
        with pytest.raises(RemoteError):
            PeerRecord.read(ID, other)


def test_what_nobody_would_read_is_not_written() -> None:
    for wrong in (
        replace(RECORD, services=("fibonacci", "echo")),
        replace(RECORD, services=tuple(f"service {number:02} " + "x" * 40 for number in range(32))),
        replace(RECORD, expires=RECORD.issued - 1),
        replace(RECORD, addresses=(Address("a.name", 1),)),
        replace(RECORD, addresses=(HOME, HOME)),
    ):
        with pytest.raises(ValueError, match=r"record|address|bytes"):
            wrong.value()


def test_what_cannot_be_said_is_left_out() -> None:
    offered = ["echo", "", "x" * 65, "a\nb", "echo", "\ud800"]
    at = [HOME, Address("0.0.0.0", 1), Address("localhost", 5), Address("10.0.0.1", 0), HOME, OUTSIDE]
    record = PeerRecord.fitting(ID, offered, at, 1, 2)
    assert (record.services, record.addresses) == (("echo",), (HOME, OUTSIDE))
