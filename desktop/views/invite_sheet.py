"""Invites a friend: a name, which shares, for how long; then the link, once, to copy or to photograph."""

import time
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QCheckBox, QFileDialog, QFormLayout, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from core.files.private import write_private
from core.news.events import PeerEvent
from core.news.joins import InvitationAccepted
from core.trust.entries import MAX_NAME, MAX_SERVICES, clean_name, is_service
from desktop.models.safe import menu_text, shown
from desktop.models.words import day
from desktop.views.contract_inviting import InvitingLike
from desktop.views.fields import Lines, limit, roomy
from desktop.views.flow import FlowRow
from desktop.views.parts import IdLine, button
from desktop.views.qr import QrCode
from desktop.views.sheets import MARGIN, Sheet, primary

WIDTH = 800  # pixels: the fields, and the code beside them
BESIDE = 640  # pixels from which the code stands beside the fields, and not under them
DAYS = 7  # how long a link holds when nothing else is chosen
KEPT = "The link is shown once. Keep Grapevine running until your friend has opened it."


class InviteSheet(Sheet):
    """Makes one invitation. No button is pressed by Enter unless it has the keyboard."""

    def __init__(
        self, bridge: InvitingLike, services: Sequence[str], parent: QWidget | None = None, chosen: str = ""
    ) -> None:
        """`chosen` is the share that the user came from."""
        super().__init__(self.tr("Invite a friend"), parent, width=WIDTH)
        self.setObjectName("invite")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._bridge = bridge
        self._ticket: int | None = None
        self._number: int | None = None
        self.name, self.called = QLineEdit(), QLineEdit()
        self.boxes = {name: self._box(name) for name in dict.fromkeys(services[:MAX_SERVICES]) if is_service(name)}
        if chosen in self.boxes:
            self.boxes[chosen].setChecked(True)
        self.uses, self.days = QSpinBox(), QSpinBox()
        self.link = IdLine(self.tr("Link of the invitation"))
        self.link.setPlaceholderText(self.tr("The link will stand here"))
        self.code = QrCode(waiting=self.tr("The QR code will stand here"))
        self.code.setAccessibleName(self.tr("Link of the invitation as a QR code"))
        self.note = Lines(2)
        self.copy_button = button(self.tr("&Copy"), self.tr("Copy the link"), self.copy)
        hint = self.tr("Copy the link with a message that is ready to be sent")
        self.message_button = button(self.tr("Copy with a m&essage"), hint, self.copy_message)
        self.save_button = button(self.tr("&Save..."), self.tr("Save the link as a file"), self.save)
        self._lay_out()
        self.make_button = self.add_button(self.tr("&Make the link"), self.make)
        self.withdraw_button = self.add_button(self.tr("&Withdraw"), self.withdraw)
        self.row.addStretch()
        close = self.add_button(self.tr("Close"), self.reject)
        primary(self.make_button)
        self.calm(None)
        for signal, slot in ((bridge.invited, self._on_invited), (bridge.refused, self._on_refused)):
            signal.connect(slot)
        self.name.textChanged.connect(self._look)
        self._look()
        self.name.setFocus()
        close.setAutoDefault(False)

    def _box(self, name: str) -> QCheckBox:
        box = QCheckBox(menu_text(name))
        box.setAccessibleName(self.tr("May use {share}").format(share=shown(name)))
        return box

    def _lay_out(self) -> None:
        limit(self.name, MAX_NAME)
        limit(self.called, MAX_NAME)
        self.name.setPlaceholderText(self.tr("As in Bert"))
        self.called.setPlaceholderText(self.tr("Your name there"))
        self.uses.setRange(1, 100)
        self.days.setRange(1, 365)
        self.days.setValue(DAYS)
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        rows = (
            (self.tr("&Name"), self.name),
            (self.tr("&You are"), self.called),
            (self.tr("&People who may use the link"), self.uses),
            (self.tr("&Days that it holds"), self.days),
        )
        for words, field in rows:
            form.addRow(words, field)
            field.setAccessibleName(words.replace("&", ""))
            if isinstance(field, QSpinBox):
                roomy(field)
        shares = QVBoxLayout()
        for box in self.boxes.values():
            shares.addWidget(box)
        form.addRow(self.tr("May use"), shares)
        # The code has its place from the beginning: no button moves when the link is made.
        self._beside = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._beside.setSpacing(MARGIN)
        self._beside.addLayout(form, 1)
        self._beside.addWidget(self.code, alignment=Qt.AlignmentFlag.AlignCenter)
        self.body.addLayout(self._beside)
        self.body.addWidget(self.link)
        ways = FlowRow()
        for each in (self.copy_button, self.message_button, self.save_button):
            ways.addWidget(each)
        ways.addStretch()
        self.body.addLayout(ways)
        self.body.addStretch()
        self.foot.addWidget(self.note)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the code beside the fields where there is room."""
        wide = event.size().width() >= BESIDE
        self._beside.setDirection(QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom)
        super().resizeEvent(event)

    # -- what people do --------------------------------------------------------------------------------------------

    def make(self) -> None:
        """Make the invitation."""
        name = clean_name(self.name.text())
        if not name or self._ticket is not None or self._number is not None:
            return
        chosen = frozenset(share for share, box in self.boxes.items() if box.isChecked())
        self._ticket = self._bridge.invite(
            name, chosen, uses=self.uses.value(), days=float(self.days.value()), called=clean_name(self.called.text())
        )
        self._look()

    def copy(self) -> None:
        """Copy the link."""
        if self.link.text():
            QGuiApplication.clipboard().setText(self.link.text())
            self.note.setText(self.tr("The link is copied. Who has it can accept it: send it to your friend only."))

    def message(self) -> str:
        """Return what to send: what it is, what is needed to open it, and the link on a line of its own."""
        shares = sorted(share for share, box in self.boxes.items() if box.isChecked())
        offer = self.tr("I share {shares} with you.").format(shares=", ".join(shares)) if shares else ""
        words = self.tr("Open this link with Grapevine and we know each other, encrypted and without an account.")
        days = self.tr("It works once, until {day}.") if self.uses.value() == 1 else self.tr("It works until {day}.")
        until = days.format(day=day(time.time() + self.days.value() * 86_400))
        return "\n".join(filter(None, (f"{offer} {words} {until}".strip(), self.link.text())))

    def copy_message(self) -> None:
        """Copy the link with a message that is ready to be sent."""
        if self.link.text():
            QGuiApplication.clipboard().setText(self.message())
            self.note.setText(self.tr("The message is copied, with the link. Send it to your friend only."))

    def save(self) -> None:
        """Ask where to save the link as a file."""
        if self.link.text():
            dialog = QFileDialog(self, self.tr("Save the invitation"))
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            dialog.setDefaultSuffix("txt")
            dialog.selectFile("invitation.txt")
            dialog.fileSelected.connect(self.save_to)
            dialog.open()

    def save_to(self, path: str) -> None:
        """Write the message with the link into a file that only its owner can read."""
        try:
            write_private(Path(path), f"{self.message()}\n".encode())
        except OSError as error:
            self.note.setText(self.tr("It was not saved: {reason}.").format(reason=error.strerror or error))
        else:
            self.note.setText(self.tr("It is saved. Anyone who has this file can accept the invitation."))

    def withdraw(self) -> None:
        """Take the invitation back."""
        if self._number is not None:
            self._bridge.withdraw(self._number)
            self.reject()

    # -- what comes of it ------------------------------------------------------------------------------------------

    def _on_invited(self, ticket: object, link: str, number: object) -> None:
        if ticket != self._ticket or not isinstance(number, int):
            return
        self._ticket, self._number = None, number
        self.link.show_id(link)
        self.code.show_text(link.upper())  # capitals are a smaller code
        self.note.setText(self.tr(KEPT))
        self._look()
        self.copy_button.setFocus()

    def on_events(self, events: tuple[PeerEvent, ...]) -> None:
        """Say when the friend has come: it is waited for."""
        for event in events:
            if isinstance(event, InvitationAccepted) and event.number == self._number:
                words = self.tr("{name} accepted it. You know each other now.")
                self.note.setText(words.format(name=shown(event.name)))

    def _on_refused(self, ticket: object, sentence: str) -> None:
        if ticket == self._ticket:
            self._ticket = None
            self.note.setText(sentence)
            self._look()

    def _look(self) -> None:
        made, waits = self._number is not None, self._ticket is not None
        self.make_button.setEnabled(not made and not waits and bool(clean_name(self.name.text())))
        for each in (self.copy_button, self.message_button, self.save_button, self.withdraw_button):
            each.setEnabled(made)
        for field in (self.name, self.called, self.uses, self.days, *self.boxes.values()):
            field.setEnabled(not made and not waits)
