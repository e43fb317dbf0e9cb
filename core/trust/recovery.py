"""What a list of known peers is worth when its file is damaged or gone: blocks outlive it, trust waits for the owner.

Beside `<profile>.trust.json` there is a copy of the known peers with a checksum, `<profile>.trust.copy.json`. It is
written first, whenever somebody is trusted, blocked or removed. So a list that is cut, emptied or removed is noticed,
and a blocked peer stays blocked. Pure.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import field, replace
from typing import Final

from core.frozen import frozen
from core.peer_id import PeerId
from core.trust.book import MAX_PEERS, Book, group_rows, groups_from_rows, peer_from_row, peer_row
from core.trust.entries import KnownPeer

SCHEMA: Final = 1
MAX_SAID: Final = 200  # characters of what is wrong, in the sentence


@frozen
class Found:
    """The list in force. With `words`, which say what is wrong, it holds blocks only, and nobody may call anything.

    `recovered` is what will be in force when the owner has confirmed it.
    """

    book: Book
    words: str = ""
    recovered: Book = field(default_factory=Book)


def essence(book: Book) -> Book:
    """Return what the copy has of a list: not when somebody called last, which changes all the time."""
    peers = {peer_id: replace(peer, last_seen=None) for peer_id, peer in book.peers.items()}
    return Book(peers=peers, groups=dict(book.groups))


def dump_copy(book: Book) -> bytes:
    """Return the copy as a document."""
    rows = [json.dumps(peer_row(peer), ensure_ascii=False) for peer in essence(book).peers.values()]
    head = f'{{"schema": {SCHEMA}, "sha256": "{_checksum(rows)}"'
    groups = [json.dumps(row, ensure_ascii=False) for row in group_rows(book)]
    if groups:  # with a checksum of their own: an earlier version reads the peers all the same
        head += f', "groups_sha256": "{_checksum(groups)}",\n"groups": [{_lines(groups)}]'
    return f'{head}, "peers": [{_lines(rows)}]}}\n'.encode()


def _lines(rows: Iterable[str]) -> str:
    return ",".join(f"\n  {row}" for row in rows)


def load_copy(data: bytes) -> Book:
    """Read a copy. Raises ValueError for anything but a whole one."""
    try:
        document = json.loads(data)
        rows, groups = document["peers"], document.get("groups", [])
        sums = (document["sha256"], rows), (document.get("groups_sha256", _checksum([])), groups)
        wrong = any(said != _checksum(json.dumps(row, ensure_ascii=False) for row in each) for said, each in sums)
        if document["schema"] != SCHEMA or wrong:
            raise ValueError("its checksum is wrong")
        held = groups_from_rows(groups)
        peers = [peer_from_row(row, held) for row in rows]
        return Book(peers={peer.peer_id: peer for peer in peers}, groups=held)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"an entry is not what it should be: {error!r}") from None


def _checksum(rows: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(rows).encode(errors="surrogatepass")).hexdigest()


def salvage(data: bytes) -> list[KnownPeer]:
    """Return the peers that can still be read of a damaged list or copy: each is a line of its own."""
    found: dict[PeerId, KnownPeer] = {}
    for line in data.splitlines():
        if len(found) >= MAX_PEERS:
            break
        text = line.decode(errors="replace").strip().rstrip("]},").strip()
        try:
            peer = peer_from_row(json.loads(text + ("]}" if text.endswith("[") else "}")))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            continue
        found[peer.peer_id] = peer
    return list(found.values())


def judge(main: "bytes | str | None", copy: "bytes | str | None", whole: Book | None) -> Found:
    """Return the list that holds, of the two files: their bytes, or why one cannot be read, or None: it is not there.

    `whole` is what a whole copy has.
    """
    if main is None and copy is None:
        return Found(Book())
    known = salvage(copy) if isinstance(copy, bytes) else []
    if whole is not None:
        known = list(whole.peers.values())
    if isinstance(main, bytes):
        try:
            book = Book.load(main)
        except ValueError as error:
            return _closed(str(error)[:MAX_SAID], [*salvage(main), *known], certain=whole)
        return Found(_with_blocks(book, known))
    words = f"it cannot be read: {main}" if isinstance(main, str) else "it is gone, though there were known peers"
    return _closed(words, known, certain=whole)


def _with_blocks(book: Book, known: Iterable[KnownPeer]) -> Book:
    """Return the list with everybody blocked who is blocked in the copy."""
    for peer in known:
        if peer.blocked:
            mine = book.peers.get(peer.peer_id, peer)
            book.peers[peer.peer_id] = replace(mine, services=frozenset(), blocked=True, groups=frozenset())
    return book


def _closed(words: str, readable: list[KnownPeer], *, certain: Book | None) -> Found:
    """Return blocks only; to be recovered is what a whole copy has, or else what can be read: people, in no group."""
    blocked = [peer for peer in readable if peer.blocked]
    recovered = certain.copy() if certain is not None else Book(peers={peer.peer_id: peer for peer in readable})
    return Found(_with_blocks(Book(), blocked), words or "it is damaged", _with_blocks(recovered, blocked))
