"""A trust file is a list of known peers within its bounds, which is written and read again the same, or ValueError.
Nothing in it can harm a terminal: names and services are printable, and nobody is trusted by a damaged file.
"""

from core.peer_id import PeerId
from core.trust.book import MAX_PEERS, MAX_PENDING, Book
from core.trust.entries import EVERY, MAX_GROUPS, MAX_NAME, Group, KnownPeer, Pending
from core.trust.recovery import dump_copy, judge, load_copy
from core.values import Address

WATCHED = ["core.trust.book", "core.trust.groups", "core.trust.recovery", "core.trust.entries", "core.peer_id"]
_ANNA, _BERT = PeerId(bytes(32)), PeerId(bytes(range(32)))


def _full() -> bytes:
    book = Book(dropped=3)
    book.keep(KnownPeer(_ANNA, "Anna", 1.7e9, 1.7e9, frozenset({"fibonacci", "sensor"})))
    family = Group("family", frozenset({"photos"}))
    book.keep_group(family)
    book.keep(KnownPeer(_BERT, "", 1.7e9, None, EVERY, blocked=False, groups=frozenset({family})))
    book.wait(Pending(_ANNA, "sensor", Address("192.0.2.7", 1337), 1.7e9, 1.7e9, 2))
    book.grants[_ANNA, "sensor"] = book.refused[_BERT, "sensor"] = 1.7e9
    return book.dump()


SEEDS = [
    _full(),
    Book().dump(),
    b'{"schema": 1, "dropped": 0, "peers": [{}], "pending": [], "grants": [], "refused": []}',
]


def _copy() -> bytes:
    book = Book()
    book.keep(KnownPeer(_ANNA, "Anna", 1.7e9, None, EVERY))
    book.keep(KnownPeer(_BERT, "Bert", 1.7e9, None, frozenset(), blocked=True))
    return dump_copy(book)


COPY = _copy()
SEEDS.append(COPY)


def _recover(data: bytes) -> None:
    """Whatever the list and its copy are, who was blocked is blocked, and a damaged list trusts nobody."""
    for main, copy in ((data, COPY), (data[: len(data) // 2], COPY), (None, data), (data, data)):
        try:
            rows = load_copy(copy)
        except ValueError:
            rows = None
        found = judge(main, copy, rows)
        if copy == COPY and not found.book.peers[_BERT].blocked:
            raise AssertionError("a block is lost")
        if found.words and not all(peer.blocked for peer in found.book.peers.values()):
            raise AssertionError("a damaged list trusts somebody")


def run(data: bytes) -> None:
    _recover(data)
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
    if len(book.groups) > MAX_GROUPS or not all(map(str.isprintable, book.groups)):
        raise AssertionError(f"{book.groups} are no groups that there may be")
    for peer in book.peers.values():
        if not all(book.groups.get(group.name) == group for group in peer.groups):
            raise AssertionError(f"{peer} is in a group that there is not")
        if len(peer.name) > MAX_NAME or not all(map(str.isprintable, (peer.name, *peer.services))):
            raise AssertionError(f"{peer} could forge what is shown")
    book.expire(1.7e9)
