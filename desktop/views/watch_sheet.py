"""The values of a friend's sensor as they come: a curve, and the same as a list."""

from collections import deque
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QWidget

from core.peer_id import PeerId
from desktop.models.safe import shown
from desktop.models.values import MOST, ValueModel, ValueRow
from desktop.views.contract_shares import UsingLike
from desktop.views.fields import Lines
from desktop.views.parts import heading
from desktop.views.plot import Plot
from desktop.views.sheets import Sheet
from desktop.views.table import RowTable

WIDTH = 520  # pixels
LIST_LINES = 6  # of the list, whatever has come; more scroll
SAMPLES = ("00:00:00.000", "{'temperature': 21.5, 'humidity': 60}")


class WatchSheet(Sheet):
    """Watches one service as long as it is open."""

    def __init__(
        self, using: UsingLike, peer_id: PeerId, peer: str, service: str, parent: QWidget | None = None
    ) -> None:
        """`peer` is what its owner calls the peer here."""
        super().__init__(self.tr("Watch"), parent, width=WIDTH)
        self.setObjectName("watch")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(False)  # one goes on with other things
        self._using = using
        title = self.tr("{service} of {peer}").format(service=shown(service, 64), peer=shown(peer, 64))
        self.status = Lines(2)
        self.status.setText(self.tr("Asking for values."))
        self.plot = Plot(self.tr("Curve of the newest values"))
        self._kept: deque[ValueRow] = deque(maxlen=MOST)
        self.model = ValueModel(self)
        self.table = RowTable(self.tr("Newest values"))
        self.table.setModel(self.model)
        self.table.set_samples(SAMPLES, fit_all=False)
        self.table.set_placeholder(self.tr("The values appear here."))
        self.table.setMinimumHeight((LIST_LINES + 1) * self.table.verticalHeader().defaultSectionSize() + 8)
        self.hold = QCheckBox(self.tr("Hold the list still"))
        self.hold.toggled.connect(lambda on: None if on else self._show())
        self.body.addWidget(heading(title))
        self.body.addWidget(self.plot, 1)
        self.body.addWidget(self.hold)
        self.body.addWidget(self.table, 1)
        self.foot.addWidget(self.status)
        self.row.addStretch()
        close = self.add_button(self.tr("Close"), self.reject)
        self.calm(close)
        close.setFocus()
        using.values.connect(self._add)
        using.ended.connect(self._end)
        self._ticket = using.watch(peer_id, service)
        self.finished.connect(lambda _result: using.cancel(self._ticket))

    def _add(self, ticket: int, values: Sequence[ValueRow]) -> None:
        if ticket != self._ticket:
            return
        if not self._kept:
            self.status.setText("")
        self._kept.extend(values)
        self.plot.add(values)
        if not self.hold.isChecked():
            self._show()

    def _show(self) -> None:
        self.model.replace(tuple(reversed(self._kept)))

    def _end(self, ticket: int, words: str) -> None:
        if ticket == self._ticket:
            self.status.setText(words)
            self.status.setProperty("problem", True)
            self.status.style().unpolish(self.status)
            self.status.style().polish(self.status)
