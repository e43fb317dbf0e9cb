"""What the commands do, as coroutines over the peer facade. They raise PeerError and print through Output."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.aio.allocator import settle
from core.cli.event_lines import state_fields
from core.cli.output import Output, dumps
from core.cli.peers import find
from core.cli.reasons import Reasons
from core.cli.story import Story
from core.cli.tidying import tidy
from core.directory.access import running_grape
from core.directory.records.check import RecordMissing
from core.errors import LookupEmpty, RefusedError, RequestTimeout, Unreachable
from core.grape.config import GrapeConfig
from core.grape.grape import open_grape
from core.grenache.asker import Ask
from core.news.events import ErrorRaised, GrapeChanged, GrapeState, PeerEvent, ReplyReceived
from core.peer import Peer, open_peer
from core.peer_id import looks_like_id
from core.profile.config import PeerConfig
from core.services.service import PayloadError
from core.values import JsonValue

LISTING_PATIENCE = 2.0  # seconds a request by name waits for the first announce: two ticks of a worker
JOINING_PATIENCE = 3.0  # seconds a grape of our own gets to meet another: a query and its repetition on a slow line
STATE_EVERY = 10.0  # seconds between `state` events
LISTING_PAUSE = 0.2  # seconds between looks meanwhile


async def run_grape(config: GrapeConfig, output: Output) -> None:
    """Run a stand-alone grape until cancelled."""
    async with open_grape(config) as grape:
        host, port = grape.dht_address
        text = f"grape listening: DHT on {grape.dht_address}/udp, HTTP API at {grape.url}"
        output.result("listening", text, address=host, port=port, api=grape.url)
        settle()
        nodes = -1
        while True:
            if grape.nodes() != nodes:
                nodes = grape.nodes()
                text = f"{nodes} other grape{'s'[: nodes != 1]} known" if nodes else "alone: no other grape is known"
                output.result("grape", text, state="connected" if nodes else "alone", nodes=nodes, url=grape.url)
            await asyncio.sleep(1.0)


async def tell_state(peer: Peer, output: Output) -> None:
    """With --json, tell until cancelled what crosses the socket and what callers hold here, whenever that changed."""
    told = None
    while True:
        await asyncio.sleep(STATE_EVERY)
        traffic = peer.traffic()
        if output.as_json and traffic != told:
            told = traffic
            output.result("state", "", **state_fields(traffic))


async def broker(config: PeerConfig, output: Output) -> None:
    """Be a broker until cancelled."""
    async with open_peer(config, output.event) as peer:
        settle()
        await tidy(peer.traffic)


async def consume(
    config: PeerConfig, output: Output, service: str, payload: JsonValue, once: bool, timeout: float
) -> None:
    """Consume until cancelled, or with `once` until the first reply.

    Raises RequestTimeout after `timeout` seconds, and RefusedError at once when a worker does not take the payload.
    """
    first: asyncio.Future[JsonValue] = asyncio.get_running_loop().create_future()
    reasons = Reasons()

    def listen(event: PeerEvent) -> None:
        if once and first.done():
            return
        output.event(event)
        reasons(event)
        if first.done():
            return
        if isinstance(event, ReplyReceived):
            first.set_result(event.data)
        elif once and isinstance(event, ErrorRaised) and event.error == PayloadError.name:
            first.set_exception(RefusedError(event.message, name=event.error))  # no other worker will take it

    async with open_peer(config, listen) as peer:
        await peer.consume(service, payload)
        if not once:
            await asyncio.Event().wait()
        try:
            async with asyncio.timeout(timeout):
                data = await first
        except TimeoutError:
            raise reasons.timeout(f"no {service} worker answered within {round(timeout, 2):g} s") from None
        if not output.as_json:
            output.result("reply", dumps(data))


async def request(
    config: PeerConfig, output: Output, target: str, payload: JsonValue, timeout: float, ask: Ask | None = None
) -> None:
    """Ask once and print the result."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    reasons = Reasons()
    async with brief_peer(config, output) as peer:
        peer.subscribe(reasons)
        target = target_of(target, peer)
        patience = started + min(timeout, LISTING_PATIENCE)
        while True:
            try:
                left = max(0.001, started + timeout - loop.time())
                reply = await peer.request(target, payload, timeout=left, ask=ask)
                break
            except (LookupEmpty, RecordMissing):
                if loop.time() >= patience:
                    raise
                await asyncio.sleep(LISTING_PAUSE)
            except RequestTimeout as error:
                raise reasons.timeout(str(error)) from None
        if not output.as_json:
            output.result("reply", dumps(reply.data))


def target_of(target: str, peer: Peer) -> str:
    """Return what a peer is asked by: NAME/SERVICE of a peer that we know becomes its ID. Raises LocalError."""
    if "/" not in target or looks_like_id(target.partition("/")[0]):
        return target
    place = find(target, peer.known_peers())
    return f"{place.peer_id}/{place.service}"


@asynccontextmanager
async def brief_peer(config: PeerConfig, output: Output) -> AsyncIterator[Peer]:
    """Open a peer for one command: through the grape that runs on this machine, if any, else with one of its own."""
    if not config.grapes and config.bootstrap is None:
        url = await running_grape()
        if url is not None:
            config = dataclasses.replace(config, grapes=(url,))
    story = Story(output)
    async with open_peer(config, output.event) as peer:
        peer.subscribe(story)
        try:
            yield peer
        finally:
            story.close()


async def require_company(peer: Peer) -> None:
    """Wait until our grape knows another one; refuse to store anything on one that ends with this command."""
    joined = asyncio.Event()
    peer.subscribe(lambda event: joined.set() if isinstance(event, GrapeChanged) else None)
    try:
        async with asyncio.timeout(JOINING_PATIENCE):
            while (grape := peer.snapshot().grape).embedded and grape.state is not GrapeState.CONNECTED:
                await joined.wait()
                joined.clear()
    except TimeoutError:
        raise NoGrape(
            "no grape was found to store this on; start one with 'grapevine grape', "
            "or name one with --grape or --bootstrap"
        ) from None


class NoGrape(Unreachable):
    """There is no grape but the one this command would take away with it."""

    name = "ERR_GRAPE_UNREACHABLE"
