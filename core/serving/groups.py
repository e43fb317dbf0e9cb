"""Groups of people, as their owner changes them on a peer that runs: all holds at once, on live connections too."""

from collections.abc import Iterable

from core.peer_id import PeerId
from core.serving.admission import Admission
from core.trust.entries import Group, KnownPeer
from core.trust.groups import same_group


class Groups:
    """The groups in the list of known peers. Verbs raise LocalError, in words, for what cannot be."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._store = admission.store

    def shown(self) -> tuple[Group, ...]:
        """Return the groups, and what is open to each."""
        return self._store.groups()

    def members(self, name: str) -> tuple[KnownPeer, ...]:
        """Return who is in a group."""
        return tuple(peer for peer in self._store.peers() if peer.in_group(name))

    async def regroup(self, group: str, join: Iterable[PeerId] = (), leave: Iterable[PeerId] = ()) -> str:
        """Have peers join a group, which may be new, or leave it; return its name."""
        name = await self._store.regroup(group, join, leave, now=self._admission.now())
        self._admission.say(f"the group {name} has changed")
        return name

    async def open_to(self, group: str, services: Iterable[str] = (), less: Iterable[str] = ()) -> Group:
        """Let all in a group call these services, and no longer those of `less`."""
        found = await self._store.open_to(group, services, less, now=self._admission.now())
        self._admission.say(f"the group {found.name} may call {', '.join(sorted(found.services)) or 'no service'}")
        return found

    async def remove(self, group: str) -> None:
        """Remove a group; the people stay."""
        await self._store.ungroup(group, self._admission.now())
        self._admission.say(f"the group {group} is removed")

    async def put(self, peer_id: PeerId, groups: Iterable[str]) -> None:
        """Have a peer be in these groups, some of which may be new, and in no others."""
        wanted = list(groups)
        for group in self.shown():
            known = self._store.find(peer_id)
            if known is not None and known.in_group(group.name) and same_group(group.name, wanted) is None:
                await self.regroup(group.name, leave=[peer_id])
        for name in wanted:
            known = self._store.find(peer_id)
            held = same_group(name, [each.name for each in known.groups] if known is not None else [])
            if held is None:
                await self.regroup(name, join=[peer_id])

    async def open_for(self, service: str, groups: Iterable[str]) -> None:
        """Let these groups, and no others, call a service."""
        wanted = list(groups)
        for group in self.shown():
            on = same_group(group.name, wanted) is not None
            if on != (service in group.services):
                await self.open_to(group.name, [service] if on else [], [] if on else [service])
