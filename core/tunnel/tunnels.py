"""The sessions of a peer: one with each other peer, opened by either side when needed, and kept for a while."""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError, TransportClosed
from core.limits import bounds
from core.limits.fair import site_limit
from core.peer_id import PeerId
from core.rpc.stream import Stream
from core.scope import network, site
from core.streams.config import StreamConfig
from core.tunnel.session import Session
from core.tunnel.stream import ByteStream
from core.values import Address, Caller

KEEP: Final = 120.0  # seconds an idle session is kept, so that the next open takes one round trip; as RPC's connections
SWEEP_EVERY: Final = 10.0  # seconds between looks for idle sessions
LOOK_EVERY: Final = 1.0  # seconds between looks at sessions that may have lost their way
MEETING: Final = 15.0  # seconds for a new way to a peer that fell silent, and at least between two tries
OTHERS_LOOKS: Final = 2  # in which other sessions with that peer are found silent too: they were heard a little later
REVIVED: Final = (
    15.0  # seconds for an old session to go on over the new way: two of uTP's longest time-outs, and a half
)

_log = logging.getLogger(__name__)


class Tunnels:
    """Opens streams to peers by their ID, and hands over those that others open here.

    `dial(peer_id, seconds)` returns an encrypted connection to that peer and nobody else, for streams. `trusts` tells
    whose sessions have kept places. `meet(peer_id, seconds)` is `dial` for a peer whose sessions fell silent: it
    trusts no connection that is kept. Without it nothing is done about silence.
    """

    def __init__(
        self,
        dial: Callable[[PeerId, float], Awaitable[Stream]],
        on_opening: Callable[[ByteStream], None],
        *,
        config: StreamConfig | None = None,
        limit: int = bounds.SESSIONS,
        trusts: Callable[[Caller], bool] = lambda caller: True,
        meet: Callable[[PeerId, float], Awaitable[Stream]] | None = None,
        rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`rest(seconds)` waits before a peer is met again that was not met; it may end sooner."""
        self._limit = limit
        self._open_to_strangers = limit - min(bounds.SESSIONS_KEPT, limit // 2)
        self._trusts = trusts
        self._dial = dial
        self._meet = meet
        self._rest = rest
        self._meeting: set[PeerId] = set()
        self._on_opening = on_opening
        self._config = config
        self._sessions: dict[PeerId, list[Session]] = {}
        self._dialing: dict[PeerId, asyncio.Future[Session]] = {}
        self._tasks = TaskSet("tunnels")
        self._closed = False

    def start(self) -> None:
        """Begin to look after idle sessions."""
        self._tasks.spawn(self._sweep_forever(), name="close idle sessions")
        if self._meet is not None:
            self._tasks.spawn(self._watch_forever(), name="watch for sessions that fall silent")

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
                if session.usable or left <= 0.001:
                    raise  # else the kept connection had died unseen, or is left: the next one is new

    # -- streams of theirs --------------------------------------------------------------------------------------------

    def lodger(self, connection: Stream) -> "Served":
        """Return what serves an accepted connection."""
        return Served(self, connection)

    async def serve(self, connection: Stream) -> None:
        """Serve an accepted connection until it ends; whatever happens then is told to its streams."""
        await self.lodger(connection).serve()

    def accept(self, connection: Stream) -> Session:
        """Begin to serve an accepted connection. Raises LocalError for a plain one, or when there is no place."""
        if connection.peer_id is None:
            connection.abort()
            raise LocalError("streams are for encrypted connections only")
        return self._add(connection, connection.peer_id, initiator=False)

    def hang_up(self, on: Callable[[PeerId], bool]) -> None:
        """Cut the sessions with these peers at once."""
        for peer_id, sessions in list(self._sessions.items()):
            if on(peer_id):
                for session in list(sessions):
                    session.abort(TransportClosed("this peer hung up"))

    def begin_again(self) -> None:
        """Trust no session: we slept, or are on another network. Those with streams are asked for a sign of life."""
        for session in self._all():
            session.doubt()
            if session.usable is False and not len(session):
                self._tasks.spawn(session.close(), name=f"leave idle {session.remote}")

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

    def reached(self) -> list[tuple[PeerId, Address]]:
        """Return who there are sessions with, verified, and at which address."""
        return [(peer_id, each.remote) for peer_id, found in self._sessions.items() for each in found if each.usable]

    def silences(self, peer_id: PeerId) -> list[tuple[Address, float]]:
        """Return where each session with a peer runs, and for how many seconds it has been silent."""
        now = asyncio.get_running_loop().time()
        return [(each.remote, now - each.heard_at) for each in self._sessions.get(peer_id, ()) if not each.over]

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
            self._make_room(Caller(connection.remote, peer_id), initiator=initiator)
        except LocalError:
            connection.abort()
            raise
        session = Session(
            connection, initiator=initiator, on_opening=self._on_opening, on_over=self._on_over,
            on_silent=self._look_at, config=self._config,
        )  # fmt: skip
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

    def _make_room(self, caller: Caller, *, initiator: bool) -> None:
        """Have a place for one more session. Raises LocalError when there is none.

        A stranger's newcomer ends idle sessions of strangers, and a busy one of a host that has two more. Ours, and
        those of trusted peers, end the session that is idle for longest, a stranger's first, and at
        last a stranger's busy one.
        """
        strangers = [session for session in self._all() if self._strange(session)]
        ours = initiator or self._trusts(caller)
        if not ours:
            same = _crowd(strangers, caller, self._open_to_strangers)
            if same or len(strangers) >= self._open_to_strangers:
                idle = _idlest(same or strangers)
                self._give_up(_of_most(strangers, caller) if idle is None else idle)
                return
        if self._count() >= self._limit:
            idle = _idlest(strangers) or (_idlest(self._all()) if ours else None)
            if idle is None and ours and strangers:
                idle = min(strangers, key=lambda session: session.used_at)
            self._give_up(idle)

    def _give_up(self, session: Session | None) -> None:
        if session is None:
            raise LocalError(f"{self._limit} peers have streams open: close some first", name="ERR_STREAM_LIMIT")
        self._tasks.spawn(session.close(), name=f"make room: {session.remote}")
        self._on_over(session)  # its place is free at once

    def _strange(self, session: Session) -> bool:
        return not session.initiator and not self._trusts(Caller(session.remote, session.peer_id))

    def _count(self) -> int:
        return sum(map(len, self._sessions.values()))

    async def _watch_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for session in self._all():
                self._look_at(session)

    def _look_at(self, session: Session) -> None:
        """Meet a peer again whose session has fallen silent."""
        peer_id, meet = session.peer_id, self._meet
        if meet is None or self._closed or peer_id is None or peer_id in self._meeting:
            return
        if session.asks and session.doubtful():
            self._meeting.add(peer_id)
            self._tasks.spawn(self._meet_again(peer_id, session, meet), name=f"meet {peer_id.short} again")

    async def _meet_again(
        self, peer_id: PeerId, silent: Session, meet: Callable[[PeerId, float], Awaitable[Stream]]
    ) -> None:
        """Open a new way to a peer that fell silent: a router between us gave us or it another address.

        Both sides then punch the other's new address, so the old session's packets pass again, and uTP follows them.
        Where both have moved neither knows where to send them: the new session shows it. New streams take that one at
        once. An old one that stays silent all the same is given up.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            _log.info("%s fell silent: it is met again", silent.remote)
            session = self._add(await meet(peer_id, MEETING), peer_id, initiator=True)
            session.used_at = loop.time()
            await self._lead(silent, session, peer_id, began)
        except PeerError as error:
            _log.info("%s is not met again: %s", silent.remote, error)
            await self._rest(max(0.0, began + MEETING - loop.time()))
        finally:
            self._meeting.discard(peer_id)

    async def _lead(self, silent: Session, session: Session, peer_id: PeerId, began: float) -> None:
        """Lead a silent session, and all others with that peer, to the new one's way; give up those that stay silent.

        `began`: what was heard later is alive. Returns soon where all are: they may fall silent once more.
        """
        loop = asyncio.get_running_loop()
        left = {silent: loop.time()}  # since when
        self._leave(silent, session, began)
        for looks in itertools.count():
            for each in list(self._sessions.get(peer_id, ())):
                if each not in left and _lost(each, began) and each.asks and each.doubtful():
                    left[each] = loop.time()
                    self._leave(each, session, began)
            await asyncio.sleep(LOOK_EVERY)
            for each, since in left.items():
                if _lost(each, began) and loop.time() - since >= REVIVED:
                    each.abort(_left(each))
            if looks >= OTHERS_LOOKS and not any(_lost(each, began) for each in left):
                return

    def _leave(self, silent: Session, session: Session, began: float) -> None:
        """Open nothing further in a silent session; its streams go on where the new one is."""
        silent.retire(_left(silent))
        if _lost(silent, began) and silent.remote != session.remote:
            silent.follow(session.remote)

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            self.look()


def _lost(session: Session, began: float) -> bool:
    """Return whether nothing has come of a session since then, though it is not over."""
    return not session.over and session.heard_at < began


def _left(silent: Session) -> TransportClosed:
    return TransportClosed(f"{silent.remote} fell silent, and is reached another way now")


class Served:
    """An accepted connection and its session (`core.rpc.stream.Lodger`)."""

    def __init__(self, tunnels: Tunnels, connection: Stream) -> None:
        self._tunnels = tunnels
        self._connection = connection
        self._session: Session | None = None

    async def serve(self) -> None:
        """Serve until it ends. Raises LocalError."""
        session = self._session = self._tunnels.accept(self._connection)
        await session.wait_over()
        await session.close()

    def held(self) -> int:
        """Return the bytes that wait in its streams."""
        return 0 if self._session is None else self._session.held

    def idle(self) -> float:
        """Return for how many seconds there has been no stream."""
        if self._session is None or len(self._session):
            return 0.0
        return asyncio.get_running_loop().time() - self._session.used_at


def _crowd(strangers: list[Session], caller: Caller, places: int) -> list[Session]:
    """Return the sessions of a caller's host, or of its site, if these have all that they may have; else none."""
    host = network(caller.address.host)
    same = [session for session in strangers if network(session.remote.host) == host]
    if len(same) >= bounds.SESSIONS_HOST:
        return same
    place = site(host)
    around = [session for session in strangers if site(session.remote.host) == place] if place else []
    return around if len(around) >= site_limit(bounds.SESSIONS_HOST, places) else []


def _of_most(strangers: list[Session], caller: Caller) -> Session | None:
    """Return the session used longest ago of the host or site with most, if that has two more than the caller's."""
    count = Counter(_place(session.remote) for session in strangers)
    crowd, most = max(count.items(), key=lambda each: each[1])
    if most <= count[_place(caller.address)] + 1:
        return None
    return min((each for each in strangers if _place(each.remote) == crowd), key=lambda session: session.used_at)


def _place(address: Address) -> str:
    return site(address.host) or network(address.host)


def _idlest(sessions: list[Session]) -> Session | None:
    """Return the session without streams that has been so for longest."""
    return min((session for session in sessions if not len(session)), key=lambda s: s.used_at, default=None)
