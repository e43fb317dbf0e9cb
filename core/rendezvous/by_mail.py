"""The ladder where no broker is: two that share a meeting secret leave each other's words in letters of the public DHT.

A letter is sealed and signed with the pair's own keys (`core.signal`), so its word needs no further seal. A word takes
some three seconds from one side to the other, and so a climb by mail has numbers of its own (`ClimbConfig.by_mail`).
The broker that sees a peer where it says that it is is missing too. Instead, each side has itself listed by nodes of
the public DHT under a key that only the two know, and they list it at the host that sent them their own token.
"""

from typing import Final, Protocol

from core.errors import RemoteError
from core.limits.table import BoundedTable
from core.nat.side import SIDE_BYTES, parse_side
from core.peer_id import PeerId
from core.rendezvous.sealing import Word
from core.values import Address

MAIL_GONE_AFTER: Final = 180.0  # seconds without a letter; one is read every 10 s while we call
MAIL_PLAIN_FIRST: Final = 25.0  # seconds for plain punching: the other side looks at its door every 20 s
MAIL_SHORT_PLAIN: Final = 0.5  # seconds where only a loose filter lets it in: to agree takes longer than punching
HURRIED: Final = 90.0  # seconds of a climb in which letters are hurried though no round is under way
HOSTS: Final = 8  # that nodes list for one peer; of more, the newest. Liars may list any
NODES: Final = 8  # of one host that are remembered


class Mailbox(Protocol):
    """What is needed of the public DHT."""

    def leave(self, peer_id: PeerId, word: bytes) -> None:
        """Say this to a peer in our next letter; empty: what all are told."""

    def reached(self, peer_id: PeerId, remote: Address) -> None:
        """Tell who looks for a peer that there is a way to it."""


class Witnesses:
    """Which nodes list one peer where. Bounded: nodes may lie."""

    def __init__(self) -> None:
        self._nodes: BoundedTable[str, BoundedTable[str, None]] = BoundedTable(HOSTS)

    def add(self, host: str, node: str) -> None:
        """Note that a node, at a host of its own, lists this host."""
        self._nodes.use(host, lambda: BoundedTable(NODES))[node] = None

    def of(self, host: str) -> list[str]:
        """Return the hosts of the nodes that list this one."""
        nodes = self._nodes.get(host)
        return [] if nodes is None else list(nodes)


def word_of(text: bytes) -> Word | None:
    """Read the word of a letter; None: it has none that makes sense."""
    try:
        return Word(parse_side(text[:SIDE_BYTES]), text[SIDE_BYTES:])
    except RemoteError:
        return None
