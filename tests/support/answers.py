"""An RPC server's calls by a plain function: `RpcServer(answered_by(handler))`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from core.rpc.received import Receive
from core.values import Caller, JsonValue, Outcome

Handler: TypeAlias = Callable[[str, JsonValue, Caller], Outcome]  # (key, payload, caller)
# (key, caller, seconds, error or None, bytes of the request, bytes of the reply: 0 when it could not be sent)
OnServed: TypeAlias = Callable[[str, Caller, float, str | None, int, int], None]


@dataclass(eq=False, slots=True)
class PlainCall:
    """See `core.rpc.received.Received`."""

    handler: Handler
    on_served: OnServed | None
    key: str
    caller: Caller
    received: int

    def answer(self, payload: JsonValue, /) -> Outcome:
        return self.handler(self.key, payload, self.caller)

    def ended(self, seconds: float, error: str | None, sent: int, /) -> None:
        if self.on_served is not None:
            self.on_served(self.key, self.caller, seconds, error, self.received, sent)


def answered_by(handler: Handler, on_served: OnServed | None = None) -> Receive:
    """Return what an RPC server is made with: requests are answered by `handler`, and `on_served` hears of each."""
    return lambda key, _, caller, size: PlainCall(handler, on_served, key, caller, size)
