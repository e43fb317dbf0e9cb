"""A peer with a profile's settings that asks when it is told to, in JSON lines: a consumer that runs already.

`python -m tests.natlab.asker GRAPE`. Commands, as `Program.command` sends them: `ready` waits until a relay is there
and the target's record is found, `ask` sends one request and says how long it took, `path` tells the way to a peer.
"""

import asyncio
import json
import sys
import time
from typing import Any

from core.cli.output import Output
from core.cli.starting import config_of
from core.errors import PeerError
from core.peer import Peer, open_peer
from core.peer_id import PeerId
from core.profile.settings import DEFAULT_PROFILE
from core.values import JsonValue

LOOK_EVERY = 0.05  # seconds


def emit(event: str, **values: object) -> None:
    """Print one JSON line."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


async def ready(peer: Peer, target: str, relays: int) -> None:
    """Wait until so many relays are there, and the target is known to the grapes."""
    while True:
        try:
            await peer.lookup(target)
        except PeerError:
            await asyncio.sleep(LOOK_EVERY)
            continue
        if len(peer.snapshot().relays.ready) >= relays:
            return
        await asyncio.sleep(LOOK_EVERY)


async def ask(peer: Peer, target: str, timeout: float) -> dict[str, JsonValue]:
    """Ask for a sequence: from this peer, or with "" from any that shares it under its name."""
    began = time.monotonic()
    reply = await peer.request(f"{target}/fibonacci" if target else "fibonacci", {"length": 10}, timeout=timeout)
    return {"data": reply.data, "seconds": time.monotonic() - began, "from": str(reply.peer)}


def path(peer: Peer, target: str) -> dict[str, JsonValue]:
    """Return the badges of the ways to a peer, and where its lane leads."""
    snapshot = peer.snapshot()
    ways = [each.badge for each in snapshot.connections.paths if each.peer_id == PeerId.parse(target)]
    return {"badges": list(ways), "lanes": [each.words for each in snapshot.relays.peers]}


async def main(grape: str) -> None:
    """Open the peer, and do what is said on standard input."""
    config = config_of(Output(as_json=True, quiet=True), DEFAULT_PROFILE, (grape,), None, None, True, ("",))
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with open_peer(config, lambda event: None) as peer:
        emit("opened")
        while line := await lines.readline():
            said: dict[str, Any] = json.loads(line)
            try:
                result = await do(peer, said["name"], said["args"])
                emit("answer", id=said["id"], result=result, error=None)
            except PeerError as error:
                emit("answer", id=said["id"], result=None, error=f"{error.name}: {error}")


async def do(peer: Peer, name: str, args: dict[str, Any]) -> JsonValue:
    """Carry out one command."""
    if name == "ready":
        await ready(peer, args["target"], args["relays"])
        return None
    if name == "ask":
        return await ask(peer, args["target"], args["timeout"])
    return path(peer, args["target"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
