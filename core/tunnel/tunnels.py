"""The sessions of a peer: one with each other peer, opened by either side when needed, and kept for a while."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError, TransportClosed
from core.peer_id import PeerId
from core.rpc.stream import Stream
from core.streams.config import StreamConfig
from core.tunnel.session import Session
from core.tunnel.stream import ByteStream

KEEP: Final = 120.0  # seconds an idle session is kept, so that the next open takes one round trip; as RPC's connections
SWEEP_EVERY: Final = 10.0  # seconds between looks for idle sessions
MAX_SESSIONS: Final = 256  # as many as the RPC client keeps connections; the one idle for longest makes room

_log = logging.getLogger(__name__)


class Tunnels:
    """Opens streams to peers by their ID, and hands over those that others open here.

    `dial(peer_id, seconds)` returns an encrypted connection to that peer and nobody else, for streams.
    """

    def __init__(
        self,
        dial: Callable[[PeerId, float], Awaitable[Stream]],
        on_opening: Callable[[ByteStream], None],
        *,
        config: StreamConfig | None = None,
        limit: int = MAX_SESSIONS,
    ) -> None:
        self._limit = limit
        self._dial = dial
        self._on_opening = on_opening
        self._config = config
        self._sessions: dict[PeerId, list[Session]] = {}
        self._dialing: dict[PeerId, asyncio.Future[Session]] = {}
        self._tasks = TaskSet("tunnels")
        self._closed = False

    def start(self) -> None:
        """Begin to look after idle sessions."""
        self._tasks.spawn(self._sweep_forever(), name="close idle sessions")

    async def aclose(self) -> None:
        """End all sessions and streams, and tell the other sides."""
        self._closed = True
        sessions = self._all()
        await asyncio.gather(*(session.close() for session in sessions))
        await self._tasks.aclose()

    # -- streams of ours ----------------------------------------------------------------------------------------------

    def kept(self, peer_id: PeerId) -> Session | None:
        """Return a session with a peer that is open already."""
        usable = (session for session in self._sessions.get(peer_id, ()) if session.usable)
        return next(usable, None)

    async def session(self, peer_id: PeerId, timeout: float) -> Session:
        """Return a session with a peer, connecting if there is none. Raises PeerError."""
        kept = self.kept(peer_id)
        if kept is not None:
            return kept
        if self._closed:
            raise TransportClosed("this peer is closed")
        dialing = self._dialing.get(peer_id)
        if dialing is None:
            dialing = self._dialing[peer_id] = asyncio.get_running_loop().create_future()
            self._tasks.spawn(self._connect(peer_id, timeout, dialing), name=f"connect to {peer_id.short}")
        try:
            return await asyncio.shield(dialing)
        except PeerError as error:
            raise error.again() from None

    async def open(self, peer_id: PeerId, payload: bytes, timeout: float) -> ByteStream:
        """Open a stream to a peer and wait until it is taken. Raises RefusedError, RequestTimeout, other PeerErrors."""
        until = asyncio.get_running_loop().time() + timeout
        while True:
            session = await self.session(peer_id, timeout)
            left = max(0.001, until - asyncio.get_running_loop().time())
            try:
                return await session.open_accepted(payload, left)
            except TransportClosed:
                if not session.over or left <= 0.001:
                    raise  # else the kept connection had died unseen: the next one is new

    # -- streams of theirs --------------------------------------------------------------------------------------------

    async def serve(self, connection: Stream) -> None:
        """Serve an accepted connection until it ends; whatever happens then is told to its streams."""
        if connection.peer_id is None:
            connection.abort()
            raise LocalError("streams are for encrypted connections only")
        session = self._add(connection, connection.peer_id, initiator=False)
        await session.wait_over()
        await session.close()

    def hang_up(self, on: Callable[[PeerId], bool]) -> None:
        """Cut the sessions with these peers at once."""
        for peer_id, sessions in list(self._sessions.items()):
            if on(peer_id):
                for session in list(sessions):
                    session.abort(TransportClosed("this peer hung up"))

    def look(self) -> None:
        """Close the sessions that have been idle for long."""
        now = asyncio.get_running_loop().time()
        for session in self._all():
            if not len(session) and now - session.used_at >= KEEP:
                self._tasks.spawn(session.close(), name=f"close idle {session.remote}")

    def count(self) -> tuple[int, int]:
        """Return how many sessions and how many streams there are."""
        sessions = self._all()
        return len(sessions), sum(map(len, sessions))

    # -- within -------------------------------------------------------------------------------------------------------

    def _all(self) -> list[Session]:
        return [session for sessions in self._sessions.values() for session in sessions]

    async def _connect(self, peer_id: PeerId, timeout: float, dialing: "asyncio.Future[Session]") -> None:
        failure: PeerError = TransportClosed("this peer is closed")
        try:
            session = self._add(await self._dial(peer_id, timeout), peer_id, initiator=True)
            dialing.set_result(session)
        except PeerError as error:
            failure = error
        finally:
            self._dialing.pop(peer_id, None)
            if not dialing.done():
                dialing.set_exception(failure)
                dialing.exception()  # retrieved: who asked may have gone

    def _add(self, connection: Stream, peer_id: PeerId, *, initiator: bool) -> Session:
        try:
            self._make_room()
        except LocalError:
            connection.abort()
            raise
        session = Session(
            connection, initiator=initiator, on_opening=self._on_opening, on_over=self._on_over, config=self._config
        )
        self._sessions.setdefault(peer_id, []).append(session)
        session.start()
        return session

    def _on_over(self, session: Session) -> None:
        peer_id = session.peer_id
        sessions = self._sessions.get(peer_id, []) if peer_id is not None else []
        if session in sessions:
            sessions.remove(session)
        if peer_id is not None and not sessions:
            self._sessions.pop(peer_id, None)

    def _make_room(self) -> None:
        """Close the session that has been idle for longest when there are too many; busy ones are kept."""
        sessions = self._all()
        if len(sessions) >= self._limit:
            idle = min((session for session in sessions if not len(session)), key=lambda s: s.used_at, default=None)
            if idle is None:
                raise LocalError(f"{self._limit} peers have streams open: close some first", name="ERR_STREAM_LIMIT")
            self._tasks.spawn(idle.close(), name=f"make room: {idle.remote}")

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            self.look()
