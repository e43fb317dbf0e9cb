"""Invitations of ours as a table model, and their states in words."""

from collections.abc import Hashable, Sequence
from typing import Final

from core.news.invitations import InvitationRow
from core.trust.entries import EVERY
from desktop.models.table import Column, Columns, RowsModel, Scene
from desktop.models.words import day, moment

OPEN, ACCEPTED, OVER = STATES = ("open", "accepted", "over")
_MOST_NAMED: Final = 3  # of those who accepted; of the others there is the number


def state_words(row: InvitationRow, scene: Scene) -> str:
    """Return how an invitation stands: not yet here, accepted by which peer and when, expired, or withdrawn."""
    here = ", ".join(
        f"{scene.name_of(peer_id)}, {moment(at)[:-3]}" for peer_id, at in row.joined[:_MOST_NAMED]
    )  # to the minute
    more = len(row.joined) - _MOST_NAMED
    here = f"{here} and {more} more" if more > 0 else here
    if row.state == "open":
        return f"{here}; {row.uses - len(row.joined)} not yet here" if here else "Not yet here"
    words = {"accepted": "Accepted", "expired": "Expired", "withdrawn": "Withdrawn"}.get(row.state, row.state)
    return f"{words}: {here}" if here else words


def offers(row: InvitationRow) -> str:
    """Return what an invitation offers."""
    if frozenset(row.services) == EVERY:
        return "every service"
    return ", ".join(row.services) or "nothing yet"


class InvitationColumn(Columns):
    """What is shown of an invitation."""

    NAME = Column[InvitationRow]("For", lambda row, _scene: row.name)
    OFFERS = Column[InvitationRow]("May use", lambda row, _scene: offers(row))
    STATE = Column[InvitationRow]("State", state_words)
    EXPIRES = Column[InvitationRow]("Holds until", lambda row, _scene: day(row.expires))


class InvitationModel(RowsModel[InvitationRow]):
    """The invitations of ours, the newest first. STATE_ROLE: one of STATES."""

    columns = InvitationColumn

    def key(self, row: InvitationRow) -> Hashable:
        """Return the number."""
        return row.number

    def hint(self, row: InvitationRow) -> str:
        """Return the whole Peer IDs of those who accepted."""
        return "\n".join(str(peer_id) for peer_id, _ in row.joined)

    def state(self, row: InvitationRow) -> str:
        """Return whether somebody may still come, has come, or will not."""
        return {"open": OPEN, "accepted": ACCEPTED}.get(row.state, OVER)


def outstanding(rows: Sequence[InvitationRow]) -> int:
    """Return how many invitations are open."""
    return sum(row.state == "open" for row in rows)


def button_words(rows: Sequence[InvitationRow], words: str) -> str:
    """Return the words of the button that lists them, with how many are open."""
    still = outstanding(rows)
    return f"{words} ({still})..." if still else f"{words}..."
