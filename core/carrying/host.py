"""Being reached over TCP: at ports that the owner names, and at that of UDP's number while packets are passed on."""

import asyncio
import logging
from collections.abc import Callable

from core.carrying.config import SWEEP_EVERY, CarrierPorts
from core.carrying.listener import Base, CarrierListener
from core.errors import LocalError
from core.grenache.config import Tls
from core.values import Address

_log = logging.getLogger(__name__)


class CarrierHost:
    """`passes_on()`: packets are passed on for others now. `port` is that of UDP."""

    def __init__(
        self, base: Base, ports: CarrierPorts, host: str, port: int, passes_on: Callable[[], bool],
        trusted: Callable[[Address], bool],
    ) -> None:  # fmt: skip
        self._ports, self._host, self._port, self._passes_on = ports, host, port, passes_on
        self.named = CarrierListener(base, trusted)  # ports that the owner named
        self.beside = CarrierListener(base, trusted)
        self.at: list[Address] = []

    async def start(self) -> None:
        """Open what the owner named. Raises LocalError for a port that is taken, or TLS files of no use."""
        ports = self._ports
        if ports.tcp:
            self.at.append(await self.named.listen(self._host, ports.tcp))
        if ports.wss is not None and ports.certificate is not None and ports.key is not None:
            self.at.append(await self.named.listen(self._host, ports.wss, Tls(ports.certificate, ports.key)))

    async def run(self) -> None:
        """Follow until cancelled whether packets are passed on."""
        while self._ports.tcp is None:
            await self._follow()
            await asyncio.sleep(SWEEP_EVERY)

    async def _follow(self) -> None:
        if self._passes_on() and not self.beside.listening:
            try:
                await self.beside.listen(self._host, self._port)
            except LocalError as error:  # another program has it: friends reach us by UDP as before
                _log.info("nobody is served over TCP: %s", error)
                self._ports = CarrierPorts(0, self._ports.wss, self._ports.certificate, self._ports.key)
        elif self.beside.listening and not self._passes_on():
            self.beside.close()

    def close(self) -> None:
        """Close all ports, and end what came by them."""
        self.named.close()
        self.beside.close()
