"""core.wire.compact: 6-byte peers and 26-byte nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RemoteError
from core.values import Address
from core.wire.bencoding import Bencoded
from core.wire.compact import Contact, pack_nodes, pack_peer, unpack_nodes, unpack_peer, unpack_peers

addresses = st.builds(Address, st.ip_addresses(v=4).map(str), st.integers(0, 65535))
contacts = st.builds(Contact, st.binary(min_size=20, max_size=20), addresses)


@given(addresses)
def test_unpack_peer_inverts_pack_peer(address: Address) -> None:
    assert unpack_peer(pack_peer(address)) == address


@given(st.lists(contacts, max_size=25))
def test_unpack_nodes_inverts_pack_nodes(nodes: list[Contact]) -> None:
    assert unpack_nodes(pack_nodes(nodes)) == nodes


def test_the_bytes_are_those_of_the_capture() -> None:
    assert pack_peer(Address("127.0.0.1", 20001)) == b"\x7f\x00\x00\x01N!"
    assert pack_nodes([Contact(b"i" * 20, Address("127.0.0.1", 20002))]) == b"i" * 20 + b'\x7f\x00\x00\x01N"'


@pytest.mark.parametrize("address", [Address("localhost", 1), Address("::1", 1), Address("1.2.3.4", 65536)])
def test_other_addresses_cannot_be_packed(address: Address) -> None:
    with pytest.raises(ValueError, match="is not an IPv4 address"):
        pack_peer(address)


@pytest.mark.parametrize("data", [b"", b"12345", b"1234567", 5, [], {}])
def test_a_peer_is_six_bytes(data: Bencoded) -> None:
    with pytest.raises(RemoteError):
        unpack_peer(data)


@pytest.mark.parametrize("data", [b"x" * 25, b"x" * 27, 5, [b"x" * 26]])
def test_nodes_are_a_multiple_of_26_bytes(data: Bencoded) -> None:
    with pytest.raises(RemoteError):
        unpack_nodes(data)


def test_values_of_other_families_are_skipped() -> None:
    assert unpack_peers([b"\x01\x02\x03\x04\x00\x05", b"x" * 18, 7, b""]) == [Address("1.2.3.4", 5)]
    with pytest.raises(RemoteError):
        unpack_peers(b"\x01\x02\x03\x04\x00\x05")
