"""The joining side: finds the inviter by its Peer ID, proves the secret, and says live what it does and waits for."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple, TypeAlias

from core.errors import LocalError, PeerError, RefusedError, RequestTimeout, Unreachable
from core.invitations.inviter import joined_services, own_name, read_all
from core.invitations.link import Link
from core.invitations.proof import NONCE_BYTES, Terms, meeting_secret, prove, verifier
from core.invitations.talk import (
    JOIN,
    LATER,
    LOOK,
    OFFER_MAX,
    REFUSED,
    Ask,
    Hello,
    Offer,
    pack_ask,
    pack_hello,
    parse_nonce,
    parse_offer,
)
from core.limits.rate import Backoff
from core.news.hub import Hub
from core.news.invitations import JoinStage
from core.news.joins import JoinProgress
from core.peer_id import PeerId
from core.serving.admission import Admission
from core.trust.entries import clean_name
from core.tunnel.stream import ByteStream
from core.values import Address
from core.wire.stream_opening import INVITATION, Opening, pack_opening, parse_details

TRY: Final = 15.0  # seconds for one try to reach the inviter, and again for its answer
PAUSES: Final = (1.0, 15.0)  # seconds between two tries, doubled from the first to the second
_PASSES: Final = frozenset({LATER, "ERR_RATE_LIMITED", "ERR_CLOSING", "ERR_STREAM_LIMIT"})  # refusals that pass
_AWAY: Final = frozenset({"ERR_RECORD_MISSING", "ERR_RECORD_EXPIRED", "ERR_GRAPE_LOOKUP_EMPTY"})


Lookup: TypeAlias = Callable[[str], Awaitable[list[Address]]]  # where the peer with this ID says it is
Open: TypeAlias = Callable[[PeerId, bytes, float], Awaitable[ByteStream]]  # to this peer, verified, and nobody else


class Ways(NamedTuple):
    """How other peers are reached. `lookup` and `open` raise PeerError.

    `here` tells where a peer is on our networks, `expecting` has one recognised there by a secret, and `met` hears
    where one was that is known now. `elsewhere` tells whether `open` looks where `lookup` does not.
    """

    lookup: Lookup
    open: Open
    here: Callable[[PeerId], Sequence[Address]] = lambda peer_id: ()
    expecting: Callable[[PeerId, bytes], AbstractContextManager[None]] = lambda peer_id, secret: nullcontext()
    met: Callable[[PeerId, Address], None] = lambda peer_id, address: None
    elsewhere: Callable[[PeerId], bool] = lambda peer_id: False


class Joined(NamedTuple):
    """Who is known now, under which name, and which of its shares are for us."""

    peer_id: PeerId
    name: str
    services: tuple[str, ...]


class Joiner:
    """Opens links. `own()` waits for our Peer ID."""

    def __init__(
        self, hub: Hub, admission: Admission, ways: Ways, own: Callable[[], Awaitable[PeerId | None]],
        rest: Callable[[float], Awaitable[bool | None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        """`rest` is the pause between two tries; True: we slept meanwhile, or are on another network."""
        self._hub = hub
        self._admission = admission
        self._ways = ways
        self._own = own
        self._rest = rest

    async def look(self, link: Link, timeout: float) -> Offer:
        """Return what is offered; nothing is spent and nobody is trusted. Raises PeerError."""
        return (await self._patiently(link, LOOK, timeout))[0]

    async def join(self, link: Link, name: str, services: frozenset[str], timeout: float | None) -> Joined:
        """Join: the inviter trusts us with what it named, and we trust it with `services`, such as none.

        `name` "": as the inviter calls itself. Without a `timeout` it goes on until the inviter is there. Raises
        RefusedError (ERR_INVITATION), RequestTimeout, LocalError.
        """
        offer, at = await self._patiently(link, JOIN, timeout)
        known = self._admission.store.find(link.peer_id)
        before = known.name if known is not None else ""
        wanted = clean_name(name) or before or offer.called or link.peer_id.short
        chosen = own_name(wanted, link.peer_id, self._admission.store)
        await self._admission.trust(link.peer_id, chosen, joined_services(services, known))
        self._ways.met(link.peer_id, at)
        other = "" if chosen == wanted else f"; another {wanted} is in your list already, so the ID stands beside it"
        self._say(link, JoinStage.ACCEPTED, f"{chosen} and you know each other now{other}")
        return Joined(link.peer_id, chosen, offer.services)

    async def _patiently(self, link: Link, act: str, timeout: float | None) -> tuple[Offer, Address]:
        own = await self._check(link)
        with self._ways.expecting(link.peer_id, meeting_secret(verifier(link))):
            return await self._again_and_again(link, own, act, timeout)

    async def _again_and_again(self, link: Link, own: PeerId, act: str, timeout: float | None) -> tuple[Offer, Address]:
        backoff, waiting = Backoff(*PAUSES), ""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        return await self._try(link, own, act)
                    except PeerError as error:
                        if not _passes(error):
                            raise _explained(error, link) from None
                        waiting = _waits_for(error, link)
                    self._say(link, JoinStage.WAITING, waiting)
                    if await self._rest(backoff.failed()):
                        backoff.succeeded()
        except TimeoutError:
            what = waiting or f"peer {link.peer_id.short} did not answer"
            raise RequestTimeout(f"{what} (waited {timeout:g} s)") from None

    async def _check(self, link: Link) -> PeerId:
        own = await self._own()
        if own is None:
            raise LocalError("without an identity of our own no invitation can be opened", name="ERR_NO_IDENTITY")
        if own == link.peer_id:
            raise LocalError("this is an invitation of your own: send it to somebody else", name="ERR_INVITATION_OWN")
        known = self._admission.store.find(link.peer_id)
        if known is not None and known.blocked:
            raise LocalError(
                f"you have blocked {known.name or link.peer_id.short}: remove it from your list first",
                name="ERR_INVITATION_BLOCKED",
            )
        if self._admission.store.problem is not None:
            raise LocalError(self._admission.store.problem.removesuffix("."), name="ERR_TRUST")
        return own

    async def _try(self, link: Link, own: PeerId, act: str) -> tuple[Offer, Address]:
        peer_id = link.peer_id
        self._say(link, JoinStage.LOOKING, f"looking for {peer_id.short}")
        where = await self._where(peer_id)
        if where:
            self._say(link, JoinStage.FOUND, f"found {peer_id.short} {where}")
        self._say(link, JoinStage.OPENING, f"opening a way to {peer_id.short}")
        hello = Hello(verifier(link), secrets.token_bytes(NONCE_BYTES))
        stream = await self._ways.open(peer_id, pack_opening(Opening(INVITATION, pack_hello(hello))), TRY)
        try:
            self._say(link, JoinStage.CONNECTED, f"connected to {peer_id.short} at {stream.remote}")
            inviters = parse_nonce(parse_details(await stream.accepted()))
            terms = Terms(peer_id, own, act, stream.binding, inviters, hello.nonce)
            await stream.write(pack_ask(Ask(act, prove(link, terms))))
            stream.end()
            async with asyncio.timeout(TRY):
                return parse_offer(await read_all(stream, OFFER_MAX)), stream.remote
        except TimeoutError:
            raise RequestTimeout(f"peer {peer_id.short} did not answer within {TRY:g} s") from None
        finally:
            stream.reset()  # without effect when it is over

    async def _where(self, peer_id: PeerId) -> str:
        """Return where the inviter is, in words; "": it has to be looked for elsewhere. Raises PeerError."""
        here = self._ways.here(peer_id)
        if here:
            return f"on this network, at {_some(here)}"
        try:
            return f"at {_some(await self._ways.lookup(str(peer_id)))}"
        except PeerError as error:
            if not _passes(error) or not self._ways.elsewhere(peer_id):
                raise
            return ""

    def _say(self, link: Link, stage: JoinStage, message: str) -> None:
        self._hub.emit(JoinProgress(self._hub.now(), link.peer_id, stage.value, message))


def _passes(error: PeerError) -> bool:
    """Tell whether trying again may help."""
    return error.name in _PASSES or error.name in _AWAY or (isinstance(error, Unreachable) and error.name != REFUSED)


def _waits_for(error: PeerError, link: Link) -> str:
    if error.name in _AWAY:
        return f"{link.peer_id.short} is away, or on other grapes than this peer: it goes on when it is there"
    return f"{link.peer_id.short} cannot be reached or is busy ({error}): trying again"


def _explained(error: PeerError, link: Link) -> PeerError:
    if error.name == REFUSED:
        return RefusedError(
            "this invitation does not hold: it was used, has expired or was withdrawn, or was made on another computer "
            "with the same Peer ID. Ask for another one",
            name=REFUSED,
        )
    if error.name == "ERR_SERVICE_UNKNOWN":
        return RefusedError(
            f"{link.peer_id.short} runs a Grapevine that knows no invitations: it has to be updated",
            name="ERR_SERVICE_UNKNOWN",
        )
    return error


def _some(addresses: Iterable[Address]) -> str:
    return ", ".join(map(str, list(addresses)[:3])) or "a place that it does not tell"
