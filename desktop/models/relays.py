"""The pairs that packets are passed on for, as a table model. Rows come and go with every snapshot."""

from collections.abc import Hashable

from core.news.relays import PassedPair
from desktop.models.table import Column, Columns, RowsModel
from desktop.models.words import size


class PassedColumn(Columns):
    """What is shown of a pair."""

    ONE = Column[PassedPair]("Who", lambda pair, scene: scene.name_of(pair.peers[0]))
    OTHER = Column[PassedPair]("With", lambda pair, scene: scene.name_of(pair.peers[1]))
    BYTES = Column[PassedPair]("Passed on", lambda pair, _scene: size(pair.bytes))


class PassedModel(RowsModel[PassedPair]):
    """Pairs, the oldest first; `name_of` gives what a person calls a peer."""

    columns = PassedColumn

    def key(self, row: PassedPair) -> Hashable:
        """Return what tells two pairs apart."""
        return row.peers

    def hint(self, row: PassedPair) -> str:
        """Return both whole Peer IDs."""
        return "\n".join(map(str, row.peers))
