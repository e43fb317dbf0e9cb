"""Peers that find one another by ID where the grapes are Node's: those keep signed items only if told how to verify."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.directory.link import Link
from core.directory.records.finder import Finder
from core.errors import PeerError
from core.identity.identity import Identity
from core.news.events import ErrorRaised
from core.peer import Peer
from tests.interop.grapes import NodeGrape, node_grape
from tests.peer.ears import PATIENCE, Ears, peer
from tests.support.process import until

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

SERVICE, SEQUENCE = "fibonacci", [1, 1, 2, 3, 5]
US, THEM = Identity.from_secret(b"\1" * 32), Identity.from_secret(b"\2" * 32)

verifying = pytest.mark.parametrize("verify", [True, False], ids=["verifying-grape", "plain-grape"])


@asynccontextmanager
async def two_grapes(*, verify: bool) -> AsyncIterator[tuple[NodeGrape, NodeGrape]]:
    """Two Node grapes that know each other: a lone one announces nothing."""
    async with node_grape(verify=verify) as first, node_grape(first.dht, verify=verify) as second:

        async def acquainted() -> bool:
            return await first.nodes() == 1 and await second.nodes() == 1

        await until(acquainted, "both Node grapes know each other")
        yield first, second


async def holds(url: str, who: Identity) -> bool:
    """Tell whether a record can be got through this grape."""
    async with Link((url,)) as link:
        try:
            await Finder(link).find(who.peer_id)
        except PeerError:
            return False
        return True


async def answered(us: Peer) -> None:
    reply = await us.request(f"{THEM.peer_id}/{SERVICE}", {"length": 5}, timeout=PATIENCE)
    assert (reply.data, reply.peer_id) == (SEQUENCE, THEM.peer_id)


@verifying
async def test_our_grapes_pass_records_to_one_another_past_a_node_grape(verify: bool) -> None:
    async with node_grape(verify=verify) as middle:
        node = str(middle.dht)
        async with peer(node, identity=THEM) as (them, told), peer(node, identity=US) as (us, _):
            await them.share(SERVICE)
            await until(lambda: holds(us.snapshot().grape.url, THEM), "our grape finds the record")
            await answered(us)
            assert await holds(middle.url, THEM) is verify
            assert told.of(ErrorRaised) == []


async def test_a_grape_that_verifies_keeps_records_put_through_its_http() -> None:
    async with (
        two_grapes(verify=True) as (first, second),
        peer(grapes=(first.url,), identity=THEM) as (them, told),
        peer(grapes=(second.url,), identity=US) as (us, _),
    ):
        await them.share(SERVICE)
        await until(lambda: holds(second.url, THEM), "the record is on the grapes")
        await answered(us)
        assert told.of(ErrorRaised) == []


async def test_where_no_grape_keeps_records_a_peer_is_found_among_those_of_its_name() -> None:
    async with (
        two_grapes(verify=False) as (first, second),
        peer(grapes=(first.url,), identity=THEM) as (them, told),
        peer(grapes=(second.url,), identity=US) as (us, _),
        peer(grapes=(first.url,)) as (plain, _),
    ):
        await them.share(SERVICE)
        await plain.share(SERVICE)

        async def announced() -> bool:
            return len(await listed(second.url)) == 2

        await until(announced, "both workers are announced")
        await answered(us)
        assert not await holds(first.url, THEM)
        await told_of_refusal(told)


async def told_of_refusal(told: Ears) -> None:
    said = await told.hear(ErrorRaised)
    assert "only together with a service" in said.message


async def listed(url: str) -> list[object]:
    async with Link((url,)) as link:
        try:
            return [*await link.lookup("fibonacci_worker", fresh=True)]
        except PeerError:
            return []
