"""A link between two namespaces that takes its time: two TUN devices, and a copy between them in this program.

Many kernels lack `tc netem`; TUN is everywhere. It carries IP packets and no Ethernet, so it cannot join a bridge.
"""

import asyncio
import contextlib
import fcntl
import os
import random
import struct

from tests.natlab.namespaces import entered

_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_TUN_WITHOUT_HEADER = 0x1001  # IFF_TUN | IFF_NO_PI
_PACKET = 65_535  # bytes; more than the 1,500 that a device has


class Wire:
    """Carries packets both ways, each `delay` seconds late and in order; `loss` is the share that never arrives."""

    def __init__(
        self, one: tuple[str, str], other: tuple[str, str], *, delay: float, loss: float = 0.0, seed: int = 1
    ) -> None:
        """Make both devices: (namespace, interface). They are configured as any other, and live until `close`."""
        self.carried = 0
        self._delay, self._loss = delay, loss
        self._random = random.Random(seed)
        self._ends = [_device(*one)]
        try:
            self._ends.append(_device(*other))
        except OSError:
            os.close(self._ends[0])
            raise
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to carry, on the loop that runs."""
        self._loop = asyncio.get_running_loop()
        for end, other in (self._ends, reversed(self._ends)):
            self._loop.add_reader(end, self._take, end, other)

    def close(self) -> None:
        """Cut the wire; what is on the way is lost."""
        ends, self._ends = self._ends, []
        for end in ends:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(end)
            os.close(end)

    def _take(self, end: int, other: int) -> None:
        assert self._loop is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = os.read(end, _PACKET)
                if self._loss == 0.0 or self._random.random() >= self._loss:
                    self._loop.call_later(self._delay, self._give, other, packet)

    def _give(self, end: int, packet: bytes) -> None:
        if end in self._ends:
            self.carried += 1
            with contextlib.suppress(OSError):  # the namespace is gone, or its queue is full: lost, as on any wire
                os.write(end, packet)


def _device(namespace: str, interface: str) -> int:
    with entered(namespace):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", interface.encode(), _TUN_WITHOUT_HEADER))
    return device
