"""The list of known peers and pending requests: in memory for the gate, in a file for the next start and for others.

What the gate asks is answered from memory, at once. Changes are made there first, then to the file, off the loop. A
running peer looks once a second whether another program (`grapevine trust`) has changed the file.
"""

import asyncio
import enum
import itertools
import logging
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from core.errors import LocalError
from core.limits.fair import FairTable
from core.peer_id import PeerId
from core.scope import network
from core.trust.book import MAX_PENDING, MAX_PENDING_PER_HOST, Book
from core.trust.edits import Allow, Ask, Block, Edit, Grant, Remove, See, Settle, Trust, repeat
from core.trust.entries import EVERY, MAX_SERVICE, MAX_SERVICES, Group, Key, KnownPeer, Pending, clean_name, is_service
from core.trust.file import Merged, TrustFile
from core.trust.group_edits import OpenTo, Regroup, Ungroup
from core.trust.groups import BAD, MARK, find_group, new_group, same_group
from core.values import Address

ONCE_HOLDS: Final = 600.0  # seconds that "accept once" waits for the caller to ask again
NOT_AGAIN: Final = 60.0  # seconds in which the same request is not shown again
SEEN_EVERY: Final = 60.0  # seconds; how exact "last seen" is, and how late what is not urgent reaches the disk
LOOK_EVERY: Final = 1.0  # seconds between looks at the file
MAX_UNWRITTEN: Final = 10_000  # changes that a disk which refuses may hold back: 2 MB

_log = logging.getLogger(__name__)


class Change(enum.Enum):
    """What kind of change it was."""

    NOTED = enum.auto()  # changes nothing in who may call: somebody was seen, or asks
    MADE = enum.auto()  # by a person, here
    FOUND = enum.auto()  # in the file: by another program


class _Shown(NamedTuple):
    """From which host a request was shown, and when."""

    host: str
    at: float


