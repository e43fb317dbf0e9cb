"""What a list of known peers is worth when its file is damaged or gone: blocks outlive it, trust waits for the owner.

Beside `<profile>.trust.json` there is a copy of the known peers with a checksum, `<profile>.trust.copy.json`. It is
written first, whenever somebody is trusted, blocked or removed. So a list that is cut, emptied or removed is noticed,
and a blocked peer stays blocked. Pure.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from core.peer_id import PeerId
from core.trust.book import MAX_PEERS, Book, peer_from_row, peer_row
from core.trust.entries import KnownPeer

SCHEMA: Final = 1
MAX_SAID: Final = 200  # characters of what is wrong, in the sentence


@dataclass(frozen=True, slots=True)
class Found:
    """The list in force. With `words`, which say what is wrong, it holds blocks only, and nobody may call anything.

    `recovered` is what will be in force when the owner has confirmed it.
    """

    book: Book
    words: str = ""
    recovered: Book = field(default_factory=Book)


def essence(book: Book) -> list[KnownPeer]:
    """Return what the copy has of a list: not when somebody called last, which changes all the time."""
    return [replace(peer, last_seen=None) for peer in book.peers.values()]


def dump_copy(book: Book) -> bytes:
    """Return the copy as a document."""
    rows = [json.dumps(peer_row(peer), ensure_ascii=False) for peer in essence(book)]
    body = ",".join(f"\n  {row}" for row in rows)
    return f'{{"schema": {SCHEMA}, "sha256": "{_checksum(rows)}", "peers": [{body}]}}\n'.encode()


def load_copy(data: bytes) -> list[KnownPeer]:
    """Read a copy. Raises ValueError for anything but a whole one."""
    try:
        document = json.loads(data)
        rows = document["peers"]
        if document["schema"] != SCHEMA or document["sha256"] != _checksum(
            json.dumps(row, ensure_ascii=False) for row in rows
        ):
            raise ValueError("its checksum is wrong")
        return [peer_from_row(row) for row in rows]
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


def judge(main: "bytes | str | None", copy: "bytes | str | None", copy_rows: list[KnownPeer] | None) -> Found:
    """Return the list that holds, of the two files: their bytes, or why one cannot be read, or None: it is not there.

    `copy_rows` are the peers of a whole copy.
    """
    if main is None and copy is None:
        return Found(Book())
    known = copy_rows if copy_rows is not None else salvage(copy) if isinstance(copy, bytes) else []
    if isinstance(main, bytes):
        try:
            book = Book.load(main)
        except ValueError as error:
            return _closed(str(error)[:MAX_SAID], [*salvage(main), *known], certain=copy_rows)
        return Found(_with_blocks(book, known))
    words = f"it cannot be read: {main}" if isinstance(main, str) else "it is gone, though there were known peers"
    return _closed(words, known, certain=copy_rows)


def _with_blocks(book: Book, known: Iterable[KnownPeer]) -> Book:
    """Return the list with everybody blocked who is blocked in the copy."""
    for peer in known:
        if peer.blocked:
            mine = book.peers.get(peer.peer_id, peer)
            book.peers[peer.peer_id] = replace(mine, services=frozenset(), blocked=True)
    return book


def _closed(words: str, readable: list[KnownPeer], *, certain: list[KnownPeer] | None) -> Found:
    """Return blocks only; to be recovered is what a whole copy has, or else what can be read."""
    blocked = [peer for peer in readable if peer.blocked]
    recovered = Book(peers={peer.peer_id: peer for peer in (readable if certain is None else certain)})
    return Found(_with_blocks(Book(), blocked), words or "it is damaged", _with_blocks(recovered, blocked))
