"""What aiohttp's parser holds is known: of headers that do not end, of bodies, and of what is sent ahead."""

import asyncio

import pytest

from core.errors import RemoteError
from core.grape.request_parser import HEAD_MAX, SMALL_REST, RequestParser

pytestmark = pytest.mark.asyncio
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def parser() -> RequestParser:
    return RequestParser(asyncio.get_running_loop())


async def test_a_header_counts_until_it_is_whole_and_has_an_end() -> None:
    one = parser()
    one.feed(b"POST / HTTP/1.1\r\nHost: x\r\n")
    for number in range(3):
        one.feed(b"X-%d: %b\r\n" % (number, b"a" * 5_000))
    assert 15_000 < one.held < 15_200
    ((request, body),) = one.feed(b"Content-Length: 0\r\n\r\n")[0]
    assert (request.method, body.is_eof(), one.held < SMALL_REST) == ("POST", True, True)
    endless = parser()
    endless.feed(b"POST / HTTP/1.1\r\n")
    for _ in range(HEAD_MAX // 5_100):
        endless.feed(b"X: %b\r\n" % (b"a" * 5_000))
    with pytest.raises(RemoteError, match="32,768"):
        endless.feed(b"X: %b\r\n" % (b"a" * 5_000))
    assert endless.held < HEAD_MAX + 6_000


async def test_a_body_counts_until_it_is_taken() -> None:
    one = parser()
    ((_, body),) = one.feed(HEAD % 100_000 + bytes(20_000))[0]
    assert 20_000 <= one.held < 20_100
    one.took(len(body.read_nowait()))
    for _ in range(4):
        one.feed(bytes(20_000))
        assert 20_000 <= one.held < 21_000
        one.took(len(body.read_nowait()))
    assert body.is_eof()
    assert one.held < SMALL_REST


async def test_what_is_sent_ahead_counts_until_it_is_asked_for() -> None:
    one, request = parser(), HEAD % 0
    assert len(one.feed(request * 1_000)[0]) == 1
    held = one.held
    assert 900 * len(request) < held < 1_000 * len(request)
    for _ in range(999):
        one.message_consumed()
        assert len(one.feed(b"")[0]) == 1
    assert one.held < held / 2


async def test_a_header_behind_a_request_counts_too() -> None:
    one = parser()
    one.feed(HEAD % 0 + b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"a" * 5_000) for n in range(9)))
    one.message_consumed()
    assert not one.feed(b"")[0]
    assert one.held > 40_000


async def test_behind_a_request_that_came_alone_nothing_is_looked_for() -> None:
    one = parser()
    for pieces in ((HEAD % 3 + b"abc",), (HEAD % 3, b"abc"), (HEAD % 3 + b"a", b"b", b"c"), (HEAD % 0,)):
        came = [message for piece in pieces for message in one.feed(piece)[0]]
        ((_, body),) = came
        assert one.empty
        one.took(len(body.read_nowait()))
        one.message_consumed()
        assert one.feed(b"") == ([], False, b"")
        assert one.empty


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize("first", [HEAD % 3 + b"abc", CHUNKED, b"\r\n\r\n" + HEAD % 0, HEAD % 4 + b"\r\n\r\n"])
@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
async def test_what_is_behind_a_request_is_found_however_it_came(first: bytes, pieces: int) -> None:
    one, found = parser(), 0
    data = first + HEAD % 3 + b"abc" + HEAD % 0
    size = -(-len(data) // pieces)
    for at in range(0, len(data), size):
        found += requests(one, data[at : at + size])
    assert found == 3


def requests(one: RequestParser, data: bytes) -> int:
    """Feed a piece, and go on as a connection does; return how many requests became whole."""
    found = 0
    for _ in range(10):
        one.feed(data)
        if one._body is None or not one._body.is_eof():
            break
        found, one._body, data = found + 1, None, b""
        one.message_consumed()
        if one.empty:
            break
    return found
