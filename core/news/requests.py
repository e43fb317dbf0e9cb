"""The events of requests, which come with each of them, and what every event is: compiled, they cost little to make.

Each has the `__init__` that would be written for it, which mypyc calls without Python between (`core.frozen`). Python
does not use it, since nothing may be set there; tests/test_frozen.py compares the two.
"""
# mypy: disable-error-code="misc"
# "read-only": of the lines by which a frozen class is filled.

from dataclasses import field
from typing import ClassVar

from core.frozen import dataclass, mypyc_attr
from core.peer_id import PeerId
from core.values import Address, JsonValue


@mypyc_attr(allow_interpreted_subclasses=True)  # those of `core.news.events` come rarely, and stay Python
@dataclass(frozen=True, slots=True)
class PeerEvent:
    """Something happened; `at` is Unix seconds."""

    kind: ClassVar[str] = "event"
    at: float

    def __init__(self, at: float) -> None:
        self.at = at


@dataclass(frozen=True, slots=True)
class RequestSent(PeerEvent):
    """A request left for `peer`; `service` is the key it was asked under."""

    kind: ClassVar[str] = "request-sent"
    service: str
    peer: Address

    def __init__(self, at: float, service: str, peer: Address) -> None:
        self.at = at
        self.service = service
        self.peer = peer


@dataclass(frozen=True, slots=True)
class RequestServed(PeerEvent):
    """A caller's request was answered; `error` is the error text it was answered with, or None."""

    kind: ClassVar[str] = "request-served"
    service: str
    caller: Address
    seconds: float
    error: str | None
    peer_id: PeerId | None = None  # who that is, verified; None: a plain Grenache peer
    transport: str = "utp"  # or "http", "ws", "pub"

    def __init__(
        self,
        at: float,
        service: str,
        caller: Address,
        seconds: float,
        error: str | None,
        peer_id: PeerId | None = None,
        transport: str = "utp",
    ) -> None:
        self.at = at
        self.service = service
        self.caller = caller
        self.seconds = seconds
        self.error = error
        self.peer_id = peer_id
        self.transport = transport


@dataclass(frozen=True, slots=True)
class ReplyReceived(PeerEvent):
    """A reply came back, `seconds` after its request left."""

    kind: ClassVar[str] = "reply"
    peer: Address
    seconds: float
    data: JsonValue = field(repr=False)
    peer_id: PeerId | None = None  # who that is, verified; None: a plain Grenache peer
    transport: str = "utp"  # or "http", "ws"

    def __init__(
        self,
        at: float,
        peer: Address,
        seconds: float,
        data: JsonValue,
        peer_id: PeerId | None = None,
        transport: str = "utp",
    ) -> None:
        self.at = at
        self.peer = peer
        self.seconds = seconds
        self.data = data
        self.peer_id = peer_id
        self.transport = transport
