"""What this peer shares: changed by the user, given to the next peer when one is closed, and told to be remembered."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from core.errors import LocalError
from core.kinds.listening import what_listens
from core.kinds.share import Share
from core.trust.audience import Audience
from desktop.bridge.acts import Acts
from desktop.bridge.session import Session
from desktop.bridge.tickets import Tickets, Work

if TYPE_CHECKING:
    from core.peer import Peer


class Sharing(QObject):
    """The verbs of the page *Sharing* (`desktop.views.contract_shares.SharingLike`)."""

    done = Signal(object, str)  # ticket, "" or a sentence that says what was not done
    looked = Signal(object, object)  # ticket, Look
    found = Signal(object, object)  # ticket, tuple[Found, ...]
    kept = Signal(object)  # Share: permanent, new or changed, to be remembered
    dropped = Signal(str)  # the name of a permanent share that is there no longer

    def __init__(self, parent: QObject, acts: Acts, ticket: Callable[[], int]) -> None:
        super().__init__(parent)
        self._acts = acts
        self._tickets = Tickets(self, ticket)
        self._attached = False
        self._held: tuple[Share, ...] = ()  # all that the peer has, also the temporary ones
        self._due: dict[str, Share] = {}  # by name, those that it does not have yet

    def hold(self, shares: tuple[Share, ...]) -> None:
        """Take shares that were remembered, beside those there are; this peer has them, and the next."""
        names = {share.name for share in self._held} | self._due.keys()
        self._due.update({share.name: share for share in shares if share.name not in names})
        self._give()

    def attach(self, session: Session) -> None:
        """Give this peer the shares there are."""
        self._attached = True
        self._tickets.attach(session)
        self._due = {share.name: share for share in (*self._held, *self._due.values())}
        self._held = ()
        self._give()

    def detach(self) -> None:
        """Keep the shares for the next peer."""
        self._attached = False
        self._tickets.detach()

    def _give(self) -> None:
        if self._attached and self._due:
            self._acts.do("share again", self._restore)

    async def _restore(self, peer: "Peer") -> None:
        """Give the peer what is due. What it has no room for stays due, and is remembered all the same."""
        for name, share in list(self._due.items()):
            await peer.restore_shares([share])
            self._held = peer.shares()
            if any(share.name == name for share in self._held):
                self._due.pop(name, None)

    # -- what changes them --------------------------------------------------------------------------------------------

    def add(self, share: Share, groups: Sequence[str] = ()) -> int:
        """Share something, with these groups of people too. `done` says whether that worked."""

        def work(ticket: int) -> Work:
            async def add(peer: "Peer") -> None:
                if share.name in self._due:
                    raise LocalError(f"{share.name} is shared already, in a moment: choose another name")
                certificate = await _import("core.kinds.certificate")  # aiohttp with it, as the core
                await peer.groups.open_for(share.name, groups)
                await peer.add_share(await certificate.settled(share))
                self._note(peer)
                self.done.emit(ticket, "")

            return add

        return self._tickets.ask(f"share {share.name}", work, self.done.emit)

    def open_for(self, name: str, groups: Sequence[str]) -> None:
        """Let these groups, and no others, use a share."""
        self._acts.do("open a share to groups", lambda peer: peer.groups.open_for(name, groups))

    def switch(self, name: str, on: bool) -> None:
        """Begin a share, or pause it."""
        self._change("switch a share", lambda peer: peer.switch_share(name, on))

    def remove(self, name: str) -> None:
        """End a share and forget it."""
        self._change("end a share", lambda peer: peer.remove_share(name))

    def edit(self, name: str, new_name: str, audience: Audience, permanent: bool, over: tuple[str, ...] = ()) -> None:
        """Change what a share is called, who may use it, whether it is kept, and over which transports it is.

        Streams of those who no longer may are ended at once, and under another name all are.
        """

        async def change(peer: "Peer") -> None:
            share = next((each for each in peer.shares() if each.name == name), None)
            if share is not None:
                changed = replace(share, name=new_name, audience=audience, permanent=permanent)
                await peer.change_share(name, replace(changed, transports=over or share.transports))

        self._change("change a share", change)

    def _change(self, what: str, act: "Callable[[Peer], Awaitable[Any]]") -> None:
        async def change(peer: "Peer") -> None:
            await act(peer)
            self._note(peer)

        self._acts.do(what, change)

    def _note(self, peer: "Peer") -> None:
        """Remember what is shared now. What is due was not there before either: it is none that was dropped."""
        before, self._held = _permanent(self._held), peer.shares()
        now = _permanent(self._held)
        for name in before.keys() - now.keys():
            self.dropped.emit(name)
        for name, share in now.items():
            if before.get(name) != share:
                self.kept.emit(share)

    # -- what is looked at ---------------------------------------------------------------------------------------------

    def look(self, share: Share) -> int:
        """Look whether something could be shared and is there; `looked` says it."""

        def work(ticket: int) -> Work:
            async def look(peer: "Peer") -> None:
                del peer
                preview = await _import("core.kinds.preview")
                self.looked.emit(ticket, await preview.look_at(share))

            return look

        return self._tickets.ask("look at what would be shared", work, self._not_looked)

    def check(self, name: str) -> int:
        """Look whether what a share names is there; `looked` says it."""

        def work(ticket: int) -> Work:
            async def check(peer: "Peer") -> None:
                if any(row.name == name and not row.on for row in peer.snapshot().shares):
                    preview = await _import("core.kinds.preview")  # what is off is not loaded to be looked at
                    found = await preview.look_at(next(share for share in peer.shares() if share.name == name))
                else:
                    found = await peer.check_share(name)
                self.looked.emit(ticket, Looked(True, found.ok, found.sentence))

            return check

        return self._tickets.ask("look at a share", work, self._not_looked)

    def find(self) -> int:
        """Look what listens on this machine; `found` says it."""

        def work(ticket: int) -> Work:
            async def find(peer: "Peer") -> None:
                del peer
                self.found.emit(ticket, await what_listens())

            return find

        return self._tickets.ask("look what listens here", work, lambda ticket, _words: self.found.emit(ticket, ()))

    def _not_looked(self, ticket: int, words: str) -> None:
        self.looked.emit(ticket, Looked(False, False, words))


class Looked:
    """As `core.kinds.preview.Look`, which is imported with the core only."""

    def __init__(self, possible: bool, ok: bool, sentence: str) -> None:
        self.possible, self.ok, self.sentence = possible, ok, sentence
        self.warnings: tuple[str, ...] = ()


def _permanent(shares: tuple[Share, ...]) -> dict[str, Share]:
    return {share.name: share for share in shares if share.permanent}


async def _import(module: str) -> Any:  # noqa: ANN401 - a module
    """Import a module in a thread: the window goes on."""
    return await asyncio.to_thread(importlib.import_module, module)
