"""What a relay and those who use it say to each other over a byte stream: a line of JSON each. Pure.

1. A peer opens a stream for the reserved name `RELAY` and keeps it open. The relay takes it, or refuses.
2. `{"to": PEER-ID, "n": number, "salt": hex}`: join me with that peer.
3. The relay to that peer: `{"from": PEER-ID, "salt": hex, "slot": hex}`; its answer: `{"take": slot, "salt": hex}`.
4. The relay to the first: `{"n": number, "slot": hex, "salt": hex}`, or `{"n": number, "error": [ERR, sentence]}`.
5. Either side: `{"leave": slot}`. The relay, when it passes on no longer: `{"over": slot, "why": sentence}`.
"""

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from core.errors import RemoteError
from core.peer_id import PeerId
from core.values import JsonValue

SALT_BYTES: Final = 16
SLOT_BYTES: Final = 8
LINE_MAX: Final = 1024  # bytes of a line
_NUMBERS: Final = 1 << 31
_SHOWN: Final = 200  # characters of a sentence of the other side


class Join(NamedTuple):
    """Asks a relay for a slot with a peer."""

    to: PeerId
    number: int
    salt: bytes


class Ring(NamedTuple):
    """Tells that a peer asks for us."""

    caller: PeerId
    salt: bytes
    slot: bytes


class Take(NamedTuple):
    """Answers a ring."""

    slot: bytes
    salt: bytes


class Given(NamedTuple):
    """Answers a Join."""

    number: int
    slot: bytes
    salt: bytes


class Failed(NamedTuple):
    """Answers a Join that cannot be."""

    number: int
    name: str
    sentence: str


class Leave(NamedTuple):
    """A slot is needed no longer."""

    slot: bytes


class Over(NamedTuple):
    """The relay passes nothing on for a slot any longer."""

    slot: bytes
    why: str


Said: TypeAlias = Join | Ring | Take | Given | Failed | Leave | Over


def pack(said: Said) -> bytes:
    """Return a line."""
    members: dict[str, JsonValue]
    match said:
        case Join(to, number, salt):
            members = {"to": str(to), "n": number, "salt": salt.hex()}
        case Ring(caller, salt, slot):
            members = {"from": str(caller), "salt": salt.hex(), "slot": slot.hex()}
        case Take(slot, salt):
            members = {"take": slot.hex(), "salt": salt.hex()}
        case Given(number, slot, salt):
            members = {"n": number, "slot": slot.hex(), "salt": salt.hex()}
        case Failed(number, name, sentence):
            members = {"n": number, "error": [name, sentence[:_SHOWN]]}
        case Leave(slot):
            members = {"leave": slot.hex()}
        case Over(slot, why):
            members = {"over": slot.hex(), "why": why[:_SHOWN]}
    return json.dumps(members, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def parse(line: bytes) -> Said | None:
    """Return what a line says; None for what a newer peer may say. Raises RemoteError for what is malformed."""
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise RemoteError("what a relay says is no JSON object")
    try:
        return _said(members)
    except (ValueError, TypeError, KeyError) as error:
        raise RemoteError(f"what a relay says cannot be read: {str(error)[:80]}") from None


def _said(members: dict[str, Any]) -> Said | None:
    """Read the members. Raises ValueError, TypeError, KeyError."""
    for name, read in _READERS.items():
        if name in members:
            return read(members)
    return None


def _failed(members: dict[str, Any]) -> Failed:
    name, sentence = members["error"]
    return Failed(_number(members), str(name)[:64], _plain(str(sentence)))


_READERS: Final[dict[str, Callable[[dict[str, Any]], Said]]] = {  # by the member that tells which it is
    "to": lambda said: Join(_peer(said, "to"), _number(said), _bytes(said, "salt", SALT_BYTES)),
    "from": lambda said: Ring(
        _peer(said, "from"), _bytes(said, "salt", SALT_BYTES), _bytes(said, "slot", SLOT_BYTES)
    ),
    "take": lambda said: Take(_bytes(said, "take", SLOT_BYTES), _bytes(said, "salt", SALT_BYTES)),
    "error": _failed,
    "n": lambda said: Given(_number(said), _bytes(said, "slot", SLOT_BYTES), _bytes(said, "salt", SALT_BYTES)),
    "leave": lambda said: Leave(_bytes(said, "leave", SLOT_BYTES)),
    "over": lambda said: Over(_bytes(said, "over", SLOT_BYTES), _plain(str(said.get("why", "")))),
}  # fmt: skip


class Lines:
    """Cuts what comes into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> list[bytes]:
        """Return the lines that are whole now. Raises RemoteError for one that is too long."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if any(len(line) > LINE_MAX for line in (*lines, self._rest)):
            raise RemoteError(f"a line has {LINE_MAX} bytes at the most between a relay and its users")
        return lines


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:_SHOWN]


def _peer(members: dict[str, Any], name: str) -> PeerId:
    return PeerId.parse(str(members[name]))


def _number(members: dict[str, Any]) -> int:
    number = members["n"]
    if not isinstance(number, int) or not 0 <= number < _NUMBERS:
        raise ValueError("n is no number of a request")
    return number


def _bytes(members: dict[str, Any], name: str, size: int) -> bytes:
    data = bytes.fromhex(str(members[name]))
    if len(data) != size:
        raise ValueError(f"{name} has {size} bytes in hexadecimal")
    return data
