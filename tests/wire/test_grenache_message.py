"""Arrays of the HTTP and WebSocket transports, and the header fields beside them."""

from collections.abc import Generator

import pytest

from core.errors import LocalError, RemoteError
from core.values import JsonValue
from core.wire.grenache_message import (
    HeaderRefused,
    Meta,
    Request,
    encode,
    encode_error,
    encode_steps,
    header_json,
    parse_meta,
    parse_reply,
    parse_request,
)


def test_a_request_is_an_array_of_id_key_and_payload() -> None:
    assert parse_request('["r","svc",{"a":"wörld"}]'.encode()) == Request("r", "svc", {"a": "wörld"})
    assert parse_request(b"[7]") == Request(7, "", None), "what is missing is undefined, as in JavaScript"


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"7", b'"abc"', b"null", b"\xff", b"NaN", b"[" * 100_000])
def test_what_is_no_array_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(RemoteError) as failure:
        parse_request(body)
    assert failure.value.name == "ERR_REQUEST_PARSE"


def test_the_header_outranks_the_body() -> None:
    meta = parse_meta('["id","named"]', None, None, chunked=False)
    assert parse_request(b'["other","else",5]', meta) == Request("id", "named", 5)
    assert not meta.streams, "a C# client sends it beside an ordinary body"


def test_a_stream_is_named_in_the_header_and_comes_in_chunks() -> None:
    meta = parse_meta('["id","named"]', "upload", '{"a":1}', chunked=True)
    assert meta == Meta("id", "named", "upload", {"a": 1}, streams=True)
    assert parse_meta(None, None, "{broken", chunked=True) == Meta(args={})


def test_a_header_that_is_no_json_is_refused() -> None:
    with pytest.raises(HeaderRefused):
        parse_meta("{broken", None, None, chunked=False)


@pytest.mark.parametrize(
    ("body", "error", "result"),
    [(b'["r",null,5]', None, 5), (b'["r","ERR_X",7]', "ERR_X", 7), (b'["r",{"a":1},null]', '{"a":1}', None)],
)
def test_a_reply_may_have_both(body: bytes, error: str | None, result: JsonValue) -> None:
    assert parse_reply(body) == ("r", error, result)


@pytest.mark.parametrize("body", [b"", b"null", b"\xef\xbb\xbf[1,null,2]", b"{}", b"[1]"])
def test_what_is_no_reply_has_a_name(body: bytes) -> None:
    with pytest.raises(RemoteError) as failure:
        parse_reply(body)
    assert failure.value.name == "ERR_REPLY_EMPTY"


def test_what_cannot_be_sent_is_named() -> None:
    with pytest.raises(LocalError, match="JSON"):
        encode("r", None, float("nan"), max_bytes=100)
    with pytest.raises(LocalError, match="limit"):
        encode("r", None, "x" * 100, max_bytes=100)
    assert encode_error(["id", 1], "") == b'[["id",1],"ERR_GENERIC",null]'


def test_steps_write_the_same() -> None:
    def whole() -> Generator[None, None, bytes]:
        written = yield from encode_steps("r", None, [1, "two"], max_bytes=100)
        assert written == encode("r", None, [1, "two"], max_bytes=100)
        return written

    assert list(whole())


def test_header_fields_are_ascii() -> None:
    assert header_json({"foo": "bär"}) == '{"foo":"b\\u00e4r"}'
