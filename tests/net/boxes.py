"""A UDP socket with what arrived at it, and a socket whose system calls fail as told."""

import socket
from collections.abc import Sequence
from typing import Any

from core.net.udp import UdpSocket
from core.values import Address, Buffer
from tests.net.waiting import eventually


class Box:
    """A socket and what arrived at it."""

    def __init__(self, udp: UdpSocket) -> None:
        self.udp = udp
        self.batches: list[list[tuple[Address, list[bytes]]]] = []
        udp.start(self.take)

    def take(self, batch: Sequence[tuple[Address, Sequence[Buffer]]]) -> None:
        self.batches.append([(source, [bytes(each) for each in datagrams]) for source, datagrams in batch])

    def datagrams(self) -> list[bytes]:
        return [each for batch in self.batches for _, datagrams in batch for each in datagrams]

    async def until(self, count: int) -> None:
        await eventually(lambda: len(self.datagrams()) >= count)


class FakeSocket:
    """A real socket behind calls that fail as told: `batch_fails` is for sendmsg. `calls` are the sends that worked."""

    def __init__(self, real: socket.socket) -> None:
        self.real = real
        self.send_fails: list[OSError] = []
        self.batch_fails: list[OSError] = []
        self.receive_fails: list[OSError] = []
        self.calls: list[list[bytes]] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the rest of a socket
        return getattr(self.real, name)

    def sendto(self, data: bytes, to: Address) -> int:
        if self.send_fails:
            raise self.send_fails.pop(0)
        self.calls.append([data])
        return self.real.sendto(data, to)

    def sendmsg(self, batch: list[bytes], ancillary: Any, flags: int, to: Address) -> int:  # noqa: ANN401 - passed on
        if self.batch_fails:
            raise self.batch_fails.pop(0)
        self.calls.append(list(batch))
        return self.real.sendmsg(batch, ancillary, flags, to)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        if self.receive_fails:
            raise self.receive_fails.pop(0)
        return self.real.recvfrom(size)

    def recvmsg_into(self, buffers: Any, size: int) -> tuple[int, list[Any], int, Any]:  # noqa: ANN401 - passed on
        if self.receive_fails:
            raise self.receive_fails.pop(0)
        return self.real.recvmsg_into(buffers, size)
