"""The way out of the socket for all who find, punch or ask others: under the rule of `core.reach.outreach`."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from core.aio.clock import clock_of
from core.errors import PeerError
from core.reach.held_back import HeldBack
from core.reach.outreach import Outreach, refusal
from core.secure.dial import Outgoing as Dialled
from core.values import Address

SERIES = 5  # punches to somebody who is validated; PROTOCOL section 4, `max`
_SYNS = (0.0, 1.0, 3.0, 7.0)  # seconds after which SYNs leave; then every 4 s (core.utp.config: syn_timeout)
_SYN_EVERY = 4.0
_log = logging.getLogger(__name__)


class Socket(Protocol):
    """What is needed of the endpoint."""

    def punch(self, remote: Address, *, packets: int | None = None, openers: int = 0) -> None:
        """Start a series of punches. Raises PeerError when it cannot be punched."""

    def round_trip(self, remote: Address) -> float | None:
        """Return the round trip of a connection in seconds; None: unknown."""

    def speak(self, to: Address | None = None, *, rest: bool = False) -> None:
        """Say something over the connections with a remote, or over all; `rest`: and then little for a while."""

    async def connect(self, remote: Address, *, timeout: float) -> Dialled:
        """Open a stream within `timeout` seconds. Raises PeerError."""


class Neighbourhood(Protocol):
    """What is needed of our own addresses."""

    def is_self(self, address: Address) -> bool:
        """Return whether this is our own socket."""

    def is_beside(self, address: Address) -> bool:
        """Return whether this is on a network of ours, with no router between."""


class Outgoing:
    """Punches and connections. What the rule keeps back raises HeldBack, and nothing has left."""

    def __init__(
        self, socket: Socket, outreach: Outreach, own: Neighbourhood,
        leads: Callable[[Address], bool] = lambda address: True,
    ) -> None:  # fmt: skip
        """`leads`: this machine has a way to an address: one without IPv6, say, has none to an IPv6 one."""
        self._leads = leads
        self._socket = socket
        self._outreach = outreach
        self._own = own
        self._clock = clock_of(asyncio.get_running_loop())
        self.refused = 0  # addresses that were named and that nothing may be sent to

    def refuses(self, address: Address, by: str | None) -> str | None:
        """Say why nothing is sent to an address that somebody at the host `by` named, or return None."""
        return refusal(address, by, self._own.is_beside)

    def told(self, addresses: Iterable[Address], by: str | None = None) -> list[Address]:
        """Take what somebody at the host `by` names; return those that may be sent to at all, in their order.

        Those that no way leads to are left out while there are others.
        """
        now, kept = self._clock(), []
        for address in dict.fromkeys(addresses):
            reason = None if self._own.is_self(address) else self.refuses(address, by)
            if reason is None:
                self._outreach.told(address, now)
                kept.append(address)
            else:
                self.refused += 1
                _log.debug("%s, named by %s, is left alone: %s", address, by or "somebody", reason)
        return [each for each in kept if self._leads(each)] or kept

    def listed(self, addresses: Iterable[Address]) -> None:
        """Note that somebody names these at the moment, which were looked at before."""
        for address in addresses:
            self._outreach.told(address, self._clock())

    def permit(self, address: Address) -> None:
        """Take the owner's own word for an address."""
        self._outreach.permit(address)

    def heard(self, address: Address) -> None:
        """Note a packet from there, which may be forged."""
        self._outreach.heard(address, self._clock())

    def validated(self, address: Address) -> None:
        """Note an answer from there that nobody elsewhere can forge."""
        self._outreach.validated(address, self._clock())

    def proved(self, address: Address) -> None:
        """Note that a peer says, sealed, that it is at this host, and that others see it there."""
        self._outreach.proved(address, self._clock())

    def has_proved(self, remote: Address) -> bool:
        """Return whether a peer has shown lately, by more than a broker's word, that it is at this host."""
        return self._outreach.has_proved(remote, self._clock())

    def punch(self, remote: Address) -> None:
        """Punch once, or a series when it is validated. Our own socket is not punched. Raises PeerError, HeldBack."""
        if self._own.is_self(remote):
            return
        packets = self._outreach.packets(remote, self._clock(), SERIES)
        if not packets:
            raise HeldBack(f"{remote} has not answered, and is not punched now")
        self._socket.punch(remote, packets=packets)

    def may_ask_beside(self, address: Address, now: float) -> bool:
        """Return whether one packet may go to an address that somebody on a network of ours names, and count it."""
        if not self._own.is_beside(address) or not self.told([address]):
            return False
        return self._outreach.packets(address, now, 1) > 0

    def may_ask(self, address: Address, packets: int, by: str | None = None) -> bool:
        """Return whether an address that a broker, a grape or a lane names may be sent so many packets; count them."""
        return bool(self.told([address], by)) and self._outreach.take(address, self._clock(), packets)

    def may_answer_beat(self, source: Address, now: float) -> bool:
        """Return whether a beat of a lane may be answered where it came from, which the other side may forge."""
        return self._outreach.may_acknowledge(source, now)

    def series(self, remote: Address, packets: int, openers: int) -> None:
        """Punch as a meeting has it. Raises PeerError, HeldBack."""
        if not self._outreach.take(remote, self._clock(), packets):
            raise HeldBack(f"{remote} has not answered, and is not punched now")
        self._socket.punch(remote, packets=packets, openers=openers)

    def hasten(self, remote: Address, openers: int) -> None:
        """Leave so many openers at most to the series that runs; what it may send is counted already."""
        self._socket.punch(remote, packets=0, openers=openers)

    def round_trip(self, remote: Address) -> float | None:
        """Return the round trip of a connection of ours in seconds; None: there is none, or it is not known yet."""
        return self._socket.round_trip(remote)

    def speak(self, remote: Address) -> None:
        """Say something over our connections with a remote, so that it hears where we are now."""
        self._socket.speak(remote)

    def hurry(self, remote: Address) -> None:
        """Ask once more at once where a connection is being opened, if one more packet may go there."""
        if self._outreach.packets(remote, self._clock(), 1):
            self._socket.speak(remote)

    def rest(self, remote: Address) -> None:
        """Say something once more over our connections with a remote, and then little: its answer takes long."""
        self._socket.speak(remote, rest=True)

    def may_meet(self, remote: Address, broker: Address, packets: int) -> bool:
        """Return whether a meeting that a broker arranges may begin."""
        return self._outreach.may_meet(remote, broker, self._clock(), packets)

    def failed(self, remote: Address) -> None:
        """Note that a meeting came to nothing."""
        self._outreach.failed(remote, self._clock())

    async def connect(self, remote: Address, timeout: float) -> Dialled:
        """Open a stream within `timeout` seconds. Raises PeerError, HeldBack."""
        own = self._own.is_self(remote)
        if not own and not self._outreach.may_dial(remote, self._clock(), syns(timeout)):
            raise HeldBack(f"{remote} has not answered, and is not called now")
        try:
            stream = await self._socket.connect(remote, timeout=timeout)
        except PeerError as error:
            _log.debug("no connection to %s: %s", remote, error)
            raise
        self.validated(remote)
        _log.debug("connected to %s", remote)
        return stream


def syns(timeout: float) -> int:
    """Return how many SYNs leave in that many seconds at most."""
    return sum(at < timeout for at in _SYNS) + max(0, int((timeout - _SYNS[-1]) // _SYN_EVERY))


Told = Callable[[Iterable[Address]], list[Address]]
