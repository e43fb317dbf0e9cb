"""A peer that does all that strangers may use, a process of its own: benchmarks/hostile_services.py attacks it.

`python -m benchmarks.hostile_peer JSON`. Options: `folder`, `friends` (Peer IDs that it trusts). It shares fibonacci
and a UDP echo with anybody, passes packets on for everyone, is an open peer and has a grape of its own. Commands on
standard input, as benchmarks/our_peer.py: `use`.
"""

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.our_peer import Options, emit, obey
from core.errors import PeerError
from core.identity.identity import Identity
from core.kinds.share import Share
from core.peer import Peer, open_peer
from core.peer_id import PeerId
from core.profile.config import PeerConfig
from core.public.open_desk import OpenDesk
from core.trust.audience import Audience
from core.values import Address

UDP_PORT, GRAPE_UDP = 24_001, 20_001
CONNECTIONS = 64  # of a program here to a service of the other side


class Echo(asyncio.DatagramProtocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to send."""
        self._transport: Any = transport  # asyncio's own is no subclass of its DatagramTransport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Send it back."""
        self._transport.sendto(data, addr)


class AtOnce(OpenDesk):
    """Is an open peer from the start: there is no public DHT here, whose nodes would say that others reach us."""

    def __init__(self, *given: Any) -> None:  # noqa: ANN401
        super().__init__(*given)
        self.on = True


async def use(peer: Peer, who: str, service: str) -> Options:
    """Open somebody's service, and have a program here connect to it that reads nothing."""
    try:
        where = Address.parse(await peer.use(PeerId.parse(who), service))
    except PeerError as error:
        return {"error": f"{error.name}: {error}"}
    kind = next(use.kind for use in peer.snapshot().uses if use.service == service)
    for _ in range(CONNECTIONS):
        if kind == "udp":
            deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            deaf.sendto(b"pour", (where.host, where.port))
        else:
            deaf = socket.create_connection((where.host, where.port))
        _held.append(deaf)
    return {"kind": kind}


_held: list[socket.socket] = []


async def main(options: Options) -> None:
    """Open the peer and obey."""
    folder = Path(options["folder"])
    config = PeerConfig(
        bootstrap=(), udp_port=UDP_PORT, dht_port=GRAPE_UDP, identity=Identity.generate(),
        trust_file=folder / "trust.json", calls_file=folder / "calls.sqlite3", relay="everyone",
        audiences={"fibonacci": Audience.ANYONE},
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    echo = transport.get_extra_info("sockname")[1]
    with patch("core.wiring.OpenDesk", AtOnce):
        opening = open_peer(config)
        peer = await opening.__aenter__()
    try:
        for friend in options["friends"]:
            await peer.trust(PeerId.parse(friend), f"friend {friend[:4]}")
        await peer.share("fibonacci")
        await peer.add_share(Share("echo", "udp", {"target": f"127.0.0.1:{echo}"}, audience=Audience.ANYONE))
        emit("ready", peer_id=str(await peer.peer_id()), port=UDP_PORT)
        await obey({"use": lambda who, service: use(peer, who, service)})
    finally:
        await opening.__aexit__(None, None, None)
        transport.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
