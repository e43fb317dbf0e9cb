"""A list in a file of ours, as JSON: `{"schema": 1, FIELD: [...]}`. What keeps one decides what an entry is."""

import json
from collections.abc import Sequence
from typing import Final

SCHEMA: Final = 1
MAX_BYTES: Final = 64 * 1024  # full lists of addresses and Peer IDs have 4 to 5 KB


def dump_list(field: str, entries: Sequence[object]) -> bytes:
    """Return the document of these entries."""
    return json.dumps({"schema": SCHEMA, field: entries}, indent=0).encode() + b"\n"


def load_list(data: bytes, field: str, *, called: str, most: int) -> list[object]:
    """Return the entries of a document, unread; `called` names them in errors.

    Raises ValueError, with what is wrong, for anything but a list of `most` entries at most.
    """
    if len(data) > MAX_BYTES:
        raise ValueError("it is far too large")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"it is no list of {called} of schema {SCHEMA}")
    listed = document.get(field)
    if not isinstance(listed, list) or len(listed) > most:
        raise ValueError(f"it is no list of at most {most} {called}")
    return listed
