"""One UDP port over IPv4 and IPv6: two sockets behind one, so that IPv4 is as quick as without the other.

A single socket for both would show IPv4 peers as mapped addresses, and take the kernel's slower way for all of them.
What differs is looked at once for each burst: an IPv6 host has a colon.
"""

import errno
import logging
from collections.abc import Callable
from dataclasses import astuple

from core.errors import LocalError
from core.net.udp import open_udp
from core.net.udp_socket import Receiver, UdpSocket, UdpStatistics
from core.scope import is_six
from core.values import Address, Buffer, Burst

ANY_4, ANY_6 = "0.0.0.0", "::"
_TRIES = 5  # of a port that is free for IPv4, and taken by another program for IPv6
_log = logging.getLogger(__name__)


class DualSocket:
    """See UdpSocket. `address` is the one of IPv4; the port is the same."""

    def __init__(self, four: UdpSocket, six: UdpSocket) -> None:
        self.address = four.address
        self._four, self._six = four, six

    @property
    def on_too_long(self) -> Callable[[Address, int], None] | None:
        """See UdpSocket."""
        return self._four.on_too_long

    @on_too_long.setter
    def on_too_long(self, told: Callable[[Address, int], None] | None) -> None:
        self._four.on_too_long = self._six.on_too_long = told

    @property
    def on_refused(self) -> Callable[[Address, OSError], None] | None:
        """See UdpSocket."""
        return self._four.on_refused

    @on_refused.setter
    def on_refused(self, told: Callable[[Address, OSError], None] | None) -> None:
        self._four.on_refused = self._six.on_refused = told

    def start(self, receiver: Receiver, first: Callable[[Address, Buffer], bool] | None = None) -> None:
        """See UdpSocket."""
        self._four.start(receiver, first)
        self._six.start(receiver, first)

    def send(self, burst: Burst) -> None:
        """See UdpSocket."""
        (self._six if ":" in burst.to.host else self._four).send(burst)

    def statistics(self) -> UdpStatistics:
        """Return the counts of both together."""
        four, six = astuple(self._four.statistics()), astuple(self._six.statistics())
        return UdpStatistics(*(one + other for one, other in zip(four, six, strict=True)))

    def close(self) -> None:
        """See UdpSocket."""
        self._four.close()
        self._six.close()

    async def wait_closed(self) -> None:
        """See UdpSocket."""
        await self._four.wait_closed()
        await self._six.wait_closed()


def takes_six(udp: UdpSocket) -> bool:
    """Return whether a socket takes IPv6."""
    return isinstance(udp, DualSocket) or is_six(udp.address.host)


def require_kind(remote: Address | None, *, six: bool) -> None:
    """Raise LocalError for an IPv6 address where there is no IPv6."""
    if remote is not None and is_six(remote.host) and not six:
        raise LocalError(f"{remote} is an IPv6 address, and this peer has no IPv6", name="ERR_NO_IPV6")


async def open_dual(bind: Address, *, use_reader: bool | None = None, batching: bool | None = None) -> UdpSocket:
    """Open a socket for serving. Bound to 0.0.0.0 it takes IPv6 too, at the same port, where this machine has it.

    Raises LocalError as `open_udp` does; that there is no IPv6 is no error.
    """
    if bind.host != ANY_4:
        return await open_udp(bind, use_reader=use_reader, batching=batching)
    for _ in range(_TRIES):
        four = await open_udp(bind, use_reader=use_reader, batching=batching)
        try:
            here = Address(ANY_6, four.address.port)
            return DualSocket(four, await open_udp(here, use_reader=use_reader, batching=batching))
        except LocalError as error:
            _log.debug("no IPv6 at port %d: %s", four.address.port, error)
            if bind.port or not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EADDRINUSE:
                return four
            four.close()
            await four.wait_closed()
        except BaseException:
            four.close()
            raise
    return await open_udp(bind, use_reader=use_reader, batching=batching)
