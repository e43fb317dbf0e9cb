"""The small parts: ids bound to addresses, our mapping, when we serve, what is kept on the disk."""

from random import Random

import pytest

from core.mainline.config import KEPT
from core.mainline.node_id import crc32c, fits, node_id
from core.mainline.role import AGAIN, IGNORED, PATIENCE, Role
from core.mainline.saved import dump, load
from core.mainline.seen import FRESH, Seen
from core.values import Address
from core.wire.kept_list import MAX_BYTES

# BEP 42, "test vectors": address, the last byte of the id, and how the id begins
VECTORS = [
    ("124.31.75.21", 1, "5fbfbf"),
    ("21.75.31.124", 86, "5a3ce9"),
    ("65.23.51.170", 22, "a5d432"),
    ("84.124.73.14", 65, "1b0321"),
    ("43.213.53.83", 90, "e56f6c"),
]


def test_the_checksum_is_that_of_rfc_3720() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(("host", "last", "begins"), VECTORS)
def test_ids_are_those_of_bep_42(host: str, last: int, begins: str) -> None:
    id = bytes.fromhex(begins) + bytes(16) + bytes([last])
    assert fits(id, host)
    assert not fits(id, "9.9.9.9")
    made = node_id(host, Random(1))
    assert len(made) == 20
    assert fits(made, host)


def seen(*words: tuple[str, str, int]) -> Seen:
    made = Seen()
    for observer, host, port in words:
        made.add(Address(observer, 6881), Address(host, port), 0.0)
    return made


def test_who_told_where_they_see_us_are_known_the_last_first_and_without_those_that_say_otherwise() -> None:
    made = Seen()
    for number in range(3):
        made.add(Address(f"21.0.0.{number}", 6881), Address("11.0.0.1", 4000), float(number))
    made.add(Address("21.0.0.9", 6881), Address("12.9.9.9", 4000), 4.0)
    assert [each.host for each in made.observers(5.0)] == ["21.0.0.2", "21.0.0.1", "21.0.0.0"]
    assert made.observers(FRESH + 5.0) == []


def test_our_mapping_is_believed_once_three_agree() -> None:
    words = [(f"21.0.0.{n}", "11.0.0.1", 4000) for n in range(1, 4)]
    assert seen(*words[:2]).mapping(1.0) is None
    mapping = seen(*words).mapping(1.0)
    assert mapping is not None
    assert (mapping.host, mapping.port, mapping.observers) == ("11.0.0.1", 4000, 3)
    assert seen(*words).mapping(FRESH + 1.0) is None, "a router restarts"


def test_one_host_has_one_word_and_a_minority_does_no_harm() -> None:
    liar = [("22.0.0.1", "66.6.6.6", port) for port in range(1, 9)]
    assert seen(*liar).mapping(1.0) is None
    honest = [(f"21.0.0.{n}", "11.0.0.1", 4000) for n in range(1, 4)]
    mapping = seen(*liar, *honest).mapping(1.0)
    assert mapping is not None
    assert mapping.host == "11.0.0.1"
    half = [(f"22.0.0.{n}", "66.6.6.6", 1) for n in range(1, 4)]
    assert seen(*half, *honest).mapping(1.0) is None, "nobody has more than half"


def test_a_router_with_a_port_for_each_destination_is_told_by_none() -> None:
    mapping = seen(*[(f"21.0.0.{n}", "11.0.0.1", 4000 + n) for n in range(1, 6)]).mapping(1.0)
    assert mapping is not None
    assert (mapping.host, mapping.port) == ("11.0.0.1", None)


def test_a_node_serves_after_fifteen_minutes_of_being_reachable_and_while_it_is_asked() -> None:
    role = Role()
    assert not role.look(True, 0.0)
    assert not role.look(True, PATIENCE - 1)
    assert role.look(True, PATIENCE)
    role.asked(PATIENCE + 100)
    assert role.look(True, PATIENCE + IGNORED)
    assert not role.look(True, PATIENCE + 100 + IGNORED), "nobody asks: we are not as reachable as we thought"
    assert not role.look(True, PATIENCE + 200 + 2 * IGNORED)
    assert role.look(True, PATIENCE + 100 + IGNORED + AGAIN)
    assert not role.look(False, PATIENCE + 101 + IGNORED + AGAIN)


def test_what_is_kept_is_read_again() -> None:
    nodes = [Address(f"21.0.{n // 250}.{n % 250 + 1}", 6881) for n in range(KEPT + 50)]
    assert load(dump(nodes)) == nodes[:KEPT]
    assert len(dump(nodes)) < MAX_BYTES


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"schema": 2, "nodes": []}', b'{"schema": 1}', b'{"schema": 1, "nodes": [7]}',
     b'{"schema": 1, "nodes": ["21.0.0.1:0"]}', b'{"schema": 1, "nodes": ["0.0.0.0:1"]}', b"\xff" * 100,
     b'{"schema": 1, "nodes": ["x"]}', b" " * (MAX_BYTES + 1), b"[" * 60000,
     dump([]).replace(b"[]", b"[" + b",".join([b'"21.0.0.1:1"'] * (KEPT + 1)) + b"]")],
)  # fmt: skip
def test_a_damaged_file_is_said_to_be_one(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"it is|in it|port|host|address"):
        load(data)
