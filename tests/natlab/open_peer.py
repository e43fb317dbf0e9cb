"""An open peer as a program: `python -m tests.natlab.open_peer NODE`, on a machine that others reach.

It is one after two seconds of being reached, not after a quarter of an hour. It says `open` once it is one, `guests`
when others wait there, and `introduced` with each letter that somebody was waiting for.
"""

import asyncio
import json
import sys

from core.identity.identity import Identity
from core.peer import PeerConfig, open_peer

REACHED_FOR = 2.0  # seconds


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)  # noqa: T201


async def main(node: str) -> None:
    config = PeerConfig(
        identity=Identity.generate(), bootstrap=(), dht_port=0, api_port=0, mainline="on", mainline_bootstrap=(node,),
        open_peer=True, reachable_for=REACHED_FOR,
    )  # fmt: skip
    async with open_peer(config) as peer:
        told, waiting, introduced = False, 0, 0
        while True:
            seen = peer.snapshot().public_dht
            if seen.open_peers.open and not told:
                told = True
                say(event="open", nodes=seen.nodes)
            if seen.open_peers.guests != waiting:
                waiting = seen.open_peers.guests
                say(event="guests", waiting=waiting)
            if seen.open_peers.introduced != introduced:
                introduced = seen.open_peers.introduced
                say(event="introduced", letters=introduced)
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
