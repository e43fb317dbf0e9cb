"""The ways to others, for a terminal: a line when one is new or another, and how one peer was reached, step by step."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from core.cli.output import Output
from core.files.shown import plain
from core.news.seen import Attempt, PathRow
from core.peer import Peer
from core.peer_id import PeerId
from core.values import Address, JsonValue

LOOK_EVERY: Final = 2.0  # seconds; a look costs 1 to 2 ms with 1,000 peers, and a person reads no faster


def path_fields(path: PathRow) -> dict[str, JsonValue]:
    """Return a path as `--json` prints it."""
    return {
        "address": path.address.host,
        "port": path.address.port,
        "peer_id": str(path.peer_id) if path.peer_id else None,
        "path": path.via.value,
        "how": path.how,
        "relay": path.relay,
        "round_trip": path.round_trip,
        "loss": path.loss,
        "since": round(path.since, 3),
        "reason": path.reason,
        "better": path.better,
    }


def path_line(path: PathRow, name: str = "") -> str:
    """Return a path as a sentence or two."""
    trip = "" if path.round_trip is None else f", {path.round_trip * 1000:.1f} ms"
    lost = f", {path.loss:.1%} lost" if path.loss else ""
    how = f" ({path.how})" if path.how else ""
    who = f"{name} at {path.address}" if name else str(path.address)
    return plain(f"{who}: {path.badge}{how}{trip}{lost}. {path.reason} {path.better}".rstrip())


def relays_line(ready: Sequence[str]) -> str:
    """Return who can pass packets on for us as a sentence."""
    if not ready:
        return "No friend can pass packets on at this moment."
    who = " and ".join(ready) if len(ready) < 3 else f"{', '.join(ready[:-1])} and {ready[-1]}"
    return f"{who} can pass packets on where no direct way opens."


def attempt_lines(attempt: Attempt) -> list[str]:
    """Return what happened in an attempt, a line for each step, with the seconds since it began."""
    lines = [plain(f"{step.at - attempt.began:6.2f} s  {step.message}") for step in attempt.steps]
    return [*lines, f"          {attempt.sent} punches sent"] if attempt.sent else lines


async def tell_paths(peer: Peer, output: Output) -> None:
    """Tell until cancelled each path that is new, or leads another way now, and which friends can pass packets on."""
    told: dict[Address, tuple[object, ...]] = {}
    ready: tuple[str, ...] = ()
    revision = -1
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if peer.revision == revision:
            continue
        revision, snapshot = peer.revision, peer.snapshot()
        names = {each.peer_id: each.name for each in snapshot.known_peers}
        paths = snapshot.connections.paths
        for path in paths:
            state = (path.via, path.how, path.relay)
            if told.get(path.address) != state:
                told[path.address] = state
                output.news("path", path_line(path, _name(path.peer_id, names.get)), **path_fields(path))
        told = {path.address: told[path.address] for path in paths}  # as many as there are peers
        if snapshot.relays.ready != ready:
            ready = snapshot.relays.ready
            output.news("relays", plain(relays_line(ready)), ready=list[JsonValue](ready))


def _name(peer_id: PeerId | None, name_of: Callable[[PeerId], str | None]) -> str:
    return "" if peer_id is None else name_of(peer_id) or peer_id.short


def best_of(paths: Iterable[PathRow], peer_id: PeerId) -> PathRow | None:
    """Return the path by which this peer was heard last."""
    return max((each for each in paths if each.peer_id == peer_id), key=lambda each: each.last_seen, default=None)
