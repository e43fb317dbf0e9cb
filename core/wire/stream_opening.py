"""What a byte stream is opened for, and what the other side answers: JSON in the payloads of OPEN and ACCEPT."""

import json
from typing import Final, NamedTuple

from core.errors import LocalError, RemoteError
from core.values import JsonValue
from core.wire.stream_frame import OPEN_MAX

LIST: Final = ""  # the service that lists the services which the caller may use
INVITATION: Final = "grapevine:invitation"  # the service that lets in who has an invitation
RELAY: Final = "grapevine:relay"  # the service that joins two peers and passes their packets on
RESERVED: Final = frozenset(
    {LIST, INVITATION, RELAY}
)  # for the peers themselves: `check_name` lets no share have these
NAME_MAX: Final = 64  # bytes of UTF-8 of a service's name, as in a peer's record
DATAGRAMS: Final = "datagrams"  # in details of an opening and its answer: this side carries them beside the connection
DATAGRAMS_VERSION: Final = 1  # its value, for `core.wire.datagram_packet`
_VERSION: Final = 1


class Opening(NamedTuple):
    """A service's name, and what its kind wants to know, such as which file."""

    service: str
    details: dict[str, JsonValue]


def check_name(name: str) -> str:
    """Return a service's name as it is. Raises LocalError that says what is wrong with it."""
    if not name or name != name.strip():
        raise LocalError(
            f"{name[:80]!r} is no name of a service: it is empty, or has spaces around it", name="ERR_NAME"
        )
    if len(name.encode(errors="replace")) > NAME_MAX or not name.isprintable() or set(name) & set("/:"):
        raise LocalError(
            f"{name[:80]!r} is no name of a service: use at most {NAME_MAX} bytes that can be printed, without / and :",
            name="ERR_NAME",
        )
    return name


def pack_opening(opening: Opening) -> bytes:
    """Return the payload of an OPEN. Raises LocalError for details that do not fit."""
    members: dict[str, JsonValue] = {"v": _VERSION, "s": opening.service}
    if opening.details:
        members["d"] = opening.details
    packed = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
    if len(packed) > OPEN_MAX:
        raise LocalError(f"what a stream is opened with takes {OPEN_MAX} bytes at most, not {len(packed)}")
    return packed


def parse_opening(payload: bytes) -> Opening:
    """Return what a stream is opened for. Raises RemoteError; members that version 1 does not know are ignored."""
    members = _members(payload, "an opening")
    service, details = members.get("s"), members.get("d", {})
    if members.get("v") != _VERSION:
        raise RemoteError(f"an opening of version {str(members.get('v'))[:20]}: this peer knows {_VERSION}")
    if (
        not isinstance(service, str)
        or not isinstance(details, dict)
        or len(service.encode(errors="replace")) > NAME_MAX
    ):
        raise RemoteError("an opening names its service in a short text, and its details in an object")
    return Opening(service, details)


def carries_datagrams(details: dict[str, JsonValue]) -> bool:
    """Tell whether the side that said this carries datagrams beside the connection; older peers say nothing of it."""
    return details.get(DATAGRAMS) == DATAGRAMS_VERSION


def pack_details(details: dict[str, JsonValue]) -> bytes:
    """Return the payload of an ACCEPT."""
    return (
        json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
        if details
        else b""
    )


def parse_details(payload: bytes) -> dict[str, JsonValue]:
    """Return what an ACCEPT says; nothing when it says nothing. Raises RemoteError."""
    return _members(payload, "an answer to an opening") if payload else {}


def _members(payload: bytes, what: str) -> dict[str, JsonValue]:
    try:
        members = json.loads(payload)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise RemoteError(f"{what} is a JSON object")
    return members
