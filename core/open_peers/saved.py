"""The open peers that were good, as they are kept on the disk. Pure."""

import json
from collections.abc import Iterable
from typing import Final

from core.open_peers.config import KNOWN
from core.peer_id import PeerId
from core.scope import usable
from core.values import Address

SCHEMA: Final = 1
MAX_BYTES: Final = 64 * 1024  # a full list has 4 KB


def dump(known: Iterable[tuple[Address, PeerId]]) -> bytes:
    """Return the document of up to KNOWN open peers."""
    listed = [{"address": str(address), "id": str(peer_id)} for address, peer_id in list(known)[:KNOWN]]
    return json.dumps({"schema": SCHEMA, "open_peers": listed}, indent=0).encode() + b"\n"


def load(data: bytes) -> list[tuple[Address, PeerId]]:
    """Read one. Raises ValueError, with what is wrong, for anything but a whole and sound one."""
    if len(data) > MAX_BYTES:
        raise ValueError("it is far too large")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"it is no list of open peers of schema {SCHEMA}")
    listed = document.get("open_peers")
    if not isinstance(listed, list) or len(listed) > KNOWN:
        raise ValueError(f"it is no list of at most {KNOWN} open peers")
    return [_one(each) for each in listed]


def _one(entry: object) -> tuple[Address, PeerId]:
    if not isinstance(entry, dict):
        raise ValueError("an open peer in it is no object")
    address, peer_id = entry.get("address"), entry.get("id")
    if not isinstance(address, str) or not isinstance(peer_id, str):
        raise ValueError("an open peer in it has no address or no Peer ID")
    found = Address.parse(address)
    if not usable(found):
        raise ValueError("an open peer in it has no usable address")
    return found, PeerId.parse(peer_id)
