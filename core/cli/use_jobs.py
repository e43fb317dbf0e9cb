"""What the commands of the other side do, as coroutines over the peer facade: offers, open, connect, watch, fetch."""

import asyncio
import os
import sys
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from core.cli.jobs import LISTING_PATIENCE, LISTING_PAUSE, brief_peer
from core.cli.output import Output, dumps
from core.cli.path_lines import attempt_lines, best_of, path_fields, path_line
from core.cli.peers import Place, find
from core.cli.pipes import join
from core.cli.progress import Progress
from core.cli.reasons import Reasons
from core.directory.records.check import RecordMissing
from core.errors import LocalError, LookupEmpty, PeerError, RefusedError, RemoteError, RequestTimeout
from core.files.environment import leave_bundle
from core.files.shown import plain
from core.kinds.values import parse_line
from core.limits.rate import Backoff
from core.peer import Peer, open_peer
from core.profile.config import PeerConfig
from core.profile.settings import SettingsStore
from core.profile.shares import KeptUse, with_use
from core.tunnel.stream import ByteStream
from core.using.offers import OfferRow
from core.values import JsonValue

PRESENCE_EVERY: Final = 5.0  # seconds between looks whether the other side is there
SETTLE: Final = 0.2  # seconds until the round trip of a new connection is measured
LINE_MAX: Final = 1 << 20  # bytes of one value
_NOT_YET: Final = frozenset({"ERR_SERVICE_UNKNOWN", "ERR_RATE_LIMITED"})  # refusals that pass by themselves
T = TypeVar("T")


async def offers(config: PeerConfig, output: Output, text: str, timeout: float) -> None:
    """Print what a peer shares with us."""
    async with _place(config, output, text) as (peer, place):
        found = await _patiently(peer, lambda left: peer.offered_by(place.peer_id, timeout=left), timeout)
        rows = [plain(f"{place.name}/{row.name}  {row.kind}  {row.description}") for row in found]
        fields: list[JsonValue] = [
            {"name": row.name, "kind": row.kind, "description": row.description} for row in found
        ]
        text = "\n".join(rows) or f"{plain(place.name)} shares nothing with you at this moment"
        output.result("offers", text, peer_id=str(place.peer_id), name=place.name, offers=fields)


async def path(config: PeerConfig, output: Output, text: str, timeout: float) -> None:
    """Connect to a peer, and print the way there, why it is that one, and what was tried."""
    async with _place(config, output, text) as (peer, place):
        await _patiently(peer, lambda left: peer.offered_by(place.peer_id, timeout=left), timeout)
        await asyncio.sleep(SETTLE)
        connections = peer.snapshot().connections
        found = best_of(connections.paths, place.peer_id)
        if found is None:
            raise RemoteError(f"{place.name} answered, and has gone since")
        tried = [
            each for each in connections.attempts if each.peer_id == place.peer_id or each.address == found.address
        ]
        lines = [line for each in reversed(tried) for line in attempt_lines(each)]
        output.result("path", "\n".join([*lines, path_line(found, place.name)]), **path_fields(found))


async def open_service(
    config: PeerConfig, output: Output, text: str, port: int, browser: bool, permanent: bool, timeout: float,
    profile: str,
) -> None:  # fmt: skip
    """Open a service here until cancelled, and say how the other side does."""
    async with open_peer(config, output.event) as peer:
        place = find(text, peer.known_peers())
        offer = await _offer(peer, place, timeout)
        where = await peer.use(place.peer_id, offer.name, kind=offer.kind, port=port, peer=place.name)
        if permanent:
            use = KeptUse(place.peer_id, offer.name, offer.kind, port or _port_of(where, offer.kind))
            SettingsStore(profile).change(lambda settings: with_use(settings, use))
        output.result(
            "opened", where, peer_id=str(place.peer_id), peer=place.name, service=offer.name, kind=offer.kind,
            where=where, permanent=permanent,
        )  # fmt: skip
        if offer.kind == "tcp" and "ssh" in offer.name.casefold() and not output.as_json:
            output.notice(f"For example: ssh -p {where.rpartition(':')[2]} {where.rpartition(':')[0]}")
        if browser and where.startswith("http"):
            leave_bundle(os.environ)
            await asyncio.to_thread(webbrowser.open, where)
        await _tell_presence(peer, output, place)


def _port_of(where: str, kind: str) -> int:
    """Return the port to keep: for a port of one's own it is the same one next time; pages share one of any number."""
    return int(where.rpartition(":")[2]) if kind in {"tcp", "udp"} else 0


async def _tell_presence(peer: Peer, output: Output, place: Place) -> None:
    last = ""
    while True:
        await peer.rest(PRESENCE_EVERY)
        try:
            found = await peer.offered_by(place.peer_id, timeout=10.0)
            here = any(row.name == place.service for row in found)
            problem = "" if here else f"{place.name} does not share {place.service} with you at this moment"
        except PeerError as error:
            problem = f"{place.name} is away: {error}"
        if problem != last:
            last = problem
            sentence = problem or f"{place.name} is there again"
            if output.as_json:
                output.result("presence", "", peer_id=str(place.peer_id), here=not problem, message=sentence)
            else:
                output.notice(f"{sentence}.")


async def connect(config: PeerConfig, output: Output, text: str, timeout: float) -> None:
    """Join standard input and output to a stream until both have ended. Raises PeerError for what breaks it."""
    async with _place(config, output, text) as (peer, place):
        stream = await _stream(peer, place, timeout)
        try:
            await join(stream)
        except BrokenPipeError:
            raise LocalError("nobody reads what the other side sends", name="ERR_OUTPUT") from None
        except OSError as error:
            raise LocalError(f"the output cannot be written: {error.strerror or error}", name="ERR_OUTPUT") from None
        finally:
            stream.reset()  # without effect when it is over


