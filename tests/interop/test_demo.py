"""The demo's roles on one machine: our command line and a libutp peer as worker and consumer, around either grape."""

from pathlib import Path

import pytest

from tests.interop.grapes import our_grape, two_node_grapes
from tests.support.process import Program, grapevine, node

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

SEQUENCE = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
FIRST_REPLY = 15.0  # seconds; both sides act at once and then every second, and a Node link caches nothing for 10 s


async def sequence_arrives(consumer: Program, worker: Program) -> None:
    """Wait for the consumer's first reply; a failure shows both sides."""
    try:
        reply = await consumer.event("reply", timeout=FIRST_REPLY)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{worker.transcript()}") from None
    assert reply["data"] == SEQUENCE


async def test_our_worker_serves_a_libutp_consumer(tmp_path: Path) -> None:
    async with our_grape() as grape, grapevine("share", "fibonacci", "--grape", grape.url, home=tmp_path) as worker:
        await worker.event("announced")
        async with node("peer", {"role": "consumer", "grape": grape.url}) as consumer:
            await sequence_arrives(consumer, worker)
            assert consumer.count("unparsed") == 0
            served = await worker.event("request-served")
            assert (served["service"], served["error"]) == ("fibonacci_worker", None)


async def test_a_libutp_worker_serves_our_consumer(tmp_path: Path) -> None:
    async with (
        our_grape() as grape,
        grapevine("consume", "fibonacci", "--grape", grape.url, home=tmp_path) as consumer,
    ):
        await consumer.event("announced")
        async with node("peer", {"role": "worker", "service": "fibonacci_worker", "grape": grape.url}) as worker:
            await sequence_arrives(consumer, worker)
            assert worker.count("unparsed") == 0


async def test_our_peers_around_two_node_grapes(tmp_path: Path) -> None:
    async with (
        two_node_grapes() as (first, second),
        grapevine("share", "fibonacci", "--grape", second.url, home=tmp_path / "worker") as worker,
        grapevine("consume", "fibonacci", "--grape", first.url, home=tmp_path / "consumer") as consumer,
    ):
        await sequence_arrives(consumer, worker)


async def test_libutp_peers_around_our_lone_grape() -> None:
    """The Node peers need two Node grapes; one of ours does."""
    async with our_grape() as grape, node("peer", {"role": "consumer", "grape": grape.url}) as consumer:
        await consumer.event("announced")
        async with node("peer", {"role": "worker", "service": "fibonacci_worker", "grape": grape.url}) as worker:
            await sequence_arrives(consumer, worker)


@pytest.mark.parametrize("role", ["worker", "answerer"])
@pytest.mark.parametrize("target", ["by-name", "by-address"])
async def test_our_request_to_a_libutp_worker(tmp_path: Path, role: str, target: str) -> None:
    """The punching client of the demo: it punches the worker, which may or may not punch back, and asks."""
    async with our_grape() as grape:
        options: dict[str, object] = {"role": role, "service": "fibonacci_worker", "grape": grape.url}
        async with node("peer", options) as worker:
            await worker.event("announced")
            whom = "fibonacci_worker" if target == "by-name" else f"127.0.0.1:{worker.events[0]['port']}"
            arguments = ("request", whom, '{"length": 10}', "--grape", grape.url)
            async with grapevine(*arguments, home=tmp_path) as request:
                reply = await request.event("reply")
                assert reply["data"] == SEQUENCE
                assert await request.wait() == 0
            assert target == "by-address" or worker.count("punch") > 0


async def test_a_libutp_punching_client_is_answered_by_our_worker(tmp_path: Path) -> None:
    """The other half: that client asks only once it was punched back."""
    async with our_grape() as grape, grapevine("share", "fibonacci", "--grape", grape.url, home=tmp_path) as worker:
        await worker.event("announced")
        async with node("peer", {"role": "puncher", "service": "fibonacci_worker", "grape": grape.url}) as client:
            await sequence_arrives(client, worker)
