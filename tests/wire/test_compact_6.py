"""core.wire.compact_6: peers and nodes of the IPv6 network; a link-local address means something on its link only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RemoteError
from core.values import Address
from core.wire.bencoding import Bencoded
from core.wire.compact import Contact
from core.wire.compact_6 import NODE_6_BYTES, pack_nodes_6, pack_peers_6, unpack_nodes_6, unpack_peers_6

ID = b"i" * 20
FAR, LINK = Address("2001:db8::7", 20001), Address("fe80::7%eth0", 20001)
PACKED = bytes.fromhex("20010db8000000000000000000000007") + (20001).to_bytes(2, "big")


def test_a_node_is_38_bytes() -> None:
    assert pack_nodes_6([Contact(ID, FAR)], "2001:db8::1") == ID + PACKED
    assert unpack_nodes_6(ID + PACKED, "2001:db8::1") == [Contact(ID, FAR)]


def test_ipv4_has_no_place_here() -> None:
    four = Address("198.51.100.7", 20001)
    assert pack_peers_6([four, FAR], "2001:db8::1") == [PACKED]
    assert unpack_peers_6([b"x" * 6, PACKED, 7, b""], "2001:db8::1") == [FAR]


@pytest.mark.parametrize(("asker", "told"), [("fe80::1%eth0", True), ("fe80::1%eth1", False), ("2001:db8::1", False)])
def test_an_address_of_a_link_is_told_on_that_link_only(asker: str, told: bool) -> None:
    assert len(pack_peers_6([LINK], asker)) == told
    assert len(pack_nodes_6([Contact(ID, LINK)], asker)) == told * NODE_6_BYTES


def test_an_address_of_a_link_is_of_the_link_that_the_answer_came_by() -> None:
    packed: list[Bencoded] = [*pack_peers_6([LINK], "fe80::1%eth0")]
    assert unpack_peers_6(packed, "fe80::9%wlan0") == [Address("fe80::7%wlan0", 20001)]
    assert unpack_peers_6(packed, "2001:db8::1") == [Address("fe80::7", 20001)]  # which nothing is ever sent to


@given(st.binary(max_size=120), st.sampled_from(["2001:db8::1", "fe80::1%eth0"]))
def test_any_bytes_are_contacts_or_refused(data: bytes, by: str) -> None:
    if len(data) % NODE_6_BYTES:
        with pytest.raises(RemoteError):
            unpack_nodes_6(data, by)
    else:
        assert len(unpack_nodes_6(data, by)) == len(data) // NODE_6_BYTES
    with pytest.raises(RemoteError):
        unpack_peers_6(data, by)
