"""A peer for `benchmarks.friends`: `python -m benchmarks.friends_peer JSON`, commands and events as JSON lines.

Options: `seed` (a number, its identity), `broker`, `grapes`, `mainline` (`HOST:PORT`s of the lab), `lan`, `attend`
(somebody looks at its window), `share`. Times are of CLOCK_MONOTONIC, which all programs of a machine share.
"""

import asyncio
import json
import resource
import sys
import threading
import time
from typing import Any

from core.cli.output import dumps
from core.identity.identity import Identity
from core.news.events import PeerEvent
from core.news.joins import InvitationAccepted
from core.peer import Peer, PeerConfig, open_peer
from core.values import JsonValue


def say(event: str, **fields: JsonValue) -> None:
    print(dumps({"event": event, "at": time.monotonic(), **fields}), flush=True)


def config(options: dict[str, Any]) -> PeerConfig:
    lan = bool(options.get("lan"))
    return PeerConfig(
        grapes=tuple(options.get("grapes", ())),
        bootstrap=None if lan else (),
        identity=Identity.from_secret(int(options["seed"]).to_bytes(32)),
        use_broker=bool(options.get("broker")),
        brokers=tuple(options.get("broker", ())),
        lan=lan,
        mainline="on" if options.get("mainline") else "off",
        mainline_bootstrap=tuple(options.get("mainline", ())),
    )


class Seat:
    """One peer, and what its person does."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def act(self, wish: dict[str, Any]) -> None:
        """Carry out one command."""
        if "invite" in wish:
            link, _ = await self._peer.invite(wish["invite"], frozenset({"fibonacci"}))
            say("link", link=str(link))
        elif "join" in wish:
            began = time.monotonic()
            joined = await self._peer.join(wish["join"], timeout=90.0)
            say("joined", took=time.monotonic() - began, began=began, known=len(self._peer.known_peers()))
            del joined
        elif "ask" in wish:
            began = time.monotonic()
            await self._peer.request(wish["ask"], {"length": 10}, timeout=30.0)
            say("reply", took=time.monotonic() - began)
        elif "cost" in wish:
            used = resource.getrusage(resource.RUSAGE_SELF)
            state = self._peer.snapshot().public_dht
            say("cost", cpu=used.ru_utime + used.ru_stime, nodes=state.nodes, message=state.message)


async def run(options: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    wishes: asyncio.Queue[str] = asyncio.Queue()

    def on_event(event: PeerEvent) -> None:
        if isinstance(event, InvitationAccepted):
            say("accepted", name=event.name)

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(wishes.put_nowait, line)

    async with open_peer(config(options), on_event) as peer:
        if options.get("share"):
            await peer.share("fibonacci")
        peer.public_dht.attend(bool(options.get("attend")))
        threading.Thread(target=read, daemon=True).start()
        seat, own = Seat(peer), await peer.peer_id()
        say("ready", id=str(own))
        while options.get("mainline") and peer.snapshot().public_dht.nodes < 8:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        say("there", nodes=peer.snapshot().public_dht.nodes)
        while True:
            await seat.act(json.loads(await wishes.get()))


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1])))
