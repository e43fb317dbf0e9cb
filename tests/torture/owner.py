"""Owners of connections: they write, read, close and abort by their habits, and judge what came of it."""

from random import Random
from typing import TYPE_CHECKING

from core.errors import LocalError, PeerError
from core.utp.connection import Connection
from core.utp.events import Closed, Connected, Ended, Incoming, Moved, Readable, UtpEvent, Writable
from core.utp.state import State
from core.values import Address
from tests.torture.invariants import demand

if TYPE_CHECKING:
    from tests.torture.arena import Arena, Host


class End:
    """One end of a connection, and what its owner wrote, read and was told."""

    def __init__(self, owner: "Owner", connection: Connection, name: str, *, peer: "End | None") -> None:
        self.owner, self.connection, self.peer = owner, connection, peer
        self.habits = owner.habits
        self.random = Random(f"end {owner.arena.plan.seed} {name}")
        self.data = self.random.randbytes(self.habits.size)
        self.written = 0  # bytes accepted
        self.received = bytearray()
        self.told: list[type[UtpEvent]] = []
        self.error: PeerError | None = None
        self.closing = self.aborted = False
        self._piece = 0  # bytes left of the write under way
        self._boundary = self._waits = self._reads_later = False
        if self.habits.closes == "at":
            owner.host.later(self.habits.at, self.close)
        if self.habits.abort_at < float("inf"):
            owner.host.later(self.habits.abort_at, self.abort)

    @property
    def known(self) -> str:
        """Return how the connection is called in a failure's message."""
        return f"side {self.owner.host.side}, {self.connection.remote} {self.connection.receive_id}"

    def has(self, kind: type[UtpEvent]) -> bool:
        """Whether an event was told."""
        return kind in self.told

    # -- habits -------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write as much as is taken, in pieces; close after the last if that is the habit."""
        if self._waits or self.closing or self.aborted or self.has(Closed):
            return
        while self.written < len(self.data):
            if not self._piece:
                self._piece = self.random.randint(1, min(self.habits.most, len(self.data) - self.written))
                self._boundary = self.random.random() < self.habits.boundary
                if self.habits.pause and self.written:
                    self._waits = True
                    self.owner.host.later(self.random.random() * self.habits.pause, self._waited)
                    return
            view = memoryview(self.data)[self.written : self.written + self._piece]
            taken = self.connection.write(view, self.owner.host.now, boundary=self._boundary)
            demand(0 <= taken <= len(view), "taken", taken, len(view))
            self._boundary = self._boundary and not taken
            self.written += taken
            self._piece -= taken
            if self._piece:
                return
        if self.habits.closes == "written" or (self.habits.closes == "ended" and self.has(Ended)):
            self.close()

    def close(self) -> None:
        """Close for writing; a write is refused from then on."""
        if self.closing or self.aborted or self.has(Closed):
            return
        self.closing = True
        self.connection.close(self.owner.host.now)
        try:
            taken = self.connection.write(b"late", self.owner.host.now)
        except LocalError:
            return
        broken = taken == 0 and self.connection.state is State.CLOSED  # and we are not told yet
        demand(broken, "a write after close was taken", self.known)

    def abort(self) -> None:
        """End at once."""
        if not self.has(Closed):
            self.aborted = True
            self.connection.abort(self.owner.host.now)

    def read(self) -> None:
        """Read what there is."""
        self._reads_later = False
        for chunk in self.connection.read(self.owner.host.now):
            demand(bool(chunk), "an empty chunk", self.known)
            self.received += chunk

    def hear(self, event: UtpEvent) -> None:
        """Take an event; its place among the others must be right."""
        kind = type(event)
        demand(not self.has(Closed), "told after Closed", self.known, kind)
        demand(kind in (Readable, Writable, Moved) or not self.has(kind), "told twice", self.known, kind)
        demand(kind is not Readable or not self.has(Ended), "Readable after Ended", self.known)
        demand(bool(self.told) or kind in (Connected, Incoming, Closed), "told first", self.known, kind)
        self.told.append(kind)
        if isinstance(event, Readable):
            self._read_by_habit()
        elif isinstance(event, Closed):
            self.error = event.error
            self.read()
        else:
            self.write()

    def _waited(self) -> None:
        self._waits = False
        self.write()

    def _read_by_habit(self) -> None:
        host, habits = self.owner.host, self.habits
        since = host.arena.now - host.arena.plan.start
        wait = max(habits.read_from - since, self.random.random() * habits.read_every)
        if wait <= 0:
            self.read()
        elif not self._reads_later:
            self._reads_later = True
            host.later(wait, self.read)

    # -- verdict ------------------------------------------------------------------------------------------------

    def judge(self, *, alive: bool) -> None:
        """Data arrived exactly, or there is a named error."""
        plan = self.owner.arena.plan
        if alive:
            demand(self.has(Closed), "never told Closed", self.known, self.told)
        demand(self.error is None or isinstance(self.error, PeerError), "no PeerError", self.known, self.error)
        if not plan.anywhere:
            self._judge_bytes(peaceful=plan.peaceful)

    def _judge_bytes(self, *, peaceful: bool) -> None:
        peer = self.peer
        there = b"" if peer is None else peer.data[: peer.written]
        demand(there.startswith(self.received), "wrong bytes", self.known, len(self.received), len(there))
        if self.has(Ended):
            demand(peer is not None and peer.closing, "an end that nobody made", self.known)
            demand(len(self.received) == len(there), "ended too soon", self.known, len(self.received), len(there))
        orderly = self.has(Closed) and self.error is None and not self.aborted and self.has(Connected)
        demand(not orderly or self.has(Ended), "orderly without the peer's end", self.known)
        if orderly and peer is not None and peer.owner.lives and not peer.aborted:
            demand(len(peer.received) == self.written, "orderly and not delivered", self.known, len(peer.received))
        if peaceful:
            demand(self.error is None, "an error for no reason", self.known, self.error)
            demand(self.closing, "never closed", self.known)


