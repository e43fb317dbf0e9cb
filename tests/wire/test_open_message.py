"""What a peer and an open peer say to one another."""

import pytest

from core.errors import PayloadError, RemoteError
from core.values import Address, JsonValue
from core.wire import open_message as wire
from core.wire.open_message import Hello, Leave, Names, OpenItem, Watch, Watched

YOU = Address("192.0.2.7", 4000)
ITEM = OpenItem(b"k" * 32, b"v" * 316, b"s" * 64, 7)


def test_requests_are_read_as_they_were_written() -> None:
    assert wire.parse_request(wire.hello(b"n" * 16)) == Hello(b"n" * 16)
    assert wire.parse_request(wire.leave([ITEM, ITEM])) == Leave((ITEM, ITEM))
    assert wire.parse_request(wire.leave([ITEM], ring=True)) == Leave((ITEM,), ring=True)
    assert wire.parse_request(wire.watch([b"k" * 32], 25.0, 3)) == Watch((b"k" * 32,), 25.0, 3)
    assert wire.parse_request(wire.watch(None, 25.0, 3)) == Watch(None, 25.0, 3)
    assert wire.parse_request({"lookup": "fibonacci_worker"}) == Names("lookup", "fibonacci_worker")
    assert wire.parse_request({"put": "x" * 1000}) == Names("put", "x" * 1000)


def test_answers_are_read_as_they_were_written() -> None:
    assert wire.parse_hello(wire.hello_document(b"n" * 16, b"k" * 32, YOU)) == (wire.proof(b"n" * 16, b"k" * 32), YOU)
    assert wire.parse_left(wire.left_document(2, 1, YOU)) == (2, 1)
    found = OpenItem(ITEM.key, ITEM.value, ITEM.signature, 7, YOU, rung=True)
    watched = Watched(9, (found,), YOU)
    assert wire.parse_watched(wire.watched_document(watched)) == watched
    assert wire.parse_watched(wire.watched_document(Watched(0, (), unknown=True))).unknown


def test_another_identity_or_nonce_has_another_proof() -> None:
    assert len({wire.proof(nonce, key) for nonce in (b"a" * 16, b"b" * 16) for key in (b"a" * 32, b"b" * 32)}) == 4


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {},
        {"hello": "xyz"},
        {"hello": "g" * 32},
        {"hello": 7},
        {"leave": []},
        {"leave": "x"},
        {"leave": [["a"]]},
        {"leave": [["!", "a", "a", 1]]},
        {"leave": wire.leave([ITEM] * 65)},
        {"leave": [["AAAA", "AAAA", "AAAA", 1]]},
        {"leave": [["A" * 43, "A" * 9000, "A" * 86, 1]]},
        {"leave": [["A" * 43, "AAAA", "A" * 86, -1]]},
        {"leave": [["A" * 43, "AAAA", "A" * 86, True]]},
        {"watch": "x"},
        {"watch": ["A" * 43] * 257},
        {"watch": [], "wait": "x"},
        {"watch": [], "wait": float("nan")},
        {"watch": [], "seen": 1.5},
        {"lookup": ""},
        {"lookup": "x" * 129},
        {"get": 7},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(payload: JsonValue) -> None:
    with pytest.raises(PayloadError):
        wire.parse_request(payload)


@pytest.mark.parametrize("data", [None, [], {}, {"hello": 1}, {"news": True, "items": []}, {"news": 1}, {"left": 1}])
def test_an_answer_that_makes_no_sense_is_none(data: JsonValue) -> None:
    for parse in (wire.parse_hello, wire.parse_left, wire.parse_watched):
        with pytest.raises(RemoteError):
            parse(data)


def test_items_that_make_no_sense_are_left_out_of_an_answer() -> None:
    document = wire.watched_document(Watched(1, (OpenItem(ITEM.key, ITEM.value, ITEM.signature, 7, YOU),)))
    assert isinstance(document, dict)
    assert isinstance(document["items"], list)
    document["items"] += ["x", [1, 2, 3, 4], None]
    assert [each.sequence for each in wire.parse_watched(document).items] == [7]
