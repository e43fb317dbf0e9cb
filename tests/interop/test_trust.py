"""A plain libutp peer is served by an open share, and told by name why a restricted one does not serve it."""

import pytest

from core.peer import PeerConfig, open_peer
from core.trust.audience import Audience
from core.values import JsonValue
from tests.peer.ears import Ears
from tests.secure.sides import BERT
from tests.support.process import Program, node

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

PAYLOAD: JsonValue = {"length": 3}
REFUSED = {
    Audience.TRUSTED: "ERR_ENCRYPTION_REQUIRED: fibonacci is for encrypted peers",
    Audience.IDENTIFIED: "ERR_ENCRYPTION_REQUIRED: fibonacci is for encrypted peers",
    Audience.OFF: "ERR_SERVICE_OFF: fibonacci is switched off",
}


async def ask(client: Program, address: object) -> object:
    """Ask with the key that the demo's consumer uses, the address; return what came back."""
    return await client.command("request", address=str(address), key=str(address), payload=PAYLOAD)


async def test_served_by_an_open_share_and_refused_by_a_restricted_one_on_the_same_connection() -> None:
    config = PeerConfig(bootstrap=(), dht_port=0, api_port=0, bind="127.0.0.1", identity=BERT)
    async with open_peer(config, Ears()) as peer, node("peer", {"role": "client"}) as client:
        await peer.share("fibonacci")
        address = peer.snapshot().address
        assert await ask(client, address) == [1, 1, 2]
        for audience, said in REFUSED.items():
            peer.set_audience("fibonacci", audience)
            with pytest.raises(RuntimeError, match=said):
                await ask(client, address)
            peer.set_audience("fibonacci", Audience.ANYONE)
            assert await ask(client, address) == [1, 1, 2]
        assert client.count("unparsed") == 0
        assert (peer.pending(), peer.known_peers()) == ((), ())
        assert peer._parts.server.statistics().connections == 1
