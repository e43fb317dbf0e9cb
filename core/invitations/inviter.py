"""The inviting side: makes invitations, and lets in who proves to have one.

What is spent is on the disk before anybody is trusted. If the program is ended between the two, the next start trusts
who had joined, so that nothing is lost; and a second peer finds the invitation spent, so that nothing is opened twice.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from core.aio.tasks import TaskSet
from core.errors import LocalError, RemoteError
from core.invitations.book import Book
from core.invitations.entries import Invitation, State
from core.invitations.link import SECRET_BYTES, Link
from core.invitations.proof import NONCE_BYTES, Terms, meeting_secret, proves, verifier
from core.invitations.store import InvitationStore
from core.invitations.talk import (
    JOIN,
    LATER,
    REFUSED,
    SAID_MAX,
    Offer,
    pack_nonce,
    pack_offer,
    parse_ask,
    parse_hello,
)
from core.invitations.tries import Tries
from core.news.hub import Hub
from core.news.invitations import InvitationRow, Invitations
from core.news.joins import InvitationAccepted
from core.peer_id import PeerId
from core.scope import network
from core.serving.admission import Admission
from core.trust.entries import EVERY, KnownPeer
from core.trust.store import TrustStore
from core.tunnel.stream import ByteStream
from core.values import Address
from core.wire.stream_opening import Opening, pack_details

LOOK_EVERY: Final = 1.0  # seconds between looks whether another program has changed the book, or one has expired
PATIENCE: Final = 15.0  # seconds for the joiner to say what it wants
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Inviter:
    """The invitations of one peer. `own()` is its Peer ID, known once `settled()`; None: there is no identity."""

    def __init__(
        self,
        hub: Hub,
        store: InvitationStore,
        admission: Admission,
        settled: Callable[[], Awaitable[None]],
        own: Callable[[], PeerId | None],
        met: Callable[[PeerId, Address], None] = lambda peer_id, address: None,
    ) -> None:
        self._hub = hub
        self._store = store
        self._admission = admission
        self._settled, self._own, self._met = settled, own, met
        self._tries = Tries()
        self._tasks = TaskSet("invitations")
        store.listen(hub.touch)

    async def open(self) -> None:
        """Read the book, and end what an earlier run had begun."""
        await self._store.open()
        try:
            for invitation, peer_id in self._store.book.unsettled():
                await self._befriend(invitation, peer_id)
        except LocalError as error:  # the peer asks again, and so does the next start
            _log.warning("somebody who joined is not in the list of known peers yet: %s", error)
        self._tasks.spawn(self._watch(), name="watch the invitations")

    async def aclose(self) -> None:
        """End."""
        await self._tasks.aclose()

    async def _watch(self) -> None:
        waiting = self.waiting()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self._store.refresh()
            if waiting != self.waiting():
                waiting = self.waiting()
                self._store.tell()

    # -- what people do: raises LocalError ----------------------------------------------------------------------------

    async def invite(
        self, name: str, services: frozenset[str], *, uses: int, days: float, called: str
    ) -> tuple[Link, InvitationRow]:
        """Make an invitation. The link is shown once: what is kept does not give it back."""
        own = await self.own()
        if own is None:
            raise LocalError("without an identity of our own nobody can be invited", name="ERR_NO_IDENTITY")
        now = self._hub.now()
        link, made = await make(self._store, own, name, services, now, uses=uses, days=days, called=called)
        return link, row(made, now)

    async def withdraw(self, number: int) -> InvitationRow:
        """Let nobody else join by an invitation; who has joined stays. Idempotent."""
        now = self._hub.now()
        return row(await self._store.change(lambda book: book.withdraw(number, now)), now)

    async def own(self) -> PeerId | None:
        """Return our Peer ID, once it is known."""
        await self._settled()
        return self._own()

    def shown(self) -> Invitations:
        """Return all invitations."""
        now = self._hub.now()
        return Invitations(tuple(row(each, now) for each in self._store.book.held.values()), self._store.problem)

    def waiting(self) -> bool:
        """Tell whether somebody may still join, and so has to find us by our ID."""
        return self._store.book.any_open(self._hub.now())

    def secrets(self) -> list[bytes]:
        """Return by what those who are invited recognise us on their network."""
        now, held = self._hub.now(), self._store.book.held.values()
        return [meeting_secret(each.verifier) for each in held if each.state(now) is State.OPEN]

    # -- what joiners do ----------------------------------------------------------------------------------------------

    async def serve(self, stream: ByteStream, opening: Opening) -> None:
        """Answer who opened a stream for `INVITATION`. Raises LocalError with what the caller is told."""
        own, peer_id, now = self._own(), stream.peer_id, self._hub.now()
        if own is None or peer_id is None:
            raise _refusal()
        hello, nonce = _heard(lambda: parse_hello(opening.details)), secrets.token_bytes(NONCE_BYTES)
        loop_time, invited = asyncio.get_running_loop().time(), self._store.book.find(hello.verifier) is not None
        wait = self._tries.take(network(stream.remote.host), peer_id, loop_time, invited=invited)
        if wait:
            raise LocalError(f"you tried too often to join: wait {max(1.0, wait):.0f} s", name="ERR_RATE_LIMITED")
        stream.accept(pack_details(pack_nonce(nonce)))
        try:
            async with asyncio.timeout(PATIENCE):
                said = await read_all(stream, SAID_MAX)
        except TimeoutError:
            raise _refusal() from None
        ask = _heard(lambda: parse_ask(said))
        terms = Terms(own, peer_id, ask.act, stream.binding, nonce, hello.nonce)
        offer = await self._answer(terms, hello.verifier, ask.proof, now)
        self._met(peer_id, stream.remote)
        self._tries.forgive(network(stream.remote.host), peer_id, asyncio.get_running_loop().time())
        await stream.write(pack_offer(offer))
        stream.end()
        await stream.wait_over()

    async def _answer(self, terms: Terms, kept: bytes, proof: bytes, now: float) -> Offer:
        """Judge a proof, and do what was asked. Raises LocalError with what the caller is told."""
        await self._store.refresh()  # another program may have made or withdrawn it a moment ago
        found = self._store.book.find(kept)
        right = proves(proof, kept, terms)
        if found is None or not right or not self._may(found, terms.joiner, now):
            raise _refusal()
        if self._admission.store.closed:
            raise LocalError("this peer takes nobody at this moment: try again later", name=LATER)
        if terms.act == JOIN:
            found = await self._let_in(found, terms.joiner, now)
        return Offer(found.called, tuple(sorted(found.services)))

    def _may(self, invitation: Invitation, peer_id: PeerId, now: float) -> bool:
        known = self._admission.store.find(peer_id)
        if known is not None and known.blocked:
            return False
        before = invitation.by(peer_id)
        if before is None:
            return invitation.state(now) is State.OPEN
        # it has joined, and the answer was lost on its way; a peer that was removed since is not let in again
        return not before.settled or known is not None

    async def _let_in(self, invitation: Invitation, peer_id: PeerId, now: float) -> Invitation:
        try:
            spent = await self._store.change(lambda book: book.spend(invitation.verifier, peer_id, now))
            if spent is not None:
                await self._befriend(spent, peer_id)
        except LocalError as error:  # our own words are not for the caller
            _log.warning("%s could not be let in: %s", peer_id.short, error)
            raise LocalError("this peer could not write it down: try again later", name=LATER) from None
        if spent is None:
            raise _refusal()  # somebody else was quicker
        return spent

    async def _befriend(self, invitation: Invitation, peer_id: PeerId) -> None:
        """Trust who has joined with what was named, unless that was done before. Idempotent."""
        joined = invitation.by(peer_id)
        if joined is None or joined.settled:
            return
        known = self._admission.store.find(peer_id)
        if known is None or not known.blocked:
            name = known.name if known is not None and known.name else ""
            name = name or own_name(invitation.name, peer_id, self._admission.store)
            await self._admission.trust(peer_id, name, joined_services(invitation.services, known))
            self._hub.emit(
                InvitationAccepted(
                    self._hub.now(), invitation.number, peer_id, name, tuple(sorted(invitation.services))
                )
            )

        def settle(book: Book) -> None:
            book.settle(invitation.number, peer_id)

        await self._store.change(settle)


async def make(
    store: InvitationStore, own: PeerId, name: str, services: frozenset[str], now: float, *, uses: int, days: float,
    called: str,
) -> tuple[Link, Invitation]:  # fmt: skip
    """Make an invitation and write it down. Raises LocalError."""
    link = Link(own, secrets.token_bytes(SECRET_BYTES))
    kept = verifier(link)

    def add(book: Book) -> Invitation:
        return book.add(kept, name, services, now, uses=uses, days=days, called=called)

    return link, await store.change(add)


def row(each: Invitation, now: float) -> InvitationRow:
    """Return an invitation as people see it."""
    return InvitationRow(
        number=each.number,
        name=each.name,
        services=tuple(sorted(each.services)),
        state=each.state(now).value,
        made=each.made,
        expires=each.expires,
        uses=each.uses,
        joined=tuple((joined.peer_id, joined.at) for joined in each.joined),
    )


def joined_services(services: frozenset[str], known: KnownPeer | None) -> frozenset[str]:
    """Return what a peer may call: what was named, and what it might before."""
    both = services | (known.services if known is not None else frozenset())
    return EVERY if "*" in both else both


def own_name(name: str, peer_id: PeerId, store: TrustStore) -> str:
    """Return a name for a peer that nobody else in the list has, and no group: two people may be called Ben."""
    taken = {peer.name.casefold() for peer in store.peers() if peer.peer_id != peer_id}
    taken |= {group.name.casefold() for group in store.groups()}
    return name if name.casefold() not in taken else f"{name[:50]} ({peer_id.short})"


async def read_all(stream: ByteStream, most: int) -> bytes:
    """Read what the other side says until it ends. Raises RemoteError for more than `most` bytes, and what broke it."""
    said = b""
    while data := await stream.read():
        said += data
        if len(said) > most:
            raise RemoteError("what the other side says about an invitation is too long")
    return said


def _heard(parse: Callable[[], T]) -> T:
    """Have what cannot be read refused as a wrong secret is."""
    try:
        return parse()
    except RemoteError:
        raise _refusal() from None


def _refusal() -> LocalError:
    return LocalError("this invitation does not hold: it is unknown here, used, expired or withdrawn", name=REFUSED)
