"""Requests of the user on their way out, and how each of them ended."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from core.errors import LocalError, PeerError, RefusedError
from core.values import JsonValue
from desktop.bridge.session import NOT_OPEN, Session
from desktop.models.words import REFUSALS
from desktop.views.contract import Ending

if TYPE_CHECKING:
    from core.peer import Reply

MAX_REQUESTS = 64  # in flight; a person sends one at a time, a stuck key sends thirty a second
CLOSED = "The peer was closed before the answer came."
CANCELLED = "You cancelled this request."
NOT_THE_PEER = ("ERR_GRAPE", "ERR_NO_IDENTITY")  # refusals by a grape, or by ourselves: no peer has answered
_SILENT: Ending = "silent"


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """How one request ended: exactly one of `reply` and `error` is set. `seconds` is the time waited here."""

    ticket: int
    target: str
    payload: JsonValue
    reply: "Reply | None"
    error: str | None
    seconds: float
    ending: Ending = "silent"


class Requests:
    """`finished` hears each outcome, once, and never before `send` has returned its ticket."""

    def __init__(self, owner: QObject, finished: Callable[[RequestOutcome], None], ticket: Callable[[], int]) -> None:
        self._owner, self._finished, self._ticket = owner, finished, ticket
        self._waiting: dict[int, tuple[str, JsonValue, float]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._session: Session | None = None

    def attach(self, session: Session) -> None:
        """Send through this peer."""
        self._session = session

    def detach(self) -> None:
        """End what is under way with an error."""
        self._session = None
        self._tasks.clear()
        for ticket in list(self._waiting):
            self._finish(ticket, None, CLOSED)

    def send(self, target: str, payload: JsonValue, timeout: float) -> int:
        """Send a request; `timeout` in seconds."""
        ticket = self._ticket()
        self._waiting[ticket] = (target, payload, time.monotonic())
        if len(self._waiting) > MAX_REQUESTS:
            self._later(ticket, f"{MAX_REQUESTS} requests are under way already. Wait for one of them to end.")
        elif self._session is None:
            self._later(ticket, NOT_OPEN)
        else:
            asking = self._request(self._session, ticket, target, payload, timeout)
            self._tasks[ticket] = self._session.tasks.spawn(asking, name=f"request {ticket}")
        return ticket

    def cancel(self, ticket: int) -> None:
        """End a request that is under way; its outcome says so. One that has ended stays as it is."""
        task = self._tasks.get(ticket)
        if task is not None:
            self._finish(ticket, None, CANCELLED, "cancelled")
            task.cancel()

    async def _request(self, session: Session, ticket: int, target: str, payload: JsonValue, timeout: float) -> None:
        error, ending = CLOSED, _SILENT  # when cancelled
        try:
            reply = await session.peer.request(target, payload, timeout=timeout)
        except PeerError as refused:
            error, ending = f"{refused.name}: {refused}", _ending(refused)
        except Exception as defect:  # told to the panel that waits, then reported as every defect is
            error = f"{PeerError.name}: the request ended in a defect of this program ({type(defect).__name__})."
            raise
        else:
            self._finish(ticket, reply, None, "reply")
        finally:
            self._tasks.pop(ticket, None)
            self._finish(ticket, None, error, ending)

    def _later(self, ticket: int, error: str) -> None:
        QTimer.singleShot(0, self._owner, lambda: self._finish(ticket, None, error))

    def _finish(self, ticket: int, reply: "Reply | None", error: str | None, ending: Ending = "silent") -> None:
        """Tell the outcome, once."""
        if ticket not in self._waiting:
            return
        target, payload, since = self._waiting.pop(ticket)
        waited = time.monotonic() - since
        self._finished(RequestOutcome(ticket, target, payload, reply, error, waited, ending))


def _ending(error: PeerError) -> Ending:
    """Return how a request ended that was answered with, or failed by, this error."""
    if isinstance(error, LocalError):
        return "unsent"
    if not isinstance(error, RefusedError) or error.name.startswith(NOT_THE_PEER):
        return _SILENT
    return "refused" if error.name in REFUSALS else "error"
