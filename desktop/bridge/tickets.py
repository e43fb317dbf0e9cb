"""Questions of the views to the peer, each with a ticket: answered once, and never before its ticket is returned."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtCore import QObject, QTimer

from core.errors import PeerError
from desktop.bridge.session import NOT_OPEN, Session, sentence

if TYPE_CHECKING:
    from core.peer import Peer

MAX_ASKED = 64  # under way at a time; a person has a handful, a stuck key thirty a second
TOO_MANY = "Too many questions are under way already. Wait for one of them to end."
CLOSED = "The peer was closed before the answer came."
DEFECT = "This ended in a defect of this program. The log has the story."

Work: TypeAlias = "Callable[[Peer], Awaitable[None]]"
Failed: TypeAlias = Callable[[str], None]


class Tickets:
    """Runs what was asked for beside all else; what fails is said to the one who asked."""

    def __init__(self, owner: QObject, ticket: Callable[[], int]) -> None:
        self._owner, self._ticket = owner, ticket
        self._session: Session | None = None
        self._failed: dict[int, Failed] = {}  # of what is under way
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def attach(self, session: Session) -> None:
        """Ask this peer."""
        self._session = session

    def detach(self) -> None:
        """Ask none; what was under way has ended, and is answered so."""
        self._session = None
        self._tasks.clear()
        for ticket in list(self._failed):
            self._fail(ticket, CLOSED)

    def ask(self, name: str, work: Callable[[int], Work], failed: Callable[[int, str], None]) -> int:
        """Have the peer do `work(ticket)`; `failed(ticket, sentence)` is called when that cannot be."""
        ticket = self._ticket()
        self._failed[ticket] = lambda words: failed(ticket, words)
        if self._session is None or len(self._failed) > MAX_ASKED:
            words = NOT_OPEN if self._session is None else TOO_MANY
            QTimer.singleShot(0, self._owner, lambda: self._fail(ticket, words))
        else:
            running = self._run(self._session.peer, ticket, work(ticket))
            self._tasks[ticket] = self._session.tasks.spawn(running, name=name)
        return ticket

    def cancel(self, ticket: int) -> None:
        """End what is under way, and say nothing more of it. One that has ended stays as it is."""
        self._failed.pop(ticket, None)
        task = self._tasks.get(ticket)
        if task is not None:
            task.cancel()

    async def _run(self, peer: "Peer", ticket: int, work: Work) -> None:
        words = CLOSED  # when cancelled from within
        try:
            await work(peer)
        except PeerError as error:
            words = sentence(error)
        except Exception:
            words = DEFECT
            raise  # reported as every defect is
        else:
            self._failed.pop(ticket, None)
        finally:
            self._tasks.pop(ticket, None)
            self._fail(ticket, words)

    def _fail(self, ticket: int, words: str) -> None:
        failed = self._failed.pop(ticket, None)
        if failed is not None:
            failed(words)
