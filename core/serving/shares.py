"""The shares of this peer: started, offered, and ended again. What is for trusted peers only is not listed anywhere."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from core.errors import LocalError, PeerError
from core.kinds.base import Check, Shared
from core.kinds.share import BAD, MAX_SHARES, Share
from core.kinds.table import make
from core.news.events import ShareRow
from core.news.hub import Hub
from core.services.intents import Intent, Intents
from core.services.names import Role, RoleName
from core.services.service import Registry
from core.serving.admission import Admission
from core.serving.catalog import Catalog
from core.serving.openings import Openings
from core.trust.audience import Audience

LISTED: Final = frozenset({Audience.IDENTIFIED, Audience.ANYONE})  # others may find these by their names

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Running:
    share: Share
    service: Shared | None = None  # while it is on
    problem: str = ""  # why it is not, though it should be


class Shares:
    """Holds the shares by name. Verbs raise LocalError; one that fails leaves everything as it was."""

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        intents: Intents,
        admission: Admission,
        catalog: Catalog,
        openings: Openings,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed()` hears that something else is shared."""
        self._hub = hub
        self._registry = registry
        self._intents = intents
        self._admission = admission
        self._catalog = catalog
        self._openings = openings
        self._changed = changed
        self._held: dict[str, _Running] = {}
        self._turn = asyncio.Lock()

    async def aclose(self) -> None:
        """End everything that runs."""
        for running in self._held.values():
            await self._stop(running)

    def get(self, name: str) -> Share:
        """Return a share. Raises LocalError."""
        return self._find(name).share

    def all(self) -> tuple[Share, ...]:
        """Return all shares in the order in which they were added."""
        return tuple(running.share for running in self._held.values())

    def rows(self) -> tuple[ShareRow, ...]:
        """Return what the window shows."""
        return tuple(self._row(running) for running in self._held.values())

    async def add(self, share: Share) -> None:
        """Hold a share, and begin it if it is on. Raises LocalError when it cannot be, or its name is taken."""
        async with self._turn:
            if share.name in self._held or share.name in self._registry:
                raise LocalError(f"{share.name!r} is shared already: choose another name, or remove it", name=BAD)
            if len(self._held) >= MAX_SHARES:
                raise LocalError(f"{MAX_SHARES} shares are the most: remove one first", name=BAD)
            running = _Running(share)
            if share.on:
                await self._start(running)
            self._held[share.name] = running
            self._tell()

    async def restore(self, share: Share) -> None:
        """Hold a share that was kept; what keeps it from running is told in its row, and it is kept all the same."""
        try:
            await self.add(share)
        except LocalError as error:
            _log.warning("%s is not shared: %s", share.name, error)
            if share.name not in self._held and len(self._held) < MAX_SHARES:
                self._held[share.name] = _Running(share, problem=str(error))
                self._tell()

    async def restore_all(self, shares: Iterable[Share]) -> None:
        """Hold shares that were kept."""
        for share in shares:
            await self.restore(share)

    async def remove(self, name: str) -> Share:
        """End a share and forget it; return what it was."""
        async with self._turn:
            running = self._find(name)
            await self._stop(running)
            del self._held[name]
            self._tell()
            return running.share

    async def switch(self, name: str, on: bool) -> Share:
        """Begin a share, or end it and keep it. Idempotent."""
        async with self._turn:
            running = self._find(name)
            if on and running.service is None:
                await self._start(running)
            elif not on:
                await self._stop(running)
            running.share = replace(running.share, on=on)
            self._tell()
            return running.share

    def set_audience(self, name: str, audience: Audience) -> Share:
        """Change who may use a share; streams of those who no longer may are ended at once."""
        running = self._find(name)
        running.share = replace(running.share, audience=audience)
        if running.service is not None:
            self._admission.set_audience(name, audience)
            self._intents.withdraw(RoleName(name, Role.WORKER))
            self._offer(running.share)
        self._tell()
        return running.share

    async def change(self, name: str, share: Share) -> None:
        """Put a share in the place of one. What serves goes on unless its name or what it is changes.

        Raises LocalError when the new one cannot be, or its name is taken: the old one stays.
        """
        async with self._turn:
            running = self._find(name)
            old = running.share
            if (share.name, share.kind, share.options) != (name, old.kind, old.options):
                await self._replace(running, share)
            running.share = replace(share, on=old.on)
        self.set_audience(share.name, share.audience)

    async def _replace(self, running: _Running, share: Share) -> None:
        old, was_on = running.share, running.service is not None
        if share.name != old.name and (share.name in self._held or share.name in self._registry):
            raise LocalError(f"{share.name!r} is shared already: choose another name", name=BAD)
        await self._stop(running)
        running.share = share
        try:
            if was_on:
                await self._start(running)
        except LocalError:
            running.share = old
            await self._start(running)
            raise
        self._held = {each.share.name: each for each in self._held.values()}  # in their order

    async def check(self, name: str) -> Check:
        """Look whether what is shared is there."""
        running = self._find(name)
        service = running.service
        if service is None:
            service = await asyncio.to_thread(make, running.share)
        return await service.check()

    def warnings(self, name: str) -> list[str]:
        """Return what its owner should know of a share, as sentences; none of one that cannot be."""
        running = self._find(name)
        return running.service.warnings() if running.service is not None else []

    # -- within -------------------------------------------------------------------------------------------------------

    def _find(self, name: str) -> _Running:
        running = self._held.get(name)
        if running is None:
            known = ", ".join(self._held) or "none"
            raise LocalError(f"there is no share {name!r}; shares here: {known}", name=BAD)
        return running

    async def _start(self, running: _Running) -> None:
        service = await asyncio.to_thread(make, running.share)  # it may load a module, or the owner's own file
        try:
            await service.start()
        except BaseException:
            await service.aclose()
            raise
        running.service, running.problem = service, ""
        self._registry.add(service)
        self._admission.set_audience(running.share.name, running.share.audience)
        self._offer(running.share)

    async def _stop(self, running: _Running) -> None:
        service, running.service, running.problem = running.service, None, ""
        if service is None:
            return
        self._intents.withdraw(RoleName(service.name, Role.WORKER))
        self._admission.stop(service.name)
        self._registry.remove(service.name)
        try:
            await service.aclose()
        except (OSError, PeerError) as error:
            _log.warning("%s did not end well: %s", service.name, error)

    def _offer(self, share: Share) -> None:
        listed = share.audience in LISTED and "utp" in share.transports
        self._intents.declare(Intent(share.name, Role.WORKER, listed=listed, over=share.transports))

    def _tell(self) -> None:
        self._changed()
        self._hub.touch()

    def _row(self, running: _Running) -> ShareRow:
        share, tally = running.share, self._catalog.tally(running.share.name)
        streams = [stream for stream, call in self._openings.open.items() if call.name == share.name]
        return ShareRow(
            name=share.name,
            kind=share.kind,
            description=running.service.description if running.service is not None else "",
            audience=share.audience,
            on=running.service is not None,
            permanent=share.permanent,
            problem=running.problem,
            users=tuple(dict.fromkeys(stream.peer_id for stream in streams if stream.peer_id is not None)),
            streams=len(streams),
            sent=sum(stream.bytes_sent for stream in streams),
            received=sum(stream.bytes_received for stream in streams),
            served=tally.served,
            failed=tally.failed,
            refused=tally.refused,
            transports=share.transports,
            dropped=sum(stream.datagrams_dropped for stream in streams),
        )
