"""A trust file is a list of known peers within its bounds, which is written and read again the same, or ValueError.
Nothing in it can harm a terminal: names and services are printable, and nobody is trusted by a damaged file.
"""

from core.peer_id import PeerId
from core.trust.book import MAX_PEERS, MAX_PENDING, Book
from core.trust.entries import EVERY, MAX_NAME, KnownPeer, Pending
from core.values import Address

WATCHED = ["core.trust.book", "core.trust.entries", "core.peer_id"]
_ANNA, _BERT = PeerId(bytes(32)), PeerId(bytes(range(32)))


def _full() -> bytes:
    book = Book(dropped=3)
    book.keep(KnownPeer(_ANNA, "Anna", 1.7e9, 1.7e9, frozenset({"fibonacci", "sensor"})))
    book.keep(KnownPeer(_BERT, "", 1.7e9, None, EVERY, blocked=False))
    book.wait(Pending(_ANNA, "sensor", Address("192.0.2.7", 1337), 1.7e9, 1.7e9, 2))
    book.grants[_ANNA, "sensor"] = book.refused[_BERT, "sensor"] = 1.7e9
    return book.dump()


SEEDS = [
    _full(),
    Book().dump(),
    b'{"schema": 1, "dropped": 0, "peers": [{}], "pending": [], "grants": [], "refused": []}',
]


def run(data: bytes) -> None:
    try:
        book = Book.load(data)
    except ValueError as error:
        if not str(error):
            raise AssertionError("no sentence") from error
        return
    if Book.load(book.dump()) != book:
        raise AssertionError(f"{book} is not what it reads back as")
    if len(book.peers) > MAX_PEERS or max(len(book.pending), len(book.grants), len(book.refused)) > MAX_PENDING:
        raise AssertionError("more than there may be")
    for peer in book.peers.values():
        if len(peer.name) > MAX_NAME or not all(map(str.isprintable, (peer.name, *peer.services))):
            raise AssertionError(f"{peer} could forge what is shown")
    book.expire(1.7e9)
