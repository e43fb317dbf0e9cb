"""What a grape says is data, an error name, or nonsense; never one for the other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.directory.link.replies import RawReply, read_count, read_hash, read_item, read_peers, read_value
from core.errors import LookupEmpty, PeerError, RefusedError, RemoteError
from core.values import Address, JsonValue

URL = "http://192.0.2.1:30001"
HASH = "e28910ea0adb94dd45ced75fbff3e135c01bc437"


def reply(value: JsonValue, status: int = 200) -> RawReply:
    return RawReply(URL, status, json.dumps(value).encode())


def text(body: bytes, status: int = 200) -> RawReply:
    return RawReply(URL, status, body)


def peers(answer: RawReply) -> list[Address]:
    return read_peers(answer, 1000)


def test_peers_are_addresses_once_each() -> None:
    listing: JsonValue = ["127.0.0.1:1337", "198.51.100.2:5", "127.0.0.1:1337"]
    assert peers(reply(listing)) == [Address("127.0.0.1", 1337), Address("198.51.100.2", 5)]


@pytest.mark.parametrize(
    "bad", ["", "x", "1.2.3.4", "1.2.3.4:0", "1.2.3.4:70000", "host:5", "1.2.3.4.5:6", "0.0.0.0:5", "224.0.0.1:5"]
)
def test_entry_that_is_no_address_is_left_out(bad: str) -> None:
    assert peers(reply([bad, "1.2.3.4:5"])) == [Address("1.2.3.4", 5)]
    with pytest.raises(RemoteError, match=r"192\.0\.2\.1.*nothing that is an address"):
        peers(reply([bad]))


@pytest.mark.parametrize("wrong", [5, {}, True, [5], [None], [["1.2.3.4:5"]]])
def test_listing_of_another_shape_is_nonsense(wrong: JsonValue) -> None:
    with pytest.raises(RemoteError, match=URL) as caught:
        peers(reply(wrong))
    assert not isinstance(caught.value, RefusedError)


def test_too_many_peers_are_nonsense() -> None:
    with pytest.raises(RemoteError, match="1001 peers"):
        peers(reply([f"10.0.{n // 250}.{n % 250 + 1}:5" for n in range(1001)]))


@pytest.mark.parametrize("empty", [b"[]", b"", b"null"])
def test_nobody_is_lookup_empty(empty: bytes) -> None:
    with pytest.raises(LookupEmpty) as caught:
        peers(text(empty))
    assert caught.value.name == "ERR_GRAPE_LOOKUP_EMPTY"


@pytest.mark.parametrize("read", [peers, read_count, read_hash, read_item])
@pytest.mark.parametrize("name", ["ERR_GRAPE_LOOKUP", "ERR_REQ_NOTFOUND", "ERR_GRAPE_BUSY"])
def test_error_name_is_never_data(read: object, name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read(reply(name))  # type: ignore[operator]
    assert caught.value.name == name
    assert URL in str(caught.value)


@pytest.mark.parametrize("read", [peers, read_count, read_hash, read_item])
def test_nodes_own_sentences_are_refusals_too(read: object) -> None:
    with pytest.raises(RefusedError, match="All queries failed") as caught:
        read(reply("All queries failed"))  # type: ignore[operator]
    assert caught.value.name == "ERR_GRAPE_GENERIC"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (text(b"ERR_GRAPE_PAYLOAD_INVALID", 500), "ERR_GRAPE_PAYLOAD_INVALID"),
        (text(b"ERR_GRAPE_PAYLOAD_SIZE", 413), "ERR_GRAPE_PAYLOAD_SIZE"),
        (text(b"The first argument must be of type string", 500), "ERR_GRAPE_GENERIC"),
        (reply("302 sequence number less than current", 302), "ERR_GRAPE_GENERIC"),
    ],
)
def test_error_status_of_a_grape_is_a_refusal(answer: RawReply, name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read_value(answer)
    assert caught.value.name == name


@pytest.mark.parametrize("status", [307, 400, 404, 502])
def test_error_page_of_another_server_is_nonsense(status: int) -> None:
    with pytest.raises(RemoteError, match=f"HTTP {status}: is that a grape") as caught:
        read_value(text(b"<html>\x1b[31mNot found" + b"x" * 5000, status))
    assert not isinstance(caught.value, RefusedError)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("wrong", [-1, 1.5, True, None, [], {}])
def test_announce_answers_a_count(wrong: JsonValue) -> None:
    assert read_count(reply(7)) == 7
    with pytest.raises(RemoteError, match="not with a count"):
        read_count(reply(wrong))


def test_put_answers_a_hash() -> None:
    assert read_hash(reply(HASH.upper())) == HASH
    with pytest.raises(RefusedError):
        read_hash(reply(HASH[1:]))
    with pytest.raises(RemoteError, match="not with a hash"):
        read_hash(reply(5))


def test_get_answers_an_item_or_nothing() -> None:
    assert read_item(reply({"id": "a", "token": None, "v": "x"}))["v"] == "x"
    with pytest.raises(LookupEmpty, match="no value"):
        read_item(text(b""))
    nonsense: list[JsonValue] = [5, [], {"id": "a"}]
    for wrong in nonsense:
        with pytest.raises(RemoteError, match="not with an item"):
            read_item(reply(wrong))


@given(st.binary(max_size=300), st.sampled_from([200, 301, 302, 404, 413, 500]))
def test_any_body_gives_a_value_or_peer_error(body: bytes, status: int) -> None:
    for read in (peers, read_count, read_hash, read_item):
        try:
            read(RawReply(URL, status, body))
        except PeerError as error:
            outcome: object = str(error)
        else:
            outcome = status
        assert outcome == 200 or URL in str(outcome)


def test_deep_nesting_is_not_json() -> None:
    with pytest.raises(RemoteError, match="not JSON"):
        peers(text(b"[" * 100_000))
