"""Meetings with peers that brokers name, on the loop: the timer, the punches, and the outcome in words."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from core.errors import PeerError
from core.news.events import PunchEnded
from core.news.hub import Hub
from core.punch.meeting import MeetingConfig, MeetingEnded, Meetings
from core.scope import Scope, is_six, scope
from core.values import Address

_log = logging.getLogger(__name__)


class Punches(Protocol):
    """What meetings need of the way out."""

    def series(self, remote: Address, packets: int, openers: int) -> None:
        """Start a series. Raises PeerError."""

    def hasten(self, remote: Address, openers: int) -> None:
        """Leave so many openers at most to the series that runs."""

    def may_meet(self, remote: Address, broker: Address, packets: int) -> bool:
        """Return whether a meeting that a broker arranges may begin."""

    def has_proved(self, remote: Address) -> bool:
        """Return whether a peer has shown lately, by more than a broker's word, that it is at this host."""

    def failed(self, remote: Address) -> None:
        """Note that a meeting came to nothing."""


class Introductions:
    """Runs `Meetings`. `varied()`: brokers see us at several addresses, so our NAT gives each destination another.

    `on_failed()` hears of each meeting that came to nothing: it may be our own way out that is gone.
    """

    def __init__(
        self, hub: Hub, punches: Punches, varied: Callable[[], bool], on_failed: Callable[[], None] = lambda: None
    ) -> None:
        self._on_failed = on_failed
        self._hub = hub
        self._punches = punches
        self._varied = varied
        self._config = MeetingConfig()
        self._meetings = Meetings(self._config)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # uvloop's handle of what is due at once does not tell
        self._closed = False

    def introduce(
        self,
        addresses: Iterable[Address],
        told_in: Mapping[Address, float],
        named_by: Callable[[Address], Address | None],
        away: Callable[[Address], float | None] = lambda address: None,
    ) -> None:
        """Meet these, unless it was done lately; `told_in`: who of them hears of us only within so many seconds.

        `away`: how far each is from its broker, in seconds, None while that is unknown.

        One that the rule for unanswered addresses keeps back is met when it is named again and the rule lets it.
        """
        now = asyncio.get_running_loop().time()
        for address in addresses:
            broker = named_by(address)
            # no router translates IPv6: what comes before our own packets is dropped there and changes nothing
            near = is_six(address.host) or scope(address.host) in (Scope.LOOPBACK, Scope.PRIVATE)
            packets = self._config.packets + (0 if near else self._config.openers)
            proved = self._punches.has_proved(address)
            if broker is None or not self._meetings.due(address, now, proved=proved):
                self._meetings.hasten(address, now, away(address))
                continue
            if self._punches.may_meet(address, broker, packets):
                _log.debug("%s is met, as broker %s names it", address, broker)
                self._meetings.meet(address, now, told_in=told_in.get(address, 0.0), near=near, proved=proved)
                self._meetings.hasten(address, now, away(address))
            else:
                _log.debug("%s, named by broker %s, is not met now: its host has had what it may get", address, broker)
        self._act()

    def begin(self, addresses: Iterable[Address]) -> None:
        """Wait no longer for these to be told of us: they have shown that they are there."""
        now = asyncio.get_running_loop().time()
        for address in addresses:
            self._meetings.begin(address, now)
        self._act()

    def begin_again(self) -> None:
        """Hold no failure of before against anybody: our way out was gone for a moment, or is another one."""
        self._meetings.begin_again()

    def heard(self, address: Address) -> None:
        """Note a punch."""
        self._meetings.heard(address, asyncio.get_running_loop().time())
        self._act()

    def reached(self, address: Address) -> None:
        """Note that our punches arrive there."""
        self._meetings.reached(address, asyncio.get_running_loop().time())
        self._act()

    def close(self) -> None:
        """Punch nobody any longer. Idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _act(self) -> None:
        if self._closed:
            return
        for order in self._meetings.orders():
            try:
                if order.packets:
                    self._punches.series(order.remote, order.packets, order.openers)
                else:
                    self._punches.hasten(order.remote, order.openers)
            except PeerError as error:  # what nobody can punch ends without an answer, and that is told
                _log.debug("%d punches to %s did not leave: %s", order.packets, order.remote, error)
        for ended in self._meetings.outcomes():
            reason = self._words(ended)
            _log.debug("the meeting with %s has ended: %s", ended.remote, reason)
            if not ended.open:
                self._punches.failed(ended.remote)
                self._on_failed()
            if not ended.repeated:
                told = PunchEnded(self._hub.now(), ended.remote, ended.open, ended.observed, ended.seconds, reason)
                self._hub.emit(told)
        self._arm()

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = self._meetings.deadline()
        if self._timer is not None and (deadline is None or self._timer_at > deadline):
            self._timer.cancel()
            self._timer = None
        if deadline is not None and self._timer is None:
            self._timer_at = deadline
            self._timer = loop.call_at(deadline, self._wake, deadline)

    def _wake(self, due: float) -> None:
        self._timer = None
        self._meetings.tick(max(due, asyncio.get_running_loop().time()))  # a loop may fire early
        self._act()

    def _words(self, ended: MeetingEnded) -> str:
        if ended.confirmed:
            where = "" if ended.observed == ended.remote else f"; its router shows it at {ended.observed}"
            return f"open after {ended.seconds * 1000:.0f} ms{where}"
        if ended.open:
            return f"heard from {ended.observed}; it does not say whether it hears us, as plain Grenache peers do not"
        ours = (
            "our router gives every destination another port, which only an open or address-restricted one gets past"
            if self._varied()
            else "its router or ours lets nothing through, or it has gone"
        )
        return f"no answer within {ended.seconds:.1f} s: {ours}"