async def watch(config: PeerConfig, output: Output, text: str, once: bool, timeout: float) -> None:
    """Print each value, until cancelled; go on by itself when the other side comes back."""
    async with open_peer(config, output.event) as peer:
        place = find(text, peer.known_peers())
        stream = await _stream(peer, place, timeout)
        if once:
            try:
                async with asyncio.timeout(timeout):
                    await _watch(peer, output, place, stream, once)
            except TimeoutError:
                late = f"{place.name} is there, and {place.service} had no value within {timeout:g} s"
                raise RequestTimeout(f"{late}: --timeout waits longer") from None
            return
        await _watch(peer, output, place, stream, once)
        backoff = Backoff(0.5, 15.0)
        told = ""
        while True:
            try:
                stream = await peer.open_stream(place.peer_id, place.service, timeout=timeout)
                told = ""
                backoff.succeeded()
                await _watch(peer, output, place, stream, once)
            except (RefusedError, LocalError) as error:
                if error.name not in _NOT_YET:
                    raise
                told = _tell_away(output, place, error, told)
            except PeerError as error:
                told = _tell_away(output, place, error, told)
            if await peer.rest(backoff.failed()):
                backoff.succeeded()


def _tell_away(output: Output, place: Place, error: PeerError, told: str) -> str:
    sentence = f"{place.name} is away ({error}): its values go on when it is back."
    if sentence != told:
        output.notice(sentence)
    return sentence


async def _watch(peer: Peer, output: Output, place: Place, stream: ByteStream, once: bool) -> None:
    """Print values until the stream breaks or ends; with `once` one. Raises RemoteError for what is none."""
    rest = b""
    try:
        while data := await stream.read():
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > LINE_MAX:
                raise RemoteError(f"{place.name} sent a value of more than {LINE_MAX} bytes")
            for line in lines:
                _print_value(output, place, line)
                if once:
                    return
            await output.drained()  # a slow reader slows the sender down
        if once:
            raise RemoteError(f"{place.name} ended {place.service} without a value")
    except RemoteError:
        raise
    except PeerError as error:
        if once:
            raise
        output.notice(f"{place.name} is away ({error}): its values go on when it is back.")
    finally:
        stream.reset()  # without effect when it is over


def _print_value(output: Output, place: Place, line: bytes) -> None:
    try:
        at, value = parse_line(line)
    except (ValueError, RecursionError):
        raise RemoteError(f"{place.name} sent what is no value: is {place.service} a service to watch?") from None
    text = plain(value) if isinstance(value, str) else dumps(value)
    output.result("value", text, value=value, at=at)


async def fetch(config: PeerConfig, output: Output, text: str, to: Path | None, timeout: float) -> None:
    """Fetch one file of a folder of another peer; what a break left is gone on with."""
    from core.using.fetch import Fetch  # aiohttp with it

    async with _place(config, output, text) as (peer, place):
        service, _, path = place.service.partition("/")
        if not path.strip("/") or path.endswith("/"):
            raise LocalError(f"name a file, as in {place.name}/{service}/a.jpg; 'grapevine open' shows what there is")
        place = place._replace(rest=service)
        to = Path(path.rpartition("/")[2]) if to is None else to
        to = to / path.rpartition("/")[2] if to.is_dir() else to
        offer = await _offer(peer, place, timeout)
        if offer.kind != "folder":
            raise LocalError(f"{service} of {place.name} is no folder: use 'grapevine open {place.name}/{service}'")
        with Progress(to.name, shown=not output.as_json and sys.stderr.isatty()) as progress:
            fetching = Fetch(lambda: peer.open_stream(place.peer_id, service, timeout=timeout), progress, peer.rest)
            found = await fetching.file(path, to)
        size = (await asyncio.to_thread(os.stat, found)).st_size
        output.result("fetched", plain(f"{found} ({size:,} bytes)"), file=str(found), bytes=size)


# -- within -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _place(config: PeerConfig, output: Output, text: str) -> AsyncIterator[tuple[Peer, Place]]:
    async with brief_peer(config, output) as peer:
        yield peer, find(text, peer.known_peers())


async def _stream(peer: Peer, place: Place, timeout: float) -> ByteStream:
    service = place.service
    return await _patiently(peer, lambda left: peer.open_stream(place.peer_id, service, timeout=left), timeout)


async def _offer(peer: Peer, place: Place, timeout: float) -> OfferRow:
    """Return what the peer says of a service. Raises RefusedError that names those there are."""
    service = place.service
    found = await _patiently(peer, lambda left: peer.offered_by(place.peer_id, timeout=left), timeout)
    for row in found:
        if row.name == service:
            return row
    known = ", ".join(row.name for row in found) or "nothing at this moment"
    raise RefusedError(
        f"{place.name} shares no {service[:80]!r} with you; it shares {known}. It may have to trust you first: "
        "give it your ID ('grapevine id')",
        name="ERR_SERVICE_UNKNOWN",
    )


async def _patiently(peer: Peer, ask: Callable[[float], Awaitable[T]], timeout: float) -> T:
    """Ask until there is an answer; our own grape may need a moment to find anybody. Raises PeerError."""
    loop = asyncio.get_running_loop()
    until, patience = loop.time() + timeout, loop.time() + min(timeout, LISTING_PATIENCE)
    reasons = Reasons()
    stop = peer.subscribe(reasons)
    try:
        while True:
            try:
                return await ask(max(0.001, until - loop.time()))
            except (LookupEmpty, RecordMissing):
                if loop.time() >= patience:
                    raise
                await asyncio.sleep(LISTING_PAUSE)
            except RequestTimeout as error:
                raise reasons.timeout(str(error)) from None
    finally:
        stop()
