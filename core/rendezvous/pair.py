"""What the ladder knows of one other peer, and whether ports that nobody named may be tried at its host."""

import asyncio
from dataclasses import dataclass, field

from core.broker.in_use import Want
from core.nat.side import Side
from core.net.climbing import Climbing
from core.peer_id import PeerId
from core.reach.probing import Probing
from core.rendezvous.by_mail import Witnesses
from core.rendezvous.sealing import Sealer
from core.values import Address


@dataclass(slots=True)
class Pair:
    """One other peer. `brokers`: those that see it, by the host where they do."""

    peer_id: PeerId
    want: Want | None  # None: only letters bring words to it
    sealer: Sealer
    named_at: float
    brokers: dict[str, set[str]] = field(default_factory=dict)
    theirs: Side | None = None
    ours: Side | None = None
    climbing: Climbing | None = None
    word: bytes = b""  # what our climb said last
    heard: str = ""  # the text that was read last
    pending: bytes = b""  # a climb's word that came before we had one
    start: asyncio.TimerHandle | None = None
    won_at: float | None = None
    remote: Address | None = None  # where it was reached then
    witnesses: Witnesses = field(default_factory=Witnesses)
    six: tuple[Address, ...] = ()  # where they have IPv6
    our_six: tuple[Address, ...] = ()  # as we told
    began_at: float = 0.0  # of the climb
    speaks: bool = False  # a climb's word of it came

    def proved(self, probing: Probing) -> bool:
        """Return whether its own sealed word and somebody else say that it is at its host."""
        if self.theirs is None:
            return False
        host = self.theirs.address.host
        if probing.proved(host, host, self.brokers.get(host, set())):
            return True
        return probing.attested(host, host, self.witnesses.of(host))
