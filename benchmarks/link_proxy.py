"""A link in user space: a UDP proxy with delay, jitter, loss, rate and a queue, a process of its own.

`python -m benchmarks.link_proxy JSON`. Options: `to` (port of the accepting peer on loopback), `rtt` and `jitter` (ms),
`loss` (0..1, each way), `rate` (Mbit/s each way), `queue` (bytes, tail drop), `reorder` and `duplicate` (0..1),
`seed`. Prints {"event": "ready", "port": P}; on each line of stdin, {"event": "answer"} with what it did so far.

One client at a time: who last spoke to our port. Time is cut by `select`, whose time-outs are exact to some 0.1 ms.
"""

import heapq
import json
import random
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.runner import percentile

OVERHEAD = 28  # bytes of IPv4 and UDP header that a real link carries too
LONGEST = 1472  # bytes of a datagram that the line takes: 1,500 of Ethernet less headers; loopback would take 65,507
BUFFER = 8 << 20  # bytes asked of the kernel, so that only our queue drops
DRAIN = 64  # datagrams taken before looking at the time again
DELAYS = 200_000  # queueing delays kept for the percentiles; later ones replace random earlier ones


@dataclass(slots=True)
class Direction:
    """One way of the link. A datagram waits for the queue before it, for its own sending time, and for the line."""

    rate: float  # bytes per second
    delay: float  # seconds
    jitter: float  # seconds, uniform on top; never reorders by itself
    loss: float
    queue: int  # bytes
    reorder: float
    duplicate: float
    random: random.Random
    free_at: float = 0.0  # when the queue will be empty
    last_out: float = 0.0
    passed: int = 0
    lost: int = 0
    overflowed: int = 0
    seen: int = 0
    delays: list[int] = field(default_factory=list)  # microseconds in the queue

    def admit(self, size: int, now: float) -> list[float]:
        """Return when copies of a datagram of `size` bytes come out: none when it is lost."""
        if size > LONGEST:
            self.lost += 1
            return []
        waiting = max(0.0, self.free_at - now)
        if waiting * self.rate + size > self.queue:
            self.overflowed += 1
            return []
        self._note(waiting)
        self.free_at = now + waiting + (size + OVERHEAD) / self.rate
        if self.random.random() < self.loss:  # on the line: it has used the queue
            self.lost += 1
            return []
        self.passed += 1
        out = self.free_at + self.delay + self.random.random() * self.jitter
        if self.random.random() < self.reorder:
            out += self.delay  # overtaken by what follows
        else:
            self.last_out = out = max(out, self.last_out)
        return [out, out] if self.random.random() < self.duplicate else [out]

    def _note(self, waiting: float) -> None:
        self.seen += 1
        if len(self.delays) < DELAYS:
            self.delays.append(round(waiting * 1e6))
        elif (place := self.random.randrange(self.seen)) < DELAYS:
            self.delays[place] = round(waiting * 1e6)

    def report(self) -> dict[str, float]:
        """Return counts, and the queueing delay in ms."""
        return {
            "passed": self.passed,
            "lost": self.lost,
            "overflowed": self.overflowed,
            "delay p50": percentile(self.delays, 50) / 1000,
            "delay p95": percentile(self.delays, 95) / 1000,
        }


class Link:
    """Two sockets, one toward each side, and the datagrams on their way."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.toward_client, self.toward_server = _socket(), _socket()
        self._server = ("127.0.0.1", int(options["to"]))
        self._client: tuple[str, int] | None = None
        self._heap: list[tuple[float, int, bool, bytes]] = []  # (when, number, upward, data)
        self._number = 0
        self.late = 0.0  # seconds; by how much the worst datagram left too late: the proxy's own limit
        seed = options.get("seed", 1)
        self.up, self.down = (_direction(options, random.Random(f"{seed} {way}")) for way in ("up", "down"))

    def run(self) -> None:
        """Work until stdin closes."""
        print(json.dumps({"event": "ready", "port": self.toward_client.getsockname()[1]}), flush=True)
        while True:
            wait = max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None
            ready, _, _ = select.select([self.toward_client, self.toward_server, sys.stdin], [], [], wait)
            if sys.stdin in ready and not self._report():
                return
            for sock in (self.toward_client, self.toward_server):
                if sock in ready:
                    self._take(sock)
            self._release()

    def _take(self, sock: socket.socket) -> None:
        upward = sock is self.toward_client
        way = self.up if upward else self.down
        for _ in range(DRAIN):
            try:
                data, source = sock.recvfrom(65535)
            except OSError:
                return
            if upward:
                self._client = source
            for out in way.admit(len(data), time.monotonic()):
                self._number += 1
                heapq.heappush(self._heap, (out, self._number, upward, data))

    def _release(self) -> None:
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            out, _, upward, data = heapq.heappop(self._heap)
            self.late = max(self.late, now - out)
            try:
                if upward:
                    self.toward_server.sendto(data, self._server)
                elif self._client is not None:
                    self.toward_client.sendto(data, self._client)
            except OSError:  # a full buffer, or a peer that has ended: as a line, we lose it
                (self.up if upward else self.down).lost += 1

    def _report(self) -> bool:
        line = sys.stdin.readline()
        if not line:
            return False
        result = {"up": self.up.report(), "down": self.down.report(), "late ms": self.late * 1000}
        answer = {"event": "answer", "id": json.loads(line)["id"], "error": None, "result": result}
        print(json.dumps(answer), flush=True)
        return True


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    sock.bind(("127.0.0.1", 0))
    return sock


def _direction(options: dict[str, Any], chance: random.Random) -> Direction:
    return Direction(
        rate=options["rate"] * 1e6 / 8,
        delay=options.get("rtt", 0) / 2000,
        jitter=options.get("jitter", 0) / 1000,
        loss=options.get("loss", 0.0),
        queue=options["queue"],
        reorder=options.get("reorder", 0.0),
        duplicate=options.get("duplicate", 0.0),
        random=chance,
    )


if __name__ == "__main__":
    Link(json.loads(sys.argv[1])).run()
