"""Asking one router for one port by PCP and, where it knows only that, by NAT-PMP; a state machine without I/O.

Times are the caller's monotone seconds. A mapping is renewed at half of its life (RFC 6887 section 11.2.1), or after a
few minutes, whichever is sooner: the answer carries the router's clock, which tells that it has begun again and so has
forgotten all mappings (section 8.5). It is then asked at once.
"""

import math
from typing import Final

from core.frozen import frozen
from core.values import Address, Buffer
from core.wire import port_mapping as wire

LIFETIME: Final = 7200  # seconds asked for, as Tailscale and RFC 6886 section 3.3 have it
LEAST: Final = 120.0  # seconds: a router that gives less is taken to mean this, or it would be asked all the time
MOST: Final = 86400.0  # seconds: one that gives more is asked once a day all the same
CHECKED: Final = 240.0  # seconds between looks whether the router still has it: one that restarts has forgotten it
FIRST: Final = 0.25  # seconds until a question is sent again, doubling (RFC 6886 section 3.1)
TRIES: Final = 6  # of a question: 0.25 s to 8 s, 16 s in all; a router on the same network answers in milliseconds
SLACK: Final = 2.0  # seconds by which a router's clock may be off against ours (RFC 6887 section 8.5: 1 s and 1/16)


@frozen
class Mapped:
    """The router forwards `address` to us until `until`, by `how` (PCP or NAT-PMP)."""

    address: Address
    how: str
    until: float


@frozen
class Failed:
    """The router cannot, or does not answer; `words` say why, empty for silence."""

    words: str


class RouterAsker:
    """Asks one router. `datagrams` and `wake` after each call say what to send and when to call `poll`."""

    def __init__(self, client: Address, nonce: bytes, wanted: Address | None = None, *, tcp: bool = False) -> None:
        """`client`: our port on the router's network, of UDP unless `tcp`. `nonce`: PCP's, 12 random bytes.

        `wanted`: what we had before.
        """
        self._tcp = tcp
        self._six = ":" in client.host
        self._client = client
        self._nonce = nonce
        self._wanted = wanted
        self._version = 2
        self._host: str | None = None  # as NAT-PMP told it
        self._tries = 0
        self._due = -math.inf
        self._epoch: tuple[int, float] | None = None  # the router's clock, and when we heard it
        self.mapped: Mapped | None = None
        self.datagrams: list[bytes] = []

    @property
    def wake(self) -> float:
        """When `poll` is due next."""
        return self._due

    def poll(self, now: float) -> Failed | None:
        """Send what is due; return Failed once the router was silent for all tries."""
        if now < self._due:
            return None
        if self._tries >= TRIES:
            self.mapped = None
            self._due = math.inf
            return Failed("")
        self._ask(LIFETIME)
        self._due = now + FIRST * 2**self._tries
        self._tries += 1
        return None

    def renew(self, now: float) -> None:
        """Ask at once: something changed."""
        self._tries, self._due = 0, now

    def end(self) -> None:
        """Give the port back: one datagram, which nobody waits for."""
        self.datagrams.clear()
        if self.mapped is not None:
            self._ask(0)
        self.mapped, self._due = None, math.inf

    def _ask(self, lifetime: int) -> None:
        if self._version == 2:
            self.datagrams.append(wire.pcp_map(self._client, self._nonce, self._wanted, lifetime, tcp=self._tcp))
            return
        if lifetime:
            self.datagrams.append(wire.pmp_host())
        port = self._client.port if self._wanted is None else self._wanted.port
        self.datagrams.append(wire.pmp_map(self._client.port, port, lifetime, tcp=self._tcp))

    def receive(self, datagram: Buffer, now: float) -> Mapped | Failed | None:
        """Take what came from the router's own address and port. What is no answer to us changes nothing."""
        try:
            answer = wire.parse(datagram)
        except wire.MalformedAnswer:
            return None
        if answer.version == 0 and self._version == 2:
            if self._six:
                return self._give_up("it knows NAT-PMP only, which is of IPv4")
            if answer.result == wire.UNSUPPORTED_VERSION or answer.host is None:
                self._version = 0  # it knows only NAT-PMP (RFC 6887 appendix A)
                self.renew(now)
                self.poll(now)
            return None
        if answer.version != self._version or not self._is_ours(answer):
            return None
        if self._began_again(answer.epoch, now):
            self.renew(now)
            self.poll(now)
        if answer.result != wire.SUCCESS:
            return self._refused(answer, now)
        return self._accepted(answer, now)

    def _is_ours(self, answer: wire.Answer) -> bool:
        if answer.nonce and answer.nonce != self._nonce:
            return False
        if answer.tcp is not None and answer.tcp != self._tcp:
            return False
        return answer.internal is None or answer.internal == self._client.port

    def _began_again(self, epoch: int, now: float) -> bool:
        """Note the router's clock; return whether it is behind where it should be (RFC 6887 section 8.5)."""
        before, self._epoch = self._epoch, (epoch, now)
        if before is None or self.mapped is None:
            return False
        expected = before[0] + (now - before[1]) * (15 / 16) - SLACK
        return epoch < expected

    def _refused(self, answer: wire.Answer, now: float) -> Failed | None:
        if answer.result == wire.UNSUPPORTED_VERSION and self._version == 2 and not self._six:
            self._version = 0
            self.renew(now)
            self.poll(now)
            return None
        if self._wanted is not None and answer.result in (2, 11):
            self._wanted = None  # that port or host is not to be had: any other
            self.renew(now)
            self.poll(now)
            return None
        known = wire.RESULTS if self._version == 2 else wire.PMP_RESULTS
        return self._give_up(known.get(answer.result, f"it refuses, with number {answer.result}"))

    def _give_up(self, words: str) -> Failed:
        self.mapped, self._due = None, math.inf
        return Failed(words)

    def _accepted(self, answer: wire.Answer, now: float) -> Mapped | None:
        if answer.host is not None:
            self._host = answer.host
        if not answer.port or self._host is None or (":" in self._host) != self._six:
            return None
        life = min(max(float(answer.lifetime), LEAST), MOST)
        address = Address(self._host, answer.port)
        self.mapped = Mapped(address, "PCP" if self._version == 2 else "NAT-PMP", now + life)
        self._wanted = address
        self._tries, self._due = 0, now + min(life / 2, CHECKED)
        return self.mapped
