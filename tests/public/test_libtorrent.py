"""What we store, libtorrent's nodes keep and its programs read, and the other way round: letters, and who rings.

All of it is on loopback addresses of this machine. libtorrent is what qBittorrent and Deluge use.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.items import mutable_target, sign_item
from core.mainline.events import ItemHeard, PeersHeard
from core.net.endpoint import Endpoint
from core.signal.keys import JOINER, bell, box, door
from core.signal.letter import Letter, seal, unseal
from core.values import Address
from tests.public.ours import Ours
from tests.support.process import Program, running

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 14), reason="libtorrent has no wheel for this Python yet")
NOW = 1_800_000_000
BOX = box(b"s" * 32, JOINER, NOW // 3600)
DOOR = door(bell(b"i" * 32, NOW // 86400), NOW // 300)
SENT = Letter(NOW, (Address("11.0.0.1", 4000),), b"b" * 32, 1)


@asynccontextmanager
async def network(nodes: int) -> AsyncIterator[tuple[Ours, Program]]:
    """Run so many nodes of libtorrent, and one of ours that knows them."""
    addresses = [f"127.7.{number}.1" for number in range(1, nodes + 1)]
    command = [sys.executable, "-m", "tests.public.libtorrent_nodes", *addresses]
    async with running("libtorrent", command) as theirs, await Endpoint.open(Address("127.0.0.1", 0)) as endpoint:
        ours = Ours(endpoint)
        await theirs.event("ready")
        ours.node.join([Address(each, 6881) for each in addresses[:3]], ours.now())
        ours.lodging.flush()
        await ours.until(lambda: ours.node.nodes() >= min(8, nodes))
        yield ours, theirs


def wish(theirs: Program, what: dict[str, str]) -> None:
    """Have libtorrent do something."""
    pipe = theirs.transport.get_pipe_transport(0)
    assert isinstance(pipe, asyncio.WriteTransport)
    pipe.write(json.dumps(what).encode() + b"\n")


async def both_ways(nodes: int) -> None:
    async with network(nodes) as (ours, theirs):
        # our letter, read by theirs
        sealed = seal(SENT, BOX, 7, Random(1))
        item = sign_item(Ed25519PrivateKey.from_private_bytes(BOX.writer), sealed, 7)
        assert (await ours.wait(ours.node.put(item, ours.now()))).taken >= 4
        wish(theirs, {"get": BOX.public.hex()})
        found = await theirs.event("item", lambda event: event["seq"] == 7)
        assert unseal(bytes.fromhex(found["value"]), BOX, 7, NOW) == SENT
        # a ring of ours, listed by theirs at the address that they see
        assert (await ours.wait(ours.node.announce(DOOR, 9, ours.now()))).taken >= 4
        wish(theirs, {"peers": DOOR.hex()})
        own = str(ours.endpoint.address)
        await theirs.event("peers", lambda event: own in event["peers"])
        # and the other way round
        wish(theirs, {"ring": DOOR.hex()})
        while not any(isinstance(each, PeersHeard) and len(each.peers) > 1 for each in ours.told):
            await ours.wait(ours.node.find_peers(DOOR, ours.now()))
        await ours.wait(ours.node.get(BOX.public, mutable_target(BOX.public), ours.now()))
        (heard, *_) = [each.item for each in ours.told if isinstance(each, ItemHeard)]
        assert unseal(heard.value, BOX, heard.sequence, NOW) == SENT
        known = await ours.wait(ours.node.get(BOX.public, mutable_target(BOX.public), ours.now(), known=7))
        assert known.answered >= 4
        assert len([each for each in ours.told if isinstance(each, ItemHeard)]) == 1, "it comes without its value"
        mapping = ours.node.seen.mapping(ours.now())
        assert mapping is not None
        assert (mapping.host, mapping.port) == ours.endpoint.address, "BEP 42: each node says where it sees us"


@pytest.mark.slow  # libtorrent takes its time to know ten nodes: 15 s
def test_letters_and_rings_are_kept_and_read_by_libtorrent() -> None:
    asyncio.run(both_ways(10))


@pytest.mark.slow
def test_letters_and_rings_in_a_network_of_fifty() -> None:
    asyncio.run(both_ways(50))
