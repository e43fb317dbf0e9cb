"""The link in user space does what it is told: a Direction with hand-moved time, then the process itself."""

import asyncio
import json
import socket
import sys
import time
from itertools import pairwise
from random import Random

import pytest

from benchmarks.link_proxy import OVERHEAD, Direction
from tests.support.process import running

RATE = 1_000_000.0  # bytes per second
MANY = 4000


def direction(
    *,
    delay: float = 0.0,
    jitter: float = 0.0,
    loss: float = 0.0,
    reorder: float = 0.0,
    duplicate: float = 0.0,
    queue: int = 1 << 30,
    seed: int = 1,
) -> Direction:
    """One way of a link of RATE."""
    return Direction(
        rate=RATE,
        delay=delay,
        jitter=jitter,
        loss=loss,
        queue=queue,
        reorder=reorder,
        duplicate=duplicate,
        random=Random(seed),
    )


def spaced(way: Direction, count: int = MANY, size: int = 100, gap: float = 0.01) -> list[list[float]]:
    """Send datagrams one after the other, slower than the rate; return when each comes out, after it was sent."""
    return [[out - number * gap for out in way.admit(size, number * gap)] for number in range(count)]


def test_each_waits_for_the_line_and_its_own_sending_time() -> None:
    way = direction(delay=0.05)
    assert way.admit(1000 - OVERHEAD, 10.0) == pytest.approx([10.0 + 0.001 + 0.05])


def test_a_burst_leaves_at_the_rate() -> None:
    way = direction()
    outs = [way.admit(1000 - OVERHEAD, 0.0)[0] for _ in range(100)]
    assert outs == pytest.approx([0.001 * (number + 1) for number in range(100)])
    assert way.report()["delay p95"] == pytest.approx(94.0)  # ms in the queue; the first waited for nobody


def test_an_idle_line_does_not_save_up() -> None:
    way = direction()
    way.admit(1000 - OVERHEAD, 0.0)
    assert way.admit(1000 - OVERHEAD, 5.0) == pytest.approx([5.001])


def test_the_queue_is_bounded_and_drops_the_newest() -> None:
    way = direction(queue=10_000)
    outs = [way.admit(1000, 0.0) for _ in range(20)]
    assert [bool(out) for out in outs] == [True] * 9 + [False] * 11
    assert (way.passed, way.overflowed, way.lost) == (9, 11, 0)
    assert way.admit(1000, 1.0)  # it has drained


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05, 0.4])
def test_loss_is_as_told_and_counted(loss: float) -> None:
    way = direction(loss=loss)
    arrived = sum(map(len, spaced(way)))
    assert way.lost == MANY - arrived
    assert way.passed == arrived
    assert way.lost == pytest.approx(MANY * loss, abs=4 * (MANY * loss * (1 - loss)) ** 0.5)  # four sigmas


def test_what_is_lost_has_used_the_line() -> None:
    way = direction(loss=1.0)
    way.admit(1000 - OVERHEAD, 0.0)
    assert way.free_at == pytest.approx(0.001)


def test_duplicates_are_as_many_as_told() -> None:
    copies = [len(out) for out in spaced(direction(duplicate=0.1))]
    assert set(copies) == {1, 2}
    assert copies.count(2) == pytest.approx(MANY * 0.1, abs=80)


def test_reordering_lets_the_next_ones_pass() -> None:
    outs = [number * 0.01 + out[0] for number, out in enumerate(spaced(direction(delay=0.05, reorder=0.1)))]
    overtaken = sum(later < earlier for earlier, later in pairwise(outs))
    assert MANY * 0.05 < overtaken < MANY * 0.15


def test_jitter_is_spread_evenly_on_top() -> None:
    took = [out[0] for out in spaced(direction(delay=0.05, jitter=0.03), gap=0.1)]
    assert 0.05 < min(took) < 0.051
    assert 0.079 < max(took) < 0.081
    assert sum(took) / MANY == pytest.approx(0.065, abs=0.001)


def test_jitter_alone_does_not_reorder() -> None:
    way = direction(delay=0.05, jitter=0.03)
    outs = [way.admit(100, number * 0.001)[0] for number in range(MANY)]
    assert outs == sorted(outs)


def test_the_same_seed_gives_the_same_link() -> None:
    def link(seed: int) -> list[list[float]]:
        return spaced(direction(loss=0.1, jitter=0.01, reorder=0.1, duplicate=0.1, seed=seed), 200)

    assert link(1) == link(1)
    assert link(1) != link(2)


@pytest.mark.asyncio
async def test_the_process_carries_datagrams_both_ways_and_reports() -> None:
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        for sock in (server, client):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        options = {"to": server.getsockname()[1], "rtt": 40, "rate": 100, "queue": 1 << 20}
        async with (
            asyncio.timeout(20),
            running("link", [sys.executable, "-m", "benchmarks.link_proxy", json.dumps(options)]) as link,
        ):
            port = int((await link.event("ready"))["port"])
            began = time.monotonic()
            client.sendto(b"ping", ("127.0.0.1", port))
            data, source = await loop.sock_recvfrom(server, 100)
            there = time.monotonic() - began
            server.sendto(data + b" pong", source)
            answer = await loop.sock_recv(client, 100)
            back = time.monotonic() - began
            did = await link.command("report")
    assert answer == b"ping pong"
    assert there >= 0.02  # never sooner than the link is long; how much later is the machine's affair
    assert back >= 0.04
    assert (did["up"]["passed"], did["down"]["passed"]) == (1, 1)
