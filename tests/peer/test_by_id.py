"""Whole peers on loopback that find one another by Peer ID, through records in the DHT."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.dht.items import signed_bytes
from core.directory.link import Link
from core.directory.records.check import SALT, RecordExpired, RecordMissing
from core.directory.records.finder import Finder
from core.errors import PeerError, RefusedError
from core.grape.config import GrapeConfig
from core.grape.grape import Grape, open_grape
from core.identity.identity import Identity
from core.own.addresses import OwnAddresses
from core.peer import Peer
from core.peer_id import PeerId
from core.rpc.client import Reply
from core.values import Address
from core.wire.peer_record import PeerRecord
from tests.peer.ears import PATIENCE, peer
from tests.support.interpreted import interpreted
from tests.support.process import until

pytestmark = pytest.mark.asyncio

SERVICE, SEQUENCE = "fibonacci", [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
US, THEM, NOBODY = (Identity.from_secret(bytes([number]) * 32) for number in (1, 2, 3))


@asynccontextmanager
async def grape() -> AsyncIterator[tuple[Grape, str]]:
    async with open_grape(GrapeConfig(dht_port=0, api_port=0, bind="127.0.0.1")) as opened:
        yield opened, str(opened.dht_address)


async def look(url: str, who: Identity) -> PeerRecord | None:
    """Return the record that the grapes hold, None when they hold none, or an empty one."""
    async with Link((url,)) as link:
        try:
            return await Finder(link).find(who.peer_id)
        except RecordMissing:
            return None


async def published(url: str, who: Identity) -> PeerRecord:
    """Wait until the grapes hold a record."""
    found: list[PeerRecord] = []

    async def seen() -> bool:
        record = await look(url, who)
        found.extend([record] if record else [])
        return bool(found)

    await until(seen, "a record is on the grapes")
    return found[0]


async def ask(asker: Peer, who: PeerId, service: str = f"/{SERVICE}", timeout: float = PATIENCE) -> Reply:
    return await asker.request(f"{who}{service}", {"length": 10}, timeout=timeout)


@pytest.mark.parametrize("service", ["/fibonacci", ""])
async def test_a_peer_is_asked_by_its_id_through_two_grapes(service: str) -> None:
    async with grape() as (middle, node), peer(node, identity=THEM) as (them, _), peer(node, identity=US) as (us, _):
        await them.share(SERVICE)
        record = await published(middle.url, THEM)
        assert record.addresses == (them.snapshot().address,)
        reply = await ask(us, THEM.peer_id, service)
        assert (reply.data, reply.peer, reply.peer_id) == (SEQUENCE, them.snapshot().address, THEM.peer_id)
        assert len(await us.lookup("fibonacci_worker")) == 1  # the plain announce is where it was


async def test_a_friend_who_answered_us_was_seen_though_he_never_called() -> None:
    async with grape() as (middle, node), peer(node, identity=THEM) as (them, _), peer(node, identity=US) as (us, _):
        await us.trust(THEM.peer_id, "Bert")
        await them.share(SERVICE)
        await published(middle.url, THEM)
        before = [each.last_seen for each in us.known_peers()]
        await ask(us, THEM.peer_id)

        async def seen() -> bool:
            return [each.last_seen is not None for each in us.known_peers()] == [True]

        await until(seen, "who answered was seen")
        assert before == [None]


async def test_a_peer_finds_itself() -> None:
    async with grape() as (middle, node), peer(node, identity=US) as (us, _):
        await us.share(SERVICE)
        await published(middle.url, US)
        assert (await ask(us, US.peer_id)).peer_id == US.peer_id


async def test_who_does_not_share_or_has_left_is_missing() -> None:
    async with grape() as (middle, node), peer(node, identity=US) as (us, _):
        with pytest.raises(RecordMissing):
            await ask(us, THEM.peer_id)
        async with peer(node, identity=THEM) as (them, _):
            with pytest.raises(RecordMissing):
                await ask(us, THEM.peer_id)
            await them.share(SERVICE)
            await published(middle.url, THEM)
            assert (await ask(us, THEM.peer_id)).data == SEQUENCE
            with pytest.raises(RefusedError, match="nothing is shared"):
                await ask(us, THEM.peer_id, "/echo")
        with pytest.raises(PeerError, match="shares nothing") as caught:
            await ask(us, THEM.peer_id)
        assert caught.value.name == "ERR_RECORD_MISSING"


async def test_unsharing_empties_the_record() -> None:
    async with grape() as (middle, node), peer(node, identity=THEM) as (them, _):
        await them.share(SERVICE)
        await published(middle.url, THEM)
        await them.unshare(SERVICE)

        async def gone() -> bool:
            return await look(middle.url, THEM) is None

        await until(gone, "the record is empty")


@interpreted
async def test_a_peer_that_moves_to_another_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.directory.records.publisher.LOOK", 0.05)
    monkeypatch.setattr("core.directory.records.publisher.PAUSE", 0.05)
    async with grape() as (middle, node), peer(node, identity=THEM) as (them, _):
        await them.share(SERVICE)
        old = (await published(middle.url, THEM)).addresses[0]
        monkeypatch.setattr(OwnAddresses, "hosts", lambda place: ("192.0.2.7",))

        async def moved() -> bool:
            record = await look(middle.url, THEM)
            return record is not None and record.addresses == (Address("192.0.2.7", old.port),)

        await until(moved, "the record has the new address")


async def test_somebody_else_at_the_address_of_a_record_is_not_asked() -> None:
    async with grape() as (middle, node), peer(node, identity=THEM) as (them, told), peer(node, identity=US) as (us, _):
        await them.share(SERVICE)
        address = them.snapshot().address
        assert address is not None
        await put(middle.url, NOBODY, PeerRecord(NOBODY.peer_id, (SERVICE,), (address,), *_times(0)))
        with pytest.raises(PeerError) as caught:
            await ask(us, NOBODY.peer_id)
        assert caught.value.name == "ERR_WRONG_PEER"
        assert not [event for event in told.told if event.kind == "request-served"]


async def test_an_expired_record_is_refused() -> None:
    async with grape() as (middle, node), peer(node, identity=US) as (us, _):
        await put(middle.url, NOBODY, PeerRecord(NOBODY.peer_id, (SERVICE,), (), *_times(-7200)))
        with pytest.raises(RecordExpired):
            await ask(us, NOBODY.peer_id)


async def test_a_peer_without_identity_is_found_by_name_and_publishes_nothing() -> None:
    async with grape() as (_, node), peer(node) as (them, _), peer(node, identity=US) as (us, _):
        await them.share(SERVICE)
        assert (await us.request(SERVICE, {"length": 10}, timeout=PATIENCE)).peer_id is None
        with pytest.raises(PeerError) as caught:
            await them.request(f"{US.peer_id}/fibonacci", {"length": 10}, timeout=3.0)
        assert caught.value.name == "ERR_NO_IDENTITY"


def _times(ago: int) -> tuple[int, int]:
    issued = int(time.time()) + ago
    return issued, issued + 900


async def put(url: str, who: Identity, record: PeerRecord) -> None:
    value = record.value()
    async with Link((url,)) as link:
        signature = who.sign(signed_bytes(value, 1, SALT))
        await link.put(value.decode(), key=who.peer_id.key, signature=signature, sequence=1, salt=SALT)