class TrustStore:
    """Who may call. Times are Unix seconds; verbs raise LocalError when the disk refuses or the list is full.

    While `serving()`, as a peer that shares something, it takes the grants that others wrote. Without a path everything
    is in memory.
    `problem` is a sentence about a list that could not be used. Then it is `closed`: blocked peers stay blocked, nobody
    else may call, and nothing is written until its owner has looked (`confirm`).
    """

    def __init__(self, path: Path | None = None, *, serving: Callable[[], bool] = lambda: True) -> None:
        self.problem: str | None = None
        self._file = TrustFile(path) if path is not None else None
        self._was_read = self._file is None
        self._serving = serving
        self._book = Book()
        self._grants: dict[Key, float] = {}
        self._shown: dict[Key, _Shown] = {}
        self._unwritten: dict[Hashable, Edit] = {}
        self._numbers = itertools.count()
        self._urgent = False
        self._written = 0.0
        self._writing = asyncio.Lock()
        self._listeners: list[Callable[[Change], None]] = []

    # -- reading --------------------------------------------------------------------------------------------------

    def peers(self) -> tuple[KnownPeer, ...]:
        """Return the known peers, blocked ones too, oldest first."""
        return tuple(self._book.peers.values())

    def groups(self) -> tuple[Group, ...]:
        """Return the groups of people."""
        return tuple(self._book.groups.values())

    def pending(self) -> tuple[Pending, ...]:
        """Return the pending requests; who asked last is last."""
        return tuple(self._book.pending.values())

    @property
    def closed(self) -> bool:
        """Whether nobody may call, since it is not known who is blocked and who is trusted."""
        return self.problem is not None

    def recoverable(self) -> tuple[KnownPeer, ...]:
        """Return the peers that `confirm` would put in force, while the list is closed."""
        return () if self._file is None else self._file.recoverable()

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences about files that other users of this computer could read."""
        return () if self._file is None else tuple(self._file.notices)

    @property
    def dropped(self) -> int:
        """How many pending requests made room for newer ones."""
        return self._book.dropped

    def find(self, peer_id: PeerId) -> KnownPeer | None:
        """Return what is known of a peer."""
        return self._book.peers.get(peer_id)

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener`, on the loop, whenever the list has changed. Returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # -- what the gate does ---------------------------------------------------------------------------------------

    def granted(self, key: Key, now: float) -> bool:
        """Tell whether one request may pass, and forget that it might."""
        return self._grants.pop(key, 0.0) > now

    def see(self, peer_id: PeerId, now: float) -> None:
        """Note that a known peer called, or answered us."""
        known = None if self.closed else self.find(peer_id)
        if known is not None and now >= (known.last_seen or 0.0) + SEEN_EVERY:
            self._note(See(peer_id, now), ("see", peer_id))

    def ask(self, key: Key, address: Address, now: float) -> bool:
        """Note that a peer asked for what it may not call. Returns whether that is to be shown now."""
        if self.closed or self._book.refused.get(key, 0.0) > now:
            return False
        new = key not in self._book.pending
        before = self._unwritten.get(("ask", key))
        edit = Ask(key, address, now, now)
        self._note(edit, ("ask", key))
        if isinstance(before, Ask):
            self._unwritten["ask", key] = replace(edit, first=before.first, times=before.times + 1)
        self._urgent = self._urgent or new
        return self._show(key, network(address.host), now)

    def _show(self, key: Key, host: str, now: float) -> bool:
        """Tell whether a request is to be shown now: not again within a minute, and no floods of them."""
        self._shown = {other: shown for other, shown in self._shown.items() if shown.at + NOT_AGAIN > now}
        seen: FairTable[Key, None, str] = FairTable(MAX_PENDING, MAX_PENDING_PER_HOST)
        for other, shown in self._shown.items():
            seen.put(other, None, shown.host)
        if key in self._shown or seen.would_evict(host) is not None:
            return False
        self._shown[key] = _Shown(host, now)
        return True

    # -- what people do -------------------------------------------------------------------------------------------

    async def trust(self, peer_id: PeerId, name: str, services: frozenset[str], now: float) -> None:
        """Let a peer call these services (`EVERY`: all) and no others. An empty name leaves the one it has."""
        if len(services) > MAX_SERVICES or not all(map(is_service, services)):
            raise LocalError(f"name at most {MAX_SERVICES} services, each of 1 to {MAX_SERVICE} printable characters")
        if "*" in services and services != EVERY:
            raise LocalError("'*' means every service: name it alone")
        named = clean_name(name)
        known, group = self.find(peer_id), same_group(named, self._book.groups)
        if group is not None and (known is None or known.name != named):
            raise LocalError(f"{group!r} is a group of yours: give the peer another name", name=BAD)
        await self._change(Trust(peer_id, named, services, now), now)

    async def untrust(self, peer_id: PeerId, now: float) -> None:
        """Remove a peer from the list. Raises LocalError when it was not known."""
        self._require_known(peer_id)
        await self._change(Remove(peer_id), now)

    async def block(self, peer_id: PeerId, now: float) -> None:
        """Let a peer call nothing, and ask nobody."""
        await self._change(Block(peer_id, now), now)

    async def regroup(
        self, group: str, join: Iterable[PeerId] = (), leave: Iterable[PeerId] = (), *, now: float
    ) -> str:
        """Have peers join a group, which may be new, or leave it; return its name. Raises LocalError in words.

        A group that has neither people nor services is gone.
        """
        joining, leaving = frozenset(join), frozenset(leave)
        name = same_group(group.strip().removeprefix(MARK), self._book.groups)
        if name is None and not joining:
            name = find_group(group, self.groups()).name
        for peer_id in joining:
            self._require_known(peer_id)
            known = self.find(peer_id)
            if known is not None and known.blocked:
                raise LocalError(
                    f"{known.name or peer_id.short} is blocked: unblock the peer first", name="ERR_BLOCKED"
                )
        name = name or new_group(group, self.peers())
        await self._change(Regroup(name, joining, leaving), now)
        return name

    async def open_to(self, group: str, services: Iterable[str] = (), less: Iterable[str] = (), *, now: float) -> Group:
        """Let all in a group call these services, and no longer those of `less`. Raises LocalError in words."""
        found, more = find_group(group, self.groups()), frozenset(services)
        if not all(is_service(each) and each != "*" for each in more):
            raise LocalError(f"a service has a name of 1 to {MAX_SERVICE} printable characters", name=BAD)
        await self._change(OpenTo(found.name, more, frozenset(less)), now)
        return find_group(found.name, self.groups())

    async def ungroup(self, group: str, now: float) -> None:
        """Remove a group; the people stay. Raises LocalError for one that there is not."""
        await self._change(Ungroup(find_group(group, self.groups()).name), now)

    async def accept_once(self, key: Key, now: float) -> None:
        """Let in one request, if it comes within ten minutes. Raises LocalError unless the peer has asked."""
        self._require_pending(key)
        if self._file is None or self._serving():
            self._grants = {other: until for other, until in self._grants.items() if until > now}
            self._grants[key] = now + ONCE_HOLDS
            await self._change(Settle(key), now)
        else:
            await self._change(Grant(key, now + ONCE_HOLDS), now)

    async def accept_always(self, key: Key, now: float) -> None:
        """Let a peer call this service from now on. Raises LocalError unless it has asked."""
        self._require_pending(key)
        await self._change(Allow(key, now), now)

    async def refuse(self, key: Key, now: float) -> None:
        """Forget a request; it may come again. Raises LocalError unless the peer has asked."""
        self._require_pending(key)
        await self._change(Settle(key, now + NOT_AGAIN), now)

    def _require_pending(self, key: Key) -> None:
        if key not in self._book.pending:
            raise LocalError(f"{key[0].short} does not wait for an answer about {key[1]}", name="ERR_NOT_PENDING")

    def _require_known(self, peer_id: PeerId) -> None:
        if self.find(peer_id) is None:
            raise LocalError(f"{peer_id.short} is not known here", name="ERR_NOT_KNOWN")

    # -- memory and file ------------------------------------------------------------------------------------------

    async def open(self, now: float) -> None:
        """Read the file, if there is one. Nothing is raised for one that cannot be used: see `problem`."""
        try:
            await self._sync(now)
        except LocalError as error:
            self.problem = str(error)

    async def watch(self, clock: Callable[[], float]) -> None:
        """Write what is to be written, and read what others wrote, until cancelled. `clock`: Unix seconds."""
        failing = False
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.refresh(clock())
                failing = False
            except LocalError as error:
                if not failing:
                    _log.warning("%s", error)
                failing = True

    async def refresh(self, now: float) -> None:
        """Do what `watch` does once a second. Raises LocalError when the disk refuses."""
        if self._file is None:
            return
        due = not self._was_read or self._urgent or (self._unwritten and now >= self._written + SEEN_EVERY)
        if due or await asyncio.to_thread(self._file.changed):
            await self._sync(now)

    async def flush(self, now: float) -> None:
        """Write what is not written yet. Raises LocalError when the disk refuses."""
        if self._unwritten:
            await self._sync(now)

    async def confirm(self, now: float) -> None:
        """The owner has looked at a damaged list: what could be recovered holds from now on. Raises LocalError."""
        if self._file is None or not self.closed:
            return
        async with self._writing:
            merged = await asyncio.to_thread(self._file.confirm, now)
            self._take(merged)
        self._tell(Change.MADE)
        await self.flush(now)

    async def _change(self, edit: Edit, now: float) -> None:
        """Make a change, in memory at once and in the file before this returns."""
        if len(self._unwritten) >= MAX_UNWRITTEN:
            raise LocalError("too much waits to be written: see why the disk takes nothing", name="ERR_TRUST")
        before = dict(self._book.peers)
        edit.apply(self._book)
        self._drop_grants(before)
        if self._file is not None:
            self._unwritten[next(self._numbers)] = edit
        self._tell(Change.MADE)
        await self._sync(now)

    def _note(self, edit: Edit, key: Hashable) -> None:
        """Make a change in memory; the file has it soon, unless the disk takes nothing."""
        edit.apply(self._book)
        if self._file is not None and len(self._unwritten) < MAX_UNWRITTEN:
            self._unwritten.pop(key, None)  # last again, after what was done to it meanwhile
            self._unwritten[key] = edit
        self._tell(Change.NOTED)

    async def _sync(self, now: float) -> None:
        """Write what is unwritten, and take what the file holds then. Raises LocalError when the disk refuses."""
        if self._file is None:
            return
        async with self._writing:
            edits, self._unwritten, self._urgent = self._unwritten, {}, False
            try:
                merged = await asyncio.to_thread(self._file.merge, list(edits.values()), now, claim=self._serving())
            except BaseException:  # cancelled as well: made twice is as good as made once
                self._unwritten = edits | self._unwritten
                raise
            self._written = now
            if merged.problem is not None:
                self._unwritten = edits | self._unwritten  # until the owner has looked
            before = self.problem
            self._take(merged)
            if merged.by_others or (merged.problem is not None and merged.problem != before):
                self._tell(Change.FOUND)
            elif merged.problem != before:
                self._tell(Change.NOTED)
        if merged.problem is not None and edits:
            raise LocalError(merged.problem.removesuffix("."), name="ERR_TRUST")

    def _take(self, merged: Merged) -> None:
        """Have the list that the file has, with what was changed while the file was read."""
        before = self._book.peers
        self._book = merged.book
        self.problem, self._was_read = merged.problem, True
        repeat(self._unwritten.values(), self._book)
        self._drop_grants(before)
        self._grants |= merged.claimed

    def _drop_grants(self, before: Mapping[PeerId, KnownPeer]) -> None:
        """Take "accept once" back from those who were blocked or removed, or may call less, wherever that was done."""
        self._grants = {
            key: until
            for key, until in self._grants.items()
            if not self.closed and not _lost(before.get(key[0]), self._book.peers.get(key[0]), key[1])
        }

    def _tell(self, change: Change) -> None:
        for listener in tuple(self._listeners):
            listener(change)


def _lost(before: KnownPeer | None, after: KnownPeer | None, service: str) -> bool:
    """Tell whether a peer's owner has said less of it since: then it has to be asked again."""
    if after is None:
        return before is not None
    if after.blocked:
        return True
    if before is None or before.since != after.since:
        return not after.may_call(service)
    return not before.opened <= after.opened and after.services != EVERY
