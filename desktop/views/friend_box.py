"""Picks a friend: one of the known peers by name, or anybody by a pasted Peer ID."""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QSizePolicy, QWidget

from core.peer_id import PeerId
from core.trust.entries import KnownPeer
from desktop.models.people import called
from desktop.models.safe import shown
from desktop.views.fields import limit

MAX_TEXT = 200  # characters: an ID with blanks, as people copy it
LEAST = 22  # characters that the box has room for at least
NO_FRIEND = "Pick a friend, or paste a Peer ID."


class FriendBox(QComboBox):
    """Known peers that are not blocked, and a field for an ID.

    Signals:
        entered(): Enter, or a choice from the list.
    """

    entered = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._people: tuple[tuple[PeerId, str], ...] = ()
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setAccessibleName(self.tr("Friend"))
        self.setMinimumContentsLength(LEAST)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        limit(self, MAX_TEXT)
        line = self.lineEdit()
        if line is not None:
            line.setPlaceholderText(self.tr("Friend, or Peer ID"))
            line.returnPressed.connect(self.entered)
        self.activated.connect(lambda _number: self.entered.emit())

    def show_people(self, known: Sequence[KnownPeer]) -> None:
        """Offer these; what stands in the field stays."""
        people = tuple((peer.peer_id, called(peer.peer_id, known)) for peer in known if not peer.blocked)
        if people != self._people and not self.view().isVisible():
            self._people = people
            text = self.currentText()
            self.blockSignals(True)
            self.clear()
            self.addItems([name for _, name in people])
            self.setCurrentIndex(-1)
            self.setEditText(text)
            self.blockSignals(False)

    def choose(self, peer_id: PeerId) -> None:
        """Pick a friend: by name, or by the ID while the list does not have it yet."""
        self.setEditText(next((name for each, name in self._people if each == peer_id), str(peer_id)))

    def friend(self) -> PeerId | None:
        """Return who is picked, or None."""
        return self._read()[0]

    def problem(self) -> str:
        """Return why nobody is picked, or nothing."""
        return self._read()[1]

    def _read(self) -> tuple[PeerId | None, str]:
        text = self.currentText().strip()
        for peer_id, name in self._people:
            if name == text:
                return peer_id, ""
        if not text:
            return None, self.tr(NO_FRIEND)
        try:
            return PeerId.parse(text), ""
        except ValueError as error:
            words = str(error).rstrip(".")
            return None, shown(f"{words[:1].upper()}{words[1:]}.")
