"""A box to tick for each group of people."""

from collections.abc import Collection, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QWidget

from desktop.models.safe import menu_text, shown
from desktop.views.fields import plain_tip
from desktop.views.flow import FlowRow

SHOWN = 20  # characters of a name beside its box; the whole is its tooltip. More has no room on a small screen


class GroupBoxes(QWidget):
    """The groups, side by side.

    Signals:
        changed(): the user ticked one, or took a tick away.
    """

    changed = Signal()

    def __init__(
        self, groups: Sequence[str], chosen: Collection[str], says: str, parent: QWidget | None = None
    ) -> None:
        """`says` is what a tick means, with `{group}` in it, for who cannot see the row that this stands in."""
        super().__init__(parent)
        self.boxes = {name: QCheckBox(menu_text(shown(name, SHOWN))) for name in groups}
        row = FlowRow(self)
        for name, box in self.boxes.items():
            box.setToolTip(plain_tip(name))
            box.setAccessibleName(says.format(group=shown(name)))
            box.setChecked(name in chosen)
            box.toggled.connect(lambda _on: self.changed.emit())
            row.addWidget(box)

    def chosen(self) -> list[str]:
        """Return the groups that are ticked."""
        return [name for name, box in self.boxes.items() if box.isChecked()]
