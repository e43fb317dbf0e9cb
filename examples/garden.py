"""A Python function as a service, and a client for it. Share it, then ask it from another machine:

    grapevine share examples/garden.py:handle --name garden
    grapevine request PEER/garden '{"plant": "basil"}'

Run it alone and it does both, with two peers on this machine: .venv/bin/python examples/garden.py
"""

import asyncio
from pathlib import Path

from core.directory.records.check import RecordMissing
from core.errors import PayloadError
from core.grape.config import GrapeConfig
from core.grape.grape import open_grape
from core.identity.identity import Identity
from core.kinds.share import Share
from core.peer import Peer, PeerConfig, Reply, open_peer
from core.values import Caller, JsonValue

HERE = Path(__file__).resolve()
DAYS = {"basil": 1, "rosemary": 7}


def handle(payload: JsonValue, caller: Caller) -> JsonValue:
    """Say how often a plant wants water."""
    plant = payload.get("plant") if isinstance(payload, dict) else None
    if not isinstance(plant, str) or plant not in DAYS:
        raise PayloadError(f"ask for one of {', '.join(DAYS)}")
    return {"plant": plant, "every_days": DAYS[plant]}


async def ask(friend: Peer, target: str) -> Reply:
    """Ask, and ask again until the owner has told the grape where it is."""
    while True:
        try:
            return await friend.request(target, {"plant": "basil"})
        except RecordMissing:
            await asyncio.sleep(0.2)


async def main() -> None:
    """Share the function, and ask it."""
    async with open_grape(GrapeConfig(dht_port=0, api_port=0, bind="127.0.0.1")) as grape:
        at_home = PeerConfig(grapes=(grape.url,), identity=Identity.generate())
        away = PeerConfig(grapes=(grape.url,), identity=Identity.generate())
        async with open_peer(at_home) as owner, open_peer(away) as friend:
            home, guest = await owner.peer_id(), await friend.peer_id()
            assert home is not None
            assert guest is not None
            await owner.trust(guest, "my friend")
            await owner.add_share(Share("garden", "python", {"target": f"{HERE}:handle"}))
            reply = await ask(friend, f"{home}/garden")
            print(reply.data)


if __name__ == "__main__":
    asyncio.run(main())
