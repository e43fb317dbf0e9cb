"""The two ways to a router's port: datagrams (PCP, NAT-PMP), and UPnP. Each says what it has, or why not."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from random import SystemRandom
from typing import Final

from core.aio.tasks import TaskSet
from core.aio.waiting import wait_for
from core.limits.rate import Backoff
from core.mapping.asking import CHECKED, Failed, Mapped, RouterAsker
from core.mapping.upnp import Upnp, UpnpError
from core.values import Address
from core.wire import port_mapping as wire

FIRST_PAUSE: Final = 15.0  # seconds until a router that cannot is asked again: it may just be starting
LAST_PAUSE: Final = 1800.0  # seconds; its owner may have switched it on meanwhile
FAREWELL: Final = 1.0  # seconds to give the port back at the end
PREFER: Final = 0.25  # seconds that UPnP waits for an answer of PCP, which needs a hundredth of its packets (Tailscale)
_log = logging.getLogger(__name__)


class ByPacket(asyncio.DatagramProtocol):
    """Asks by PCP and NAT-PMP. `mapped`: what we have. `words`: why we have nothing; None while that is not known."""

    def __init__(
        self, client: Address, router: Address, wanted: Address | None, changed: Callable[[], None], *,
        tcp: bool = False,
    ) -> None:  # fmt: skip
        """`client`: our port and host on the router's network. `changed`: called when either below is another."""
        self._tcp = tcp
        self._client = client
        self._router = router
        self._wanted = wanted
        self._changed = changed
        self._asker = self._begin()
        self._pauses = Backoff(FIRST_PAUSE, LAST_PAUSE, SystemRandom())
        self._transport: asyncio.DatagramTransport | None = None
        self._wake: asyncio.TimerHandle | None = None
        self.words: str | None = None

    def _begin(self) -> RouterAsker:
        return RouterAsker(self._client, secrets.token_bytes(wire.NONCE_BYTES), self._wanted, tcp=self._tcp)

    @property
    def mapped(self) -> Mapped | None:
        """The mapping that the router gave us."""
        return self._asker.mapped

    async def start(self) -> None:
        """Ask from now on; a router that cannot be sent to is no error, `words` say it."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: self, local_addr=(self._client.host, 0), remote_addr=(self._router.host, self._router.port)
            )
        except OSError as error:
            self.words = f"it cannot be asked ({error.strerror or error})"
            self._changed()
            return
        self._poll()

    async def aclose(self) -> None:
        """Give the port back, and end."""
        if self._wake is not None:
            self._wake.cancel()
        if self._transport is not None:
            self._asker.end()
            self._send()
            self._transport.close()
            self._transport = None

    def datagram_received(self, data: bytes, addr: object) -> None:
        """See asyncio; the socket is connected, so it came from the router's own address and port."""
        before = self.mapped
        found = self._asker.receive(data, asyncio.get_running_loop().time())
        if isinstance(found, Mapped):
            self._wanted, self.words = found.address, None
            self._pauses.succeeded()
        self._settle(found, before)

    def error_received(self, exc: Exception) -> None:
        """See asyncio: nothing listens there. The tries end by themselves, and it may begin to."""

    def _poll(self) -> None:
        before = self.mapped
        found = self._asker.poll(asyncio.get_running_loop().time())
        self._settle(found, before)

    def _settle(self, found: Mapped | Failed | None, before: Mapped | None) -> None:
        self._send()
        loop = asyncio.get_running_loop()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if isinstance(found, Failed):
            self.words = found.words
            self._wake = loop.call_later(self._pauses.failed(), self._again)
        elif self._asker.wake < float("inf"):
            self._wake = loop.call_at(self._asker.wake, self._poll)
        if isinstance(found, Failed) or self.mapped != before:
            self._changed()

    def _again(self) -> None:
        self._asker = self._begin()
        self._poll()

    def _send(self) -> None:
        for datagram in self._asker.datagrams:
            if self._transport is not None:
                self._transport.sendto(datagram)
        self._asker.datagrams.clear()


class ByUpnp:
    """Asks by UPnP, unless the other way has a port: `enough()`. `mapped` and `words` as above."""

    def __init__(self, upnp: Upnp, port: int, enough: Callable[[], bool], changed: Callable[[], None]) -> None:
        self._upnp = upnp
        self._port = port
        self._enough = enough
        self._changed = changed
        self._tasks = TaskSet("upnp")
        self._now = asyncio.Event()
        self._spared = False  # it was not asked, as the other way had a port
        self._renew_at = 0.0
        self.mapped: Mapped | None = None
        self.words: str | None = None

    async def start(self) -> None:
        """Ask from now on."""
        self._tasks.spawn(self._run(), name="ask by UPnP")

    def take_over(self) -> None:
        """Ask at once, where this way was spared: the other one lost what it had."""
        if self._spared:
            self._now.set()

    async def aclose(self) -> None:
        """Give the port back, and end."""
        await self._tasks.aclose()
        if self.mapped is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self._upnp.unmap()
        self.mapped = None

    async def _run(self) -> None:
        pauses = Backoff(FIRST_PAUSE, LAST_PAUSE, SystemRandom())
        await asyncio.sleep(PREFER)
        while True:
            pause = LAST_PAUSE
            self._spared = self._enough() and self.mapped is None
            if not self._spared:
                pause = await self._look(pauses)
            await wait_for(self._now, pause)

    async def _look(self, pauses: Backoff) -> float:
        """Ask, unless what we have holds and is not to be renewed yet; return the seconds until the next look.

        A router that begins again has forgotten it, and tells nobody.
        """
        left = self._renew_at - asyncio.get_running_loop().time()
        if self.mapped is None or left <= 0 or not await self._upnp.holds():
            left = await self._ask(pauses)
        return left if self.mapped is None else min(left, CHECKED)

    async def _ask(self, pauses: Backoff) -> float:
        """Ask once; return the seconds until it is to be asked again."""
        now = asyncio.get_running_loop().time()
        try:
            self.mapped, self.words = await self._upnp.map(self._port, now), None
            pauses.succeeded()
            pause = (self.mapped.until - now) / 2
            self._renew_at = now + pause
        except UpnpError as error:
            _log.debug("UPnP: %s", error)
            self.mapped, self.words = None, str(error)
            pause = pauses.failed()
        self._changed()
        return pause
