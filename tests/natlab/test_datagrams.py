"""A UDP share between two homes, used by programs that we did not write: loss holds up nothing, and routers restart."""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.natlab.friends import Friends, friends
from tests.natlab.internet import Internet, internet
from tests.natlab.kinds import Kind
from tests.support.process import Program, running

pytestmark = [pytest.mark.natlab, pytest.mark.asyncio, pytest.mark.slow]

DOWN = 1.0  # seconds that a router takes to start again
PORT = 5201  # iperf3's
# Sends numbered datagrams at a pace, as a call or a game does, and says after how many ms each came back; -1: never.
_TALK = """
import json, socket, struct, sys, threading, time
port, count, pace, size = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect(("127.0.0.1", port))
udp.settimeout(3.0)
back, said = [-1.0] * count, []
def hear():
    while True:
        try:
            number, at = struct.unpack_from(">Id", udp.recv(65507))
            back[number] = (time.monotonic() - at) * 1000
        except TimeoutError:
            if said: return
ears = threading.Thread(target=hear)
ears.start()
began = time.monotonic()
for number in range(count):
    time.sleep(max(0.0, began + number * pace - time.monotonic()))
    udp.send(struct.pack(">Id", number, time.monotonic()) + bytes(size - 12))
said.append(True)
ears.join()
print(json.dumps(back))
"""


@pytest.fixture
def world() -> Iterator[Internet]:
    with internet() as built:
        yield built


async def talk(place: Friends, where: str, seconds: float, pace: float, size: int) -> list[float]:
    """Have Bert talk; return the delays in ms."""
    count = str(int(seconds / pace))
    done = await place.run(sys.executable, "-c", _TALK, where.rpartition(":")[2], count, str(pace), str(size))
    assert (done.code, done.err) == (0, "")
    return [float(delay) for delay in json.loads(done.out)]


async def beside(program: Program, least: int = 0) -> dict[str, int]:
    """Return what a program of ours counts of its datagrams, once so many have come."""
    state = await program.event("state", lambda event: event["datagrams"]["received"] > least, timeout=30.0)
    return dict(state["datagrams"])


def quantile(delays: list[float], part: float) -> float:
    return sorted(delays)[int(part * (len(delays) - 1))]


@pytest.mark.parametrize("size", [200, 1452])  # a call; WireGuard's full packets
@pytest.mark.parametrize("loss", [0, 1, 3])
async def test_loss_holds_up_nothing(world: Internet, tmp_path: Path, loss: int, size: int) -> None:
    async with (
        friends(world, tmp_path) as place,
        place.origin() as ports,
        place.share("--udp", str(ports["udp"]), "--name", "call") as anna,
        place.open("call") as (_, where),
    ):
        await talk(place, where, 3.0, 0.05, size)  # they are connected, and the path is known
        place.lose(loss)
        delays = await talk(place, where, 15.0, 0.005, size)
        back = [delay for delay in delays if delay >= 0]
        pieces = 1 if size < 1400 else 2
        lost = 1 - len(back) / len(delays)
        print(  # noqa: T201
            f"{loss} % loss, {size} bytes: {100 * lost:.1f} % lost, "
            f"p50 {quantile(back, 0.5):.1f} ms, p99 {quantile(back, 0.99):.1f} ms"
        )
        assert lost <= 1 - (1 - loss / 100) ** (2 * pieces) + 0.03
        if loss == 3:
            assert lost > 0.02, "nobody repeats what was lost"
        await beside(anna, least=2000)


# The first lets in any port of a host that was sent something, so the other side can follow. The second lets in nobody
# new: the brokers bring both together again.
@pytest.mark.parametrize(("kind", "silent"), [(Kind.RESTRICTED, 4.0), (Kind.PORT_RESTRICTED, 35.0)])
@pytest.mark.parametrize("who", ["anna", "bert"])
async def test_a_router_restarts(world: Internet, tmp_path: Path, kind: Kind, silent: float, who: str) -> None:
    """With other ports, in the middle of a call with loss; it is silent for a while, and goes on by itself."""
    async with (
        friends(world, tmp_path, kind, kind) as place,
        place.origin() as ports,
        place.share("--udp", str(ports["udp"]), "--name", "call") as anna,
        place.open("call") as (_, where),
    ):
        await talk(place, where, 3.0, 0.05, 200)
        place.lose(1)
        pace = 0.01
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(talk(place, where, 10.0 + silent + 10.0, pace, 200))
            await asyncio.sleep(5.0)
            await place.restart(place.anna if who == "anna" else place.bert, DOWN)
        delays = call.result()
        gaps, begin = [0.0], 0
        for number, delay in enumerate(delays):
            if delay >= 0:
                gaps.append((number - begin) * pace)
                begin = number
        after = [delay for delay in delays[-500:] if delay >= 0]
        assert after, f"silent since {begin * pace:.1f} s of {len(delays) * pace:.0f}: {await beside(anna)}"
        print(  # noqa: T201
            f"{kind}, {who}'s router restarts: silent for {max(gaps):.1f} s; in the last 5 s {len(after)} of 500 "
            f"came back, p99 {quantile(after, 0.99):.1f} ms; {await beside(anna, least=2000)}"
        )
        assert max(gaps) < DOWN + silent
        assert len(after) > 450


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="iperf3")
async def test_iperf3(world: Internet, tmp_path: Path) -> None:
    """10 Mbit/s of UDP for ten seconds with 1 % loss, and a router that forgets its flows in the middle."""
    async with (
        friends(world, tmp_path) as place,
        running("iperf3", [*place.anna.inside, str(shutil.which("iperf3")), "-s", "-B", "127.0.0.1", "-p", str(PORT)]),
        place.share("--tcp", str(PORT), "--udp", str(PORT)),
        place.open(f"tcp-{PORT}", "--listen", str(PORT)),
        place.open(f"udp-{PORT}", "--listen", str(PORT)),
    ):
        place.lose(1)
        async with asyncio.TaskGroup() as tasks:
            client = ["iperf3", "-c", "127.0.0.1", "-p", str(PORT), "-u", "-b", "10M", "-l", "1400", "-t", "10", "-J"]
            measuring = tasks.create_task(place.run(*client))
            await asyncio.sleep(5.0)
            await place.restart(place.bert, moves=False)
        done = measuring.result()
        assert done.code == 0, (done.out[-2000:], done.err)
        total = json.loads(done.out)["end"]["sum"]
        print(f"iperf3: {total['bits_per_second'] / 1e6:.1f} Mbit/s, {total['lost_percent']:.1f} % lost")  # noqa: T201
        assert total["lost_percent"] < 12.0
        assert total["packets"] > 8000
