"""The good nodes of the public DHT as they are kept on the disk: with them nobody needs a bootstrap node. Pure."""

from collections.abc import Iterable

from core.mainline.config import KEPT
from core.scope import is_six, usable
from core.values import Address
from core.wire.kept_list import dump_list, load_list


def dump(nodes: Iterable[Address]) -> bytes:
    """Return the document of up to KEPT nodes."""
    listed = [str(node) for node in dict.fromkeys(nodes)][:KEPT]
    return dump_list("nodes", listed)


def load(data: bytes) -> list[Address]:
    """Read one. Raises ValueError, with what is wrong, for anything but a whole and sound one."""
    listed = load_list(data, "nodes", called="nodes", most=KEPT)
    nodes = [Address.parse(each) if isinstance(each, str) else None for each in listed]
    if not all(node is not None and usable(node) and not is_six(node.host) for node in nodes):
        raise ValueError("a node in it has no usable address")
    return [node for node in nodes if node is not None]
