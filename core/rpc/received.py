"""What a server needs from the serving side: a call for each request, from its arrival to its end."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from core.errors import LocalError
from core.values import Caller, JsonValue, Outcome


class Received(Protocol):
    """One incoming request. What it is was decided when it was received; the real one is `core.serving.call.Call`."""

    def answer(self, payload: JsonValue, /) -> Outcome:
        """Return the answer, or what is awaited for it. Raises PeerError. Not called when there is no room for it."""

    def ended(self, seconds: float, error: str | None, sent: int, /) -> None:
        """Hear, once, how it ended: the error text it was answered with, bytes of the reply; 0: it was not sent."""


Receive: TypeAlias = Callable[[str, JsonValue, Caller, int], Received]  # (key, payload, caller, bytes of the request)


class Overdrawn(LocalError):
    """A caller holds as much memory here as it may."""

    name = "ERR_RATE_LIMITED"
