"""One incoming request, from its arrival to its record: what it is, whose it is, and what became of it.

What a request means is worked out once, by `core.serving.handler.Handler.receive`. Quota, admission, the service and
the record then read and write this one object. It does not keep the payload: what the next kinds of service bring (a
byte stream that is opened) can be admitted, counted and recorded by the same object.
"""

import asyncio
from typing import TYPE_CHECKING, Protocol

from core.ledger.record import outcome
from core.services.service import Service, consumer_key, worker_key
from core.values import Caller, JsonValue, Outcome

if TYPE_CHECKING:
    from core.serving.handler import Handler
    from core.serving.quota import Account
    from core.trust.permissions import NotAllowed

MAX_SHOWN = 80  # characters of a key that means nothing here; it is a stranger's text


class Broker(Protocol):
    """The broker that this peer may be."""

    def serves(self, key: str, payload: JsonValue = None) -> bool:
        """Return whether a request is for it."""

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Answer it, and count it."""


class Call:
    """A request. `service` and `broker` say where it goes: one of them, or neither when its key means nothing here."""

    __slots__ = (
        "account", "broker", "caller", "counted", "error", "handler", "key", "known", "once", "received", "refusal",
        "seconds", "sent", "service", "stream", "task", "transport", "trusted",
    )  # fmt: skip

    def __init__(
        self,
        handler: "Handler",
        key: str,
        caller: Caller,
        service: Service | None,
        broker: Broker | None,
        trusted: bool,
        received: int,
        *,
        stream: bool = False,
        transport: str = "utp",
    ) -> None:
        """`trusted`: the owner trusts this caller with something; `received`: bytes of the request, as they came.

        `stream`: a byte stream was opened, and is under way for as long as it is open; `transport`: or "http", "ws",
        "pub".
        """
        self.handler = handler
        self.key = key
        self.caller = caller
        self.service = service
        self.broker = broker
        self.trusted = trusted
        self.received = received
        self.stream = stream
        self.transport = transport
        self.sent = 0  # bytes of the reply; 0 when it could not be sent
        self.seconds = 0.0  # from its arrival to its end
        self.error: str | None = None  # the text it was answered with: "ERR_X" or "ERR_X: a sentence"
        self.account: Account | None = None  # what it is charged to; None: callers on this machine are not counted
        self.counted = False  # in its account, as under way
        self.once = False  # the owner has accepted it this one time
        self.known = False  # its caller was in the list of known peers when it was let in
        self.task: asyncio.Task[object] | None = None  # answers it, while it is under way
        self.refusal: NotAllowed | None = None  # why it was stopped under way

    @property
    def name(self) -> str:
        """The service's name for people and for the record; the key, cut, when it means nothing here."""
        return self.key[:MAX_SHOWN] if self.service is None else self.service.name

    @property
    def label(self) -> str:
        """The name under which the service is announced; the key, cut, when it means nothing here."""
        return self.key[:MAX_SHOWN] if self.service is None else worker_key(self.service.name)

    @property
    def wanted(self) -> str | None:
        """The name under which those who want the service are announced; None when the key means nothing here."""
        return None if self.service is None else consumer_key(self.service.name)

    @property
    def outcome(self) -> str:
        """ "ok", or the name of the error it was answered with."""
        return outcome(self.error)

    def left(self) -> None:
        """Hear that it is under way no longer. Idempotent."""
        if self.counted and self.account is not None:
            self.account.under_way -= 1
        self.counted = False

    def answer(self, payload: JsonValue) -> Outcome:
        """Return the answer, or what is awaited for it. Raises PeerError."""
        return self.handler.answer(self, payload)

    def ended(self, seconds: float, error: str | None, sent: int) -> None:
        """Hear how it ended. Must be called once, whatever happened."""
        self.seconds, self.error, self.sent = seconds, error, sent
        self.handler.ended(self)
