"""The record of calls: asked for, exported, cleared."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from core.errors import PeerError
from core.news.events import PeerSnapshot
from desktop.bridge.acts import Acts
from desktop.bridge.session import Session

if TYPE_CHECKING:
    from core.ledger.record import CallRecord
    from core.peer import Peer

MAX_NAMED = 100  # known peers that a search finds by name; more is no search


class Records:
    """`found` hears ticket and calls, `said` a sentence, `cleared` that every call is forgotten."""

    def __init__(
        self,
        owner: QObject,
        acts: Acts,
        snapshot: Callable[[], PeerSnapshot | None],
        *,
        found: "Callable[[int, tuple[CallRecord, ...]], None]",
        said: Callable[[str], None],
        cleared: Callable[[], None],
        ticket: Callable[[], int],
    ) -> None:
        self._owner, self._acts, self._snapshot = owner, acts, snapshot
        self._found, self._said, self._cleared, self._ticket = found, said, cleared, ticket
        self._session: Session | None = None

    def attach(self, session: Session) -> None:
        """Read this peer's record."""
        self._session = session

    def detach(self) -> None:
        """Read none."""
        self._session = None

    def ask(self, text: str, outcome: str, before: int | None, limit: int) -> int:
        """Ask for calls; they are found with the ticket returned, never before that."""
        ticket = self._ticket()
        if self._session is None:
            QTimer.singleShot(0, self._owner, lambda: self._found(ticket, ()))
        else:
            asking = self._ask(self._session.peer, ticket, text, outcome, before, limit)
            self._session.tasks.spawn(asking, name="ask for calls")
        return ticket

    async def _ask(self, peer: "Peer", ticket: int, text: str, outcome: str, before: int | None, limit: int) -> None:
        found: tuple[CallRecord, ...] = ()
        callers = self._callers(text)
        try:
            calls = await peer.calls(text=text, callers=callers, outcome=outcome, before=before, limit=limit)
            found = tuple(calls)
        except PeerError as error:
            self._said(f"The record cannot be read: {error}.")
        self._found(ticket, found)

    def export(self, path: str, text: str, outcome: str) -> None:
        """Write the calls that fit to a CSV file, and say so."""
        callers = self._callers(text)

        async def export(peer: "Peer") -> None:
            rows = await peer.export_calls(Path(path), text=text, callers=callers, outcome=outcome)
            self._said(f"{rows:,} call{'s'[: rows != 1]} written to {path}.")

        self._acts.do("export calls", export)

    def clear(self) -> None:
        """Forget every call."""

        async def clear(peer: "Peer") -> None:
            await peer.clear_calls()
            self._said("Every call is forgotten.")
            self._cleared()

        self._acts.do("clear calls", clear)

    def _callers(self, text: str) -> tuple[str, ...]:
        """Return the IDs of the known peers whose name has the text: the record has IDs, the page shows names."""
        snapshot, wanted = self._snapshot(), text.strip().casefold()
        if snapshot is None or not wanted:
            return ()
        fitting = [str(peer.peer_id) for peer in snapshot.known_peers if wanted in peer.name.casefold()]
        return tuple(fitting[:MAX_NAMED])
