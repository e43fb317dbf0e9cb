"""The open peers that were good, as they are kept on the disk. Pure."""

from collections.abc import Iterable

from core.open_peers.config import KNOWN
from core.peer_id import PeerId
from core.scope import usable
from core.values import Address
from core.wire.kept_list import dump_list, load_list


def dump(known: Iterable[tuple[Address, PeerId]]) -> bytes:
    """Return the document of up to KNOWN open peers."""
    listed = [{"address": str(address), "id": str(peer_id)} for address, peer_id in list(known)[:KNOWN]]
    return dump_list("open_peers", listed)


def load(data: bytes) -> list[tuple[Address, PeerId]]:
    """Read one. Raises ValueError, with what is wrong, for anything but a whole and sound one."""
    listed = load_list(data, "open_peers", called="open peers", most=KNOWN)
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
