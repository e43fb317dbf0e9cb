"""What asyncio alone takes for a request: JSON in one datagram each way, nothing of ours, a process of its own.

`python -m benchmarks.bare_peer JSON`; talks JSON lines as benchmarks/our_peer.py. Options: `role` (echo; without it
nothing is answered). No uTP, no encryption, nobody known, nothing recorded, no loss made good: what any peer on asyncio
takes at least, and so what `product` can come to at best.
"""

import asyncio
import json
import sys
import time
from typing import cast

from benchmarks.our_peer import Options, emit, obey

ASKED = ["an id as a request has it", "fibonacci", {"length": 10}]
ANSWER = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]


class Worker(asyncio.DatagramProtocol):
    """Answers each datagram, as a sharing peer does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what sends."""
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own is no subclass

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Read the request and answer."""
        rid, _, _ = json.loads(data)
        self._transport.sendto(json.dumps([rid, None, ANSWER]).encode(), addr)


class Caller(asyncio.DatagramProtocol):
    """Asks one after the other; each answer wakes the task that waits for it."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[object] | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand the answer on."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(json.loads(data)[2])


async def rpc(address: str, workers: int, seconds: float, timeout: float) -> Options:
    """Ask again once answered, for `seconds`. There is one worker, and no time-out: that would cost some 20 us."""
    if workers != 1:
        raise ValueError("one after the other only")
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    transport, caller = await loop.create_datagram_endpoint(Caller, remote_addr=(host, int(port)))
    latencies: list[int] = []  # microseconds
    began = time.monotonic()
    while (asked := time.monotonic()) < began + seconds:
        caller.answer = loop.create_future()
        transport.sendto(json.dumps(ASKED).encode())
        await caller.answer
        latencies.append(round((time.monotonic() - asked) * 1e6))
    transport.close()
    return {"seconds": time.monotonic() - began, "latencies": latencies, "failed": 0}


async def main(options: Options) -> None:
    """Answer, if so told, and obey."""
    loop = asyncio.get_running_loop()
    kind = Worker if options.get("role") == "echo" else asyncio.DatagramProtocol
    transport, _ = await loop.create_datagram_endpoint(kind, local_addr=("127.0.0.1", 0))
    emit("ready", port=transport.get_extra_info("sockname")[1])
    await obey({"rpc": rpc})
    transport.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
