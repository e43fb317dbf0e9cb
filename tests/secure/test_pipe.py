"""The short way to OpenSSL: it is taken with this pyOpenSSL, and says what the long way says."""

import threading

import pytest
from OpenSSL import SSL

from core.secure.frames import RECORD_BYTES, SEAL_BYTES, header
from core.secure.pipe import RECORDS, SPACE
from tests.secure.sides import Pair


class Unasked:
    """Stands for pyOpenSSL's connection where nothing of it may be needed."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} of pyOpenSSL was called")


def test_a_message_takes_none_of_the_calls_of_pyopenssl() -> None:
    pair = Pair().run()
    for session in (pair.client, pair.server):
        session._pipe._tls = Unasked()  # private: nothing else tells which way was taken
    for size in (0, 1, 1200, RECORD_BYTES):
        message = bytes(size)
        assert b"".join(pair.server.feed(pair.client.seal(header(size), message))) == message
    assert pair.client.outgoing() == b""


@pytest.mark.parametrize("size", [SPACE - 1, SPACE, SPACE + 1, 5 * SPACE])
def test_what_takes_more_than_one_reading_comes_whole(size: int) -> None:
    pair = Pair().run()
    pair.client._pipe.seal(bytes(size))
    sealed = pair.client.outgoing()
    assert len(sealed) == size + SEAL_BYTES * -(-size // RECORD_BYTES)
    assert pair.client.outgoing() == b""
    text, records = b"", 0
    pair.server._pipe.put(sealed)
    while len(text) < size:
        piece, count = pair.server._pipe.open(1000)
        assert count <= RECORDS
        text, records = text + piece, records + count
    assert (text, records) == (bytes(size), -(-size // RECORD_BYTES))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_are_taken(kind: type) -> None:
    pair = Pair().run()
    pair.client._pipe.seal(kind(b"hello"))
    pair.server._pipe.put(kind(pair.client.outgoing()))
    assert pair.server._pipe.open() == (b"hello", 1)


def test_errors_are_those_of_pyopenssl() -> None:
    pair = Pair().run()
    with pytest.raises(SSL.WantReadError):
        pair.server._pipe.open()
    pair.client.close()
    pair.server._pipe.put(pair.client.outgoing())
    with pytest.raises(SSL.ZeroReturnError):
        pair.server._pipe.open()
    with pytest.raises(SSL.Error):
        pair.client._pipe.seal(b"after the goodbye")


def test_a_record_that_was_altered_is_an_error_with_its_reason() -> None:
    pair = Pair().run()
    sealed = bytearray(pair.client.seal(b"x"))
    sealed[-1] ^= 1
    pair.server._pipe.put(bytes(sealed))
    with pytest.raises(SSL.Error, match="bad record mac"):
        pair.server._pipe.open()


def test_threads_do_not_share_where_openssl_writes() -> None:
    wrong: list[int] = []

    def talk(letter: int) -> None:
        pair = Pair().run()
        message = bytes([letter]) * 5000
        for _ in range(200):
            if b"".join(pair.server.feed(pair.client.seal(header(5000), message))) != message:
                wrong.append(letter)

    threads = [threading.Thread(target=talk, args=(letter,)) for letter in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []
