"""A UDP share with its datagrams beside the stream, and in it: how many a second, and how late with some loss.

    python -m benchmarks.datagrams [--loss 1] [--delay 25] [--seconds 10]

Two whole peers in one process on loopback, and an echo that one of them shares. For the delays each way takes some
time and loses some of what leaves either peer; who asks sends at a pace, as a call does. Both ways in one run.
"""

import argparse
import asyncio
import os
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Final
from unittest.mock import patch

from core.aio.tasks import TaskSet
from core.kinds.share import Share
from core.peer import Peer
from core.values import Address, Burst
from tests.kinds.test_udp import Program, echo, program
from tests.peer.test_by_id import published
from tests.peer.test_shares import two
from tests.secure.sides import BERT
from tests.support.seal import seal

PACE: Final = 0.005  # seconds between two datagrams
AT_ONCE: Final = 64  # on their way, for the rate
SIZE: Final = 200  # bytes
WARM: Final = 1.0  # seconds
LAST: Final = 2.0  # seconds for the last replies


def slow_down(peer: Peer, loss: float, delay: float, random: Random) -> None:
    """Let what leaves a peer be late, and sometimes lost."""
    pump = peer._parts.endpoint._pump
    send, loop = pump._send, asyncio.get_running_loop()

    def later(burst: Burst) -> None:
        kept = [datagram for datagram in burst.datagrams if random.random() >= loss]
        if kept:
            loop.call_later(delay, send, replace(burst, datagrams=kept))

    pump._send = later


@asynccontextmanager
async def asking(*, beside: bool) -> AsyncIterator[tuple[tuple[Peer, Peer], asyncio.DatagramTransport, Program]]:
    """Share an echo, and open it."""
    with patch("core.using.udp.carries_datagrams", lambda details: beside):
        async with echo() as port, two() as (bert, _, anna, url):
            await bert.add_share(Share("echo", "udp", {"target": str(port)}))
            await published(url, BERT)
            where = Address.parse(await anna.use(BERT.peer_id, "echo"))
            async with program(where) as (transport, ears):
                yield (anna, bert), transport, ears


async def rate(transport: asyncio.DatagramTransport, ears: Program, seconds: float) -> float:
    """Return how many round trips a second there are, some at a time."""

    async def some(until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            try:
                async with asyncio.timeout(0.5):
                    await ears.heard.get()
                count += 1
                transport.sendto(bytes(SIZE))
            except TimeoutError:
                for _ in range(AT_ONCE):
                    transport.sendto(bytes(SIZE))
        return count

    for _ in range(AT_ONCE):
        transport.sendto(bytes(SIZE))
    await some(time.perf_counter() + WARM)
    return await some(time.perf_counter() + seconds) / seconds


async def delays(transport: asyncio.DatagramTransport, ears: Program, seconds: float) -> list[float]:
    """Return after how many ms each came back that did."""
    back: list[float] = []

    async def hear() -> None:
        while True:
            reply = (await ears.heard.get())[::-1]
            back.append((time.perf_counter() - struct.unpack_from(">d", reply)[0]) * 1000)

    tasks = TaskSet("benchmark")
    tasks.spawn(hear(), name="hear replies")
    began = time.perf_counter()
    for number in range(int(seconds / PACE)):
        await asyncio.sleep(max(0.0, began + number * PACE - time.perf_counter()))
        transport.sendto(struct.pack(">d", time.perf_counter()) + bytes(SIZE - 8))
    await asyncio.sleep(LAST)
    await tasks.aclose()
    return sorted(back)


async def compare(loss: float, delay: float, seconds: float) -> None:
    """Measure both ways."""
    for name, beside in (("beside uTP", True), ("in the stream", False)):
        async with asking(beside=beside) as (_, transport, ears):
            a_second = await rate(transport, ears, seconds / 2)
        async with asking(beside=beside) as (peers, transport, ears):
            await delays(transport, ears, WARM)
            for number, peer in enumerate(peers):
                slow_down(peer, loss, delay, Random(number))
            back = await delays(transport, ears, seconds)
        p50, p90, p99 = (back[int(part * (len(back) - 1))] for part in (0.5, 0.9, 0.99))
        lost = 100 * (1 - len(back) / int(seconds / PACE))
        print(
            f"{name:14} {a_second:6.0f} round trips a second, {AT_ONCE} at once; at {100 * loss:g} % loss and "
            f"{2000 * delay:g} ms: p50 {p50:.0f} ms, p90 {p90:.0f} ms, p99 {p99:.0f} ms, {lost:.1f} % never came"
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loss", type=float, default=1.0, help="per cent, each way")
    parser.add_argument("--delay", type=float, default=25.0, help="ms, each way")
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"load of the machine before: {load}, {os.cpu_count()} cores")
    asyncio.run(compare(given.loss / 100, given.delay / 1000, given.seconds))


if __name__ == "__main__":
    seal()
    main()
