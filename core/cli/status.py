"""`grapevine status`: how this peer stands at the moment, in a sentence, and whether a Grapevine of it runs."""

import asyncio
from pathlib import Path
from typing import Final

from core.cli.jobs import brief_peer
from core.cli.output import Output
from core.errors import Unreachable
from core.files.presence import Presence
from core.news.events import AWAY, GrapeState
from core.peer import Peer
from core.profile.config import PeerConfig

PATIENCE: Final = 4.0  # seconds until it is known who answers: a bootstrap node in 0.5, another's grape in 2
LOOK: Final = 0.05  # seconds between looks meanwhile


class NobodyFindsUs(Unreachable):
    """There is no network, or what was named does not answer."""

    name = "ERR_GRAPE_UNREACHABLE"


async def status(config: PeerConfig, output: Output, profile: str) -> None:
    """Print how this peer stands. Raises NobodyFindsUs where it is unreachable or without a network."""
    running = not _alone(config, profile)
    async with brief_peer(config, output) as peer:
        await _settled(peer)
        seen = peer.snapshot()
    grape, public = seen.grape, seen.public_dht
    program = "A Grapevine of this profile is running." if running else "No Grapevine of this profile is running."
    meeting = [each for each in (public.message if public.on else "", public.open_peers.words) if each]
    output.result(
        "status", "\n".join((grape.message, *meeting, program)), state=grape.state.value, nodes=grape.nodes,
        url=grape.url, message=grape.message, running=running, lan=None if seen.address is None else seen.address.host,
        observed=None if seen.observed is None else seen.observed.host, public_dht=public.on,
        open_peer=public.open_peers.helps, open_peers=public.open_peers.found,
    )  # fmt: skip
    if grape.state in AWAY:
        raise NobodyFindsUs(f"this peer is found by nobody: {grape.state.value}")


def _alone(config: PeerConfig, profile: str) -> bool:
    if config.trust_file is None:
        return True
    presence = Presence(Path(config.trust_file).parent / f"{profile}.running")
    try:
        return presence.alone()
    finally:
        presence.leave()


async def _settled(peer: Peer) -> None:
    """Wait until it is known how we stand, and, where others may be found, a moment for the first to answer."""
    until = asyncio.get_running_loop().time() + PATIENCE
    while peer.snapshot().grape.state is GrapeState.STARTING and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110
        await asyncio.sleep(LOOK)
