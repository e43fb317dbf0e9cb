"""What the user has the peer do, one act after the other, in the order of the clicks."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from core.errors import PeerError
from desktop.bridge.session import NOT_OPEN, Session, sentence

if TYPE_CHECKING:
    from core.peer import Peer

Act: TypeAlias = "Callable[[Peer], Awaitable[None]]"
MAX_WAITING = 100  # acts; a person is never so far ahead of a peer that works
TOO_MANY = "The peer is busy with what it was told before. Try again in a moment."


class Acts:
    """`failed` hears a sentence about what went wrong; `done` is called after each act."""

    def __init__(self, failed: Callable[[str], None], done: Callable[[], None]) -> None:
        self._failed, self._done = failed, done
        self._waiting: deque[tuple[str, Act]] = deque()
        self._session: Session | None = None

    def attach(self, session: Session) -> None:
        """Act on this peer."""
        self._session = session

    def detach(self) -> None:
        """Act on none. Its tasks have ended."""
        self._session = None
        self._waiting.clear()

    def do(self, name: str, act: Act) -> None:
        """Have the peer do something, after what it was told before."""
        if self._session is None or len(self._waiting) >= MAX_WAITING:
            self._failed(NOT_OPEN if self._session is None else TOO_MANY)
            return
        self._waiting.append((name, act))
        if len(self._waiting) == 1:
            self._session.tasks.spawn(self._do_in_order(self._session.peer), name=name)

    async def _do_in_order(self, peer: "Peer") -> None:
        try:
            while self._waiting:
                try:
                    await self._waiting[0][1](peer)
                except PeerError as error:
                    self._failed(sentence(error))
                self._waiting.popleft()
                self._done()
        finally:
            self._waiting.clear()
