"""The scene this project exists for: a worker behind a home router serves a consumer outside, nothing forwarded.

At home: the worker with its own grape. Outside: a grape, and the consumer. Each of the two sides is once ours, as the
real command line, and once the Node packages with a libutp peer; the sequence has to arrive in every combination.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.natlab.lab import PUBLIC, ROUTER_WAN, Lab, nat_lab
from tests.support.process import Program, grapevine, node, until

pytestmark = [pytest.mark.natlab, pytest.mark.asyncio]

SEQUENCE = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
OUTSIDE_GRAPE = f"{PUBLIC}:20001"
API = "http://127.0.0.1:30001"  # of the grape on the same machine, home or outside
UNTIL_REPLY = 15.0  # seconds from both sides' start; about one is usual


@pytest.fixture
def lab() -> Iterator[Lab]:
    with nat_lab() as lab:
        yield lab


@dataclass(frozen=True)
class Scene:
    """Both sides of the router; `ours` chooses between our command line and the Node packages."""

    lab: Lab
    homes: Path

    @asynccontextmanager
    async def outside_grape(self, *, ours: bool) -> AsyncIterator[Program]:
        """A grape that knows nobody, at the address that the home side bootstraps off."""
        if ours:
            arguments = ("grape", "--dp", "20001", "--aph", "30001", "--bn", "")
            async with grapevine(*arguments, inside=self.lab.in_public, home=self.homes) as grape:
                await grape.event("listening")
                yield grape
        else:
            async with node("grape", {"dht": 20001, "api": 30001}, inside=self.lab.in_public) as grape:
                yield grape

    @asynccontextmanager
    async def consumer(self, *, ours: bool) -> AsyncIterator[Program]:
        """A consumer beside the outside grape, announcing through it."""
        if ours:
            arguments = ("consume", "fibonacci", "--length", "10", "--grape", API)
            async with grapevine(*arguments, inside=self.lab.in_public, home=self.homes) as consumer:
                yield consumer
        else:
            async with node("peer", {"role": "consumer", "grape": API}, inside=self.lab.in_public) as consumer:
                yield consumer

    @asynccontextmanager
    async def our_worker(self) -> AsyncIterator[Program]:
        """Our worker with its embedded grape, ready to be found."""
        arguments = ("share", "fibonacci", "--bootstrap", OUTSIDE_GRAPE)
        async with grapevine(*arguments, inside=self.lab.in_home, home=self.homes) as worker:
            await worker.event("announced")
            yield worker

    @asynccontextmanager
    async def node_grape_at_home(self) -> AsyncIterator[Program]:
        """A Node grape behind the router that has found the outside one."""
        options: dict[str, object] = {"dht": 20001, "api": 30001, "bootstrap": [OUTSIDE_GRAPE]}
        async with node("grape", options, inside=self.lab.in_home) as grape:

            async def joined() -> bool:
                return bool(await grape.command("nodes"))

            await until(joined, "the home grape knows the outside grape")
            yield grape

    @asynccontextmanager
    async def node_worker(self) -> AsyncIterator[Program]:
        """A libutp worker at home that announces through the grape there."""
        options: dict[str, object] = {"role": "worker", "service": "fibonacci_worker", "grape": API}
        async with node("peer", options, inside=self.lab.in_home) as worker:
            yield worker


@pytest.mark.parametrize("our_worker", [True, False], ids=["our-worker", "node-worker"])
@pytest.mark.parametrize("our_consumer", [True, False], ids=["our-consumer", "node-consumer"])
async def test_the_sequence_arrives_through_the_router(
    lab: Lab, tmp_path: Path, our_worker: bool, our_consumer: bool
) -> None:
    scene = Scene(lab, tmp_path)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(scene.outside_grape(ours=our_consumer))
        # A Node grape that announces while it is alone remembers for minutes that there is nobody to tell, and a Node
        # link remembers an empty lookup for 10 s. So grapes meet first, and a Node worker starts last.
        if our_worker:
            worker = await enter(scene.our_worker())
            consumer = await enter(scene.consumer(ours=our_consumer))
        else:
            await enter(scene.node_grape_at_home())
            consumer = await enter(scene.consumer(ours=our_consumer))
            await consumer.event("announced")
            worker = await enter(scene.node_worker())
        try:
            await consumer.event("punch-received" if our_consumer else "punch", timeout=UNTIL_REPLY)
            reply = await consumer.event("reply", timeout=UNTIL_REPLY)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{worker.transcript()}") from None
        assert reply["data"] == SEQUENCE
        assert reply["from"].startswith(f"{ROUTER_WAN}:"), "it came through the hole that the worker's punch made"


@pytest.mark.parametrize(
    "our_grape", [pytest.param(True, id="our-grape", marks=pytest.mark.slow), pytest.param(False, id="node-grape")]
)
@pytest.mark.parametrize("same_port", [True, False], ids=["router-keeps-ports", "router-changes-ports"])
async def test_a_worker_behind_the_router_is_asked_by_its_id(
    lab: Lab, tmp_path: Path, our_grape: bool, same_port: bool
) -> None:
    """Our grape outside keeps the worker's record; Node's does not, and leads to it by the service's name.

    Where the router gives out other ports nobody knows the worker's, itself included: it has to punch who asks for it.
    """
    if not same_port:
        lab.restart_router()
    homes = {name: tmp_path / name for name in ("worker", "asker")}
    scene = Scene(lab, homes["worker"])
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(scene.outside_grape(ours=our_grape))
        known = await enter(grapevine("id", inside=lab.in_home, home=homes["worker"]))
        peer_id = (await known.event("id"))["peer_id"]
        worker = await enter(scene.our_worker())
        asking = ("request", f"{peer_id}/fibonacci", '{"length": 10}', "--grape", API)
        asker = await enter(grapevine(*asking, inside=lab.in_public, home=homes["asker"]))
        try:
            reply = await asker.event("reply", timeout=UNTIL_REPLY)
        except AssertionError as error:
            # a Node grape waits 2 s for the node whose port the router changed, and is given 2.5 s by our link
            if our_grape or "did not answer within" not in str(error):
                raise AssertionError(f"{error}\n{worker.transcript()}") from None
            asker = await enter(grapevine(*asking, inside=lab.in_public, home=homes["asker"]))
            reply = await asker.event("reply", timeout=UNTIL_REPLY)
        assert (reply["data"], reply["peer_id"]) == (SEQUENCE, peer_id)
        host, port = reply["from"].split(":")
        assert host == ROUTER_WAN
        assert (int(port) == worker_port(worker)) is same_port
        served = await worker.event("request-served")
        assert served["peer_id"] not in (None, peer_id), "the worker knows who asked: somebody, and not itself"


def worker_port(worker: Program) -> int:
    """Return the UDP port that a worker of ours has on its own machine."""
    return int(next(event["port"] for event in worker.events if event["event"] == "listening"))