class Owner:
    """Owns all connections of one life of one side."""

    def __init__(self, host: "Host", arena: "Arena", life: int) -> None:
        self.host, self.arena, self.life = host, arena, life
        self.habits = arena.plan.habits[host.side]
        self.mux = host.mux
        self.ends: dict[Connection, End] = {}

    @property
    def lives(self) -> bool:
        """Whether this life lasted to the end."""
        return self.host.alive and self.host.owner is self

    def call(self, remote: Address) -> None:
        """Connect."""
        connection = self.mux.connect(remote, self.host.now)
        number = len(self.ends)
        end = self.ends[connection] = End(self, connection, f"{self.host.side} {self.life} {number}", peer=None)
        self.arena.callers[self.host.side, connection.receive_id] = end
        if end.random.random() < 0.5:
            end.write()

    def hear(self, event: UtpEvent) -> None:
        """Take an event of the mux."""
        connection = event.connection
        if isinstance(event, Incoming):
            demand(connection not in self.ends, "incoming twice", connection.remote)
            self._accept(connection)
        self.ends[connection].hear(event)

    def _accept(self, connection: Connection) -> None:
        caller = self._caller(connection.send_id)
        anywhere = self.arena.plan.anywhere
        demand(anywhere or caller is not None, "nobody called", connection.remote, connection.send_id)
        name = f"{self.host.side} {self.life} accepted {len(self.ends)}"
        end = self.ends[connection] = End(self, connection, name, peer=caller)
        if caller is not None:
            demand(anywhere or caller.peer is None or not caller.peer.owner.lives, "accepted twice", end.known)
            caller.peer = end

    def _caller(self, receive_id: int) -> End | None:
        """Return who called with this id; one whose id met another's has taken a new one since."""
        side, callers = 1 - self.host.side, self.arena.callers
        renumbered = (end for (whose, _), end in callers.items() if whose == side)
        known = callers.get((side, receive_id))
        return known or next((end for end in renumbered if end.connection.receive_id == receive_id), None)

    def judge(self, *, alive: bool) -> None:
        """Judge every connection."""
        for end in self.ends.values():
            end.judge(alive=alive)
