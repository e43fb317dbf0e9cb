"""The good nodes of the public DHT as they are kept on the disk: with them nobody needs a bootstrap node. Pure."""

import json
from collections.abc import Iterable
from typing import Final

from core.mainline.config import KEPT
from core.scope import is_six, usable
from core.values import Address

SCHEMA: Final = 1
MAX_BYTES: Final = 64 * 1024  # a full list has 5 KB


def dump(nodes: Iterable[Address]) -> bytes:
    """Return the document of up to KEPT nodes."""
    listed = [str(node) for node in dict.fromkeys(nodes)][:KEPT]
    return json.dumps({"schema": SCHEMA, "nodes": listed}, indent=0).encode() + b"\n"


def load(data: bytes) -> list[Address]:
    """Read one. Raises ValueError, with what is wrong, for anything but a whole and sound one."""
    if len(data) > MAX_BYTES:
        raise ValueError("it is far too large")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"it is no list of nodes of schema {SCHEMA}")
    listed = document.get("nodes")
    if not isinstance(listed, list) or len(listed) > KEPT:
        raise ValueError(f"it is no list of at most {KEPT} nodes")
    nodes = [Address.parse(each) if isinstance(each, str) else None for each in listed]
    if not all(node is not None and usable(node) and not is_six(node.host) for node in nodes):
        raise ValueError("a node in it has no usable address")
    return [node for node in nodes if node is not None]
