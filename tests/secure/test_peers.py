"""Whole peers on loopback: two of ours know each other; a plain one is served plainly; a named one is verified."""

from pathlib import Path

import pytest

from core.errors import LocalError, PeerError, RemoteError
from core.identity.identity import Identity
from core.news.events import ErrorRaised, ReplyReceived, RequestServed
from core.peer import Peer
from core.peer_id import PeerId
from core.profile.config import KeyPlace
from core.values import Address, JsonValue
from tests.peer.ears import peer
from tests.secure.sides import ANNA, BERT, MALLORY

pytestmark = pytest.mark.asyncio
PAYLOAD: JsonValue = {"length": 3}


async def ask(caller: Peer, called: Peer, expected: PeerId | None) -> PeerId | None:
    """Ask by address, for a certain peer if one is expected; return who answered."""
    address = called.snapshot().address
    assert address is not None
    reply = await caller._parts.client.ask(address, "fibonacci", "fibonacci", PAYLOAD, 10.0, expected)
    return reply.peer_id


@pytest.mark.parametrize("caller_has", [ANNA, None], ids=["with an identity", "without"])
@pytest.mark.parametrize("called_has", [BERT, None], ids=["with an identity", "without"])
async def test_it_is_encrypted_exactly_when_both_have_an_identity(
    caller_has: Identity | None, called_has: Identity | None
) -> None:
    async with peer(identity=called_has) as (called, there), peer(identity=caller_has) as (caller, here):
        await called.share("fibonacci")
        both = caller_has is not None and called_has is not None
        assert await ask(caller, called, None) == (BERT.peer_id if both else None)
        assert (await here.hear(ReplyReceived)).peer_id == (BERT.peer_id if both else None)
        served = await there.hear(RequestServed)
        assert (served.peer_id, served.error) == (ANNA.peer_id if both else None, None)
        assert called._parts.handshakes.statistics().secured == both


async def test_who_is_called_by_id_is_verified() -> None:
    async with peer(identity=BERT) as (called, there), peer(identity=ANNA) as (caller, _):
        await called.share("fibonacci")
        assert await ask(caller, called, BERT.peer_id) == BERT.peer_id
        with pytest.raises(RemoteError) as refused:
            await ask(caller, called, MALLORY.peer_id)
        assert refused.value.name == "ERR_WRONG_PEER"
        assert len(there.of(RequestServed)) == 1, "the second request never left"


@pytest.mark.parametrize(
    ("caller_has", "name"), [(ANNA, "ERR_PLAIN_PEER"), (None, "ERR_PLAIN_PEER")], ids=["with an identity", "without"]
)
async def test_a_plain_peer_is_never_called_by_id(caller_has: Identity | None, name: str) -> None:
    async with peer() as (called, there), peer(identity=caller_has) as (caller, _):
        await called.share("fibonacci")
        with pytest.raises(PeerError) as refused:
            await ask(caller, called, BERT.peer_id)
        assert refused.value.name == name
        assert there.of(RequestServed) == []


async def test_who_has_no_identity_calls_nobody_by_id() -> None:
    async with peer(identity=BERT) as (called, there), peer() as (caller, _):
        await called.share("fibonacci")
        with pytest.raises(LocalError) as refused:
            await ask(caller, called, BERT.peer_id)
        assert refused.value.name == "ERR_NO_IDENTITY"
        assert there.of(RequestServed) == []


async def test_an_identity_that_cannot_be_opened_costs_the_encryption_only(tmp_path: Path) -> None:
    (tmp_path / "p.identity.json").write_text("not a note")
    place = KeyPlace(tmp_path, "p")
    async with peer(identity=place) as (called, there), peer(identity=ANNA) as (caller, _):
        failure = await there.hear(ErrorRaised)
        assert failure.error == "ERR_IDENTITY"
        assert "grapevine id renew makes a new one" in failure.message
        await called.share("fibonacci")
        assert await ask(caller, called, None) is None
        assert await called.peer_id() is None
        assert isinstance(called.snapshot().address, Address)
