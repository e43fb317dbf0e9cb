"""What this peer uses of others: asked for, opened, watched, and opened again in the next peer or at the next start."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.errors import PeerError
from core.limits.rate import Backoff
from core.news.events import UseRow
from core.peer_id import PeerId
from core.profile.shares import KeptUse
from desktop.bridge.acts import Acts
from desktop.bridge.session import Session, sentence
from desktop.bridge.tickets import Tickets, Work
from desktop.bridge.watching import Batches
from desktop.models.values import MOST, value_row

if TYPE_CHECKING:
    from core.peer import Peer

AGAIN_FIRST, AGAIN_MOST = 5.0, 60.0  # seconds between two tries to ask a friend who is away of what kind a service is
LONGEST = 256 * 1024  # bytes of one line of values, as the other side's own bound (core.kinds.program.LINE_MAX)
ENDED = "The other side ended it."
TOO_LONG = "The other side sent a value that is too long."


class Using(QObject):
    """The verbs of the page *Using* (`desktop.views.contract_shares.UsingLike`)."""

    offered = Signal(object, object, str)  # ticket, tuple[OfferRow, ...], "" or why there is none
    opened = Signal(object, str, str)  # ticket, where (URL or HOST:PORT), "" or why not
    values = Signal(object, object)  # ticket, tuple[ValueRow, ...], oldest first
    ended = Signal(object, str)  # ticket of what was watched, a sentence
    kept = Signal(object)  # KeptUse: to be remembered
    dropped = Signal(object, str)  # PeerId, service: to be opened at the next start no longer

    def __init__(self, parent: QObject, acts: Acts, ticket: Callable[[], int], failed: Callable[[str], None]) -> None:
        super().__init__(parent)
        self._acts = acts
        self._failed = failed
        self._tickets = Tickets(self, ticket)
        self._batches = Batches(self, self.values.emit)
        self._kept: dict[tuple[PeerId, str], KeptUse] = {}
        self._again: tuple[KeptUse, ...] = ()  # to be opened in the next peer
        self._session: Session | None = None

    def hold(self, kept: Iterable[KeptUse]) -> None:
        """Take what was remembered; it is opened in this peer, or else in the next."""
        for each in kept:
            if (each.peer_id, each.service) not in self._kept:
                self._kept[each.peer_id, each.service] = each
                self._again = (*self._again, each)
        self._open_all()

    def attach(self, session: Session) -> None:
        """Open through this peer what was open."""
        self._session = session
        self._tickets.attach(session)
        self._open_all()

    def detach(self) -> None:
        """Keep what is open for the next peer. Its tasks have ended."""
        if self._session is not None:
            open_now = {(row.peer_id, row.service): _as_kept(row) for row in self._session.peer.snapshot().uses}
            self._again = tuple({**self._kept, **open_now}.values())
        self._session = None
        self._tickets.detach()

    def _open_all(self) -> None:
        if self._session is None:
            return
        again, self._again = self._again, ()
        for each in again:
            opening = self._open_again(self._session.peer, each)
            self._session.tasks.spawn(opening, name=f"open {each.service} again")

    async def _open_again(self, peer: "Peer", kept: KeptUse) -> None:
        """Open at the port where it was, or else at any. Who has to be asked first, and is away, is asked again."""
        backoff = Backoff(AGAIN_FIRST, AGAIN_MOST)
        port = kept.port
        while True:
            try:
                await peer.use(kept.peer_id, kept.service, kind=kept.kind, port=port)
            except PeerError as error:
                if port and error.name == "ERR_PORT_TAKEN":
                    port = 0
                elif kept.kind:
                    self._failed(sentence(error))
                    return
                else:
                    await asyncio.sleep(backoff.failed())
            else:
                return

    # -- what the user asks for ----------------------------------------------------------------------------------------

    def ask(self, peer_id: PeerId) -> int:
        """Ask what a peer shares with us; `offered` says it."""

        def work(ticket: int) -> Work:
            async def ask(peer: "Peer") -> None:
                self.offered.emit(ticket, await peer.offered_by(peer_id), "")

            return ask

        return self._tickets.ask("ask what is shared", work, lambda ticket, words: self.offered.emit(ticket, (), words))

    def open(self, peer_id: PeerId, service: str, kind: str) -> int:
        """Open a service here; `opened` says where."""

        def work(ticket: int) -> Work:
            async def open_it(peer: "Peer") -> None:
                self.opened.emit(ticket, await peer.use(peer_id, service, kind=kind), "")

            return open_it

        return self._tickets.ask("open a service", work, lambda ticket, words: self.opened.emit(ticket, "", words))

    def close(self, where: str) -> None:
        """Close what is open here, and open it no longer at the next start."""

        async def close(peer: "Peer") -> None:
            for row in peer.snapshot().uses:
                if row.where == where:
                    self.keep(row, False)
            await peer.stop_using(where)

        self._acts.do("close a service", close)

    def keep(self, row: UseRow, on: bool) -> None:
        """Open this at the next start, or no longer."""
        key = (row.peer_id, row.service)
        if on and key not in self._kept:
            self._kept[key] = _as_kept(row)
            self.kept.emit(self._kept[key])
        elif not on and self._kept.pop(key, None) is not None:
            self.dropped.emit(*key)

    def is_kept(self, row: UseRow) -> bool:
        """Return whether this is opened at the next start."""
        return (row.peer_id, row.service) in self._kept

    def watch(self, peer_id: PeerId, service: str) -> int:
        """Watch the values of a service: `values` tells them, `ended` that they have ended and why."""

        def work(ticket: int) -> Work:
            return lambda peer: self._watch(peer, ticket, peer_id, service)

        return self._tickets.ask(f"watch {service}", work, self._end_watch)

    def cancel(self, ticket: int) -> None:
        """End a question, or what is watched; nothing more is said of it."""
        self._tickets.cancel(ticket)
        self._batches.forget(ticket)

    async def _watch(self, peer: "Peer", ticket: int, peer_id: PeerId, service: str) -> None:
        from core.kinds.values import parse_line  # with the core only

        stream = await peer.open_stream(peer_id, service)
        try:
            await stream.accepted()
            left = b""
            while data := await stream.read():
                *lines, left = (left + data).split(b"\n")
                if len(left) > LONGEST:
                    self._end_watch(ticket, TOO_LONG)
                    return
                for line in lines[-MOST:]:  # a burst of more is not shown anyway, and would hold the window up
                    try:
                        self._batches.put(ticket, value_row(*parse_line(line)))
                    except (ValueError, RecursionError):
                        continue  # one line that cannot be read costs no other
            self._end_watch(ticket, ENDED)
        finally:
            stream.reset()

    def _end_watch(self, ticket: int, words: str) -> None:
        self._batches.end(ticket)
        self.ended.emit(ticket, words)


def _as_kept(row: UseRow) -> KeptUse:
    port = 0 if row.where.startswith("http") else int(row.where.rpartition(":")[2] or 0)
    return KeptUse(row.peer_id, row.service, row.kind, port)
