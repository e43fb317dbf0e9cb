"""The peers registered with us, the broker, as a table model. Rows come and go with every snapshot."""

from collections.abc import Hashable, Sequence

from core.news.events import BrokerEntry
from desktop.models.table import Column, Columns, RowsModel, Scene
from desktop.models.words import PLAIN, PLAIN_HINT, ago, span


def _who(entry: BrokerEntry, scene: Scene) -> str:
    return scene.name_of(entry.peer_id) if entry.peer_id else PLAIN


class BrokerColumn(Columns):
    """What is shown of an entry."""

    WHO = Column[BrokerEntry]("Who", _who)
    ROLE = Column[BrokerEntry]("Role", lambda entry, _scene: "Worker" if entry.server else "Consumer")
    SERVICE = Column[BrokerEntry]("Service", lambda entry, _scene: entry.service)
    ADDRESS = Column[BrokerEntry]("Seen address", lambda entry, _scene: str(entry.address))
    SINCE = Column[BrokerEntry]("Registered", lambda entry, scene: span(scene.now - entry.since))
    HEARD = Column[BrokerEntry]("Last heard", lambda entry, scene: ago(scene.now, entry.renewed_at))


class BrokerModel(RowsModel[BrokerEntry]):
    """Entries, oldest first; `name_of` gives what a person calls a peer."""

    columns = BrokerColumn

    def replace(self, rows: Sequence[BrokerEntry]) -> None:
        """Show these, the oldest first. Entries that stay are changed in place, so a selection and the scroll stay."""
        super().replace(sorted(rows, key=lambda entry: (entry.since, entry.address, entry.service, entry.server)))

    def key(self, row: BrokerEntry) -> Hashable:
        """Return what tells two entries apart."""
        return row.service, row.server, row.address, row.peer_id

    def hint(self, row: BrokerEntry) -> str:
        """Return the whole Peer ID."""
        return str(row.peer_id) if row.peer_id else PLAIN_HINT
