"""Opens somebody's invitation: says whose it is and what it offers, and does nothing until it is told to.

The link is typed or pasted, or comes out of a file or the picture of a QR code, which is dropped, pasted or chosen.
"""

from collections.abc import Callable

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QImage, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QFileDialog, QFormLayout, QLineEdit, QWidget

from core.errors import PeerError
from core.invitations.link import LOOKED_AT, Link, LinkError, parse
from core.news.events import PeerEvent
from core.news.joins import JoinProgress, SearchProgress
from core.peer_id import PeerId
from core.trust.entries import MAX_NAME, clean_name
from desktop.models.safe import shown
from desktop.pictures import Reader
from desktop.views.contract_inviting import InvitingLike
from desktop.views.fields import Lines, limit
from desktop.views.flow import FlowRow
from desktop.views.parts import IdLine, PlainLabel, button
from desktop.views.sheets import Sheet

WIDTH = 620  # pixels; a Peer ID in one line
MAX_LINK = LOOKED_AT + 1  # characters that are taken: a link has 150 at most, and may come in a message
PASTE = "Paste the link that you were sent, or drop its picture or file here. It begins with grapevine:i/."
READING = "Looking for a QR code."
ASK = "Compare the ID if you can. Nothing happens until you ask."


class OpenInvitation(Sheet):
    """One invitation of somebody. First *Ask what is offered*, then *Accept*; neither is pressed by a stray Enter.

    Signals:
        use_wanted(PeerId): the user wants to see what the new friend shares.
    """

    use_wanted = Signal(object)

    def __init__(
        self, bridge: InvitingLike, link: str = "", parent: QWidget | None = None,
        called: Callable[[PeerId], str] = lambda peer_id: "",
        taken: Callable[[str, PeerId], bool] = lambda name, peer_id: False,
    ) -> None:  # fmt: skip
        """`called` returns the name of a peer that is known already, or "" for another.

        `taken` tells whether somebody else has a name that looks like this one.
        """
        super().__init__(self.tr("Open an invitation"), parent, width=WIDTH)
        self.setObjectName("open-invitation")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._bridge, self._called, self._taken = bridge, called, taken
        self._link: Link | None = None
        self._ticket: int | None = None
        self._asked = False  # what is offered is known
        self._over = False
        self.link, self.name = QLineEdit(), QLineEdit()
        self.who = IdLine(self.tr("Peer ID of the inviter"))
        self.who.setPlaceholderText(self.tr("Whose invitation it is"))
        self.offer = PlainLabel(wrap=True)
        self.story = Lines(2)
        hint = self.tr("Read the link out of a file, or out of the picture of a QR code")
        self.file_button = button(self.tr("&File or picture..."), hint, self.choose_file)
        self.paste_button = button(
            self.tr("&Paste"), self.tr("Take the text or the picture of the clipboard"), self.paste
        )
        self._lay_out()
        self.ask_button = self.add_button(self.tr("A&sk what is offered"), self.ask)
        self.accept_button = self.add_button(self.tr("&Accept"), self.accept_offer)
        self.use_button = self.add_button(self.tr("S&ee what they share"), self.use)
        self.row.addStretch()
        self.close_button = self.add_button(self.tr("Close"), self.reject)
        self.calm(None)
        pairs = ((bridge.looked, self._on_looked), (bridge.joined, self._on_joined), (bridge.refused, self._on_refused))
        for signal, slot in pairs:
            signal.connect(slot)
        self._reader = Reader(self)
        self._reader.read.connect(self._on_read)
        self.setAcceptDrops(True)
        self.link.setAcceptDrops(False)  # the sheet takes what is dropped
        self.link.textChanged.connect(self._read)
        self.name.textChanged.connect(self._look_at_name)
        self.finished.connect(lambda _result: self._cancel())
        self.link.setText(link)
        self._read()
        (self.ask_button if self._link is not None else self.link).setFocus()

    def _lay_out(self) -> None:
        limit(self.link, MAX_LINK)
        limit(self.name, MAX_NAME)
        self.link.setPlaceholderText("grapevine:i/...")
        self.name.setPlaceholderText(self.tr("As the inviter calls itself"))
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for words, field in (
            (self.tr("&Link"), self.link),
            (self.tr("&From"), self.who),
            (self.tr("&Name"), self.name),
        ):
            form.addRow(words, field)
            if field is not self.who:
                field.setAccessibleName(words.replace("&", ""))
        sources = FlowRow()
        for each in (self.file_button, self.paste_button):
            sources.addWidget(each)
        sources.addStretch()
        self.body.addLayout(form)
        self.body.addLayout(sources)
        self.body.addWidget(self.offer)
        self.body.addStretch()
        self.foot.addWidget(self.story)

    # -- what people do --------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask the inviter what it offers."""
        if self._link is not None and self._ticket is None:
            self._ticket = self._bridge.look(str(self._link))
            self._choose()

    def accept_offer(self) -> None:
        """Accept, once it is known what is offered."""
        if self._link is not None and self._asked and self._ticket is None and not self._over:
            self._ticket = self._bridge.join(str(self._link), clean_name(self.name.text()))
            self._choose()

    def use(self) -> None:
        """Go on to what the new friend shares."""
        if self._over and self._link is not None:
            self.accept()
            self.use_wanted.emit(self._link.peer_id)

    # -- files and pictures ------------------------------------------------------------------------------------------

    def choose_file(self) -> None:
        """Ask for a file or a picture."""
        dialog = QFileDialog(self, self.tr("An invitation, or the picture of its QR code"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.read_file)
        dialog.open()

    def paste(self) -> None:
        """Take the text or the picture of the clipboard."""
        self.take(QGuiApplication.clipboard().mimeData())

    def read_file(self, path: str) -> None:
        """Read the link out of a file."""
        if self._idle():
            self.story.setText(self.tr(READING))
            self._reader.read_file(path)

    def take(self, data: QMimeData) -> None:
        """Take what was dropped or pasted: a file, a picture or a text."""
        if not self._idle():
            return
        files = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
        if files:
            self.read_file(files[0])
        elif data.hasImage():
            image = QImage(data.imageData())
            self.story.setText(self.tr(READING))
            self._reader.read_image(image)
        elif data.hasText():
            self.link.setText(data.text()[:MAX_LINK])

    def _on_read(self, text: str, problem: str) -> None:
        if self._idle():
            self.link.setText(text[:MAX_LINK])
            if problem:
                self.story.setText(problem)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Paste a picture too; the field takes texts by itself."""
        if event.matches(QKeySequence.StandardKey.Paste):
            self.paste()
            return
        super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Let files, pictures and texts be dropped."""
        data = event.mimeData()
        if data.hasUrls() or data.hasImage() or data.hasText():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take what is dropped."""
        self.take(event.mimeData())
        event.acceptProposedAction()

    # -- news --------------------------------------------------------------------------------------------------------

    def on_events(self, events: tuple[PeerEvent, ...]) -> None:
        """Show how far it is."""
        for event in events:
            if self._ticket is not None and isinstance(event, JoinProgress | SearchProgress) and self._is_of(event):
                self.story.setText(f"{event.message[:1].upper()}{event.message[1:]}.")

    def _is_of(self, event: JoinProgress | SearchProgress) -> bool:
        over = isinstance(event, SearchProgress) and event.where == "end"  # it is tried again
        return not over and self._link is not None and event.peer_id == self._link.peer_id

    # -- what comes of it ------------------------------------------------------------------------------------------

    def _on_looked(self, ticket: object, called: str, services: object) -> None:
        if ticket != self._ticket or not isinstance(services, tuple):
            return
        self._ticket, self._asked = None, True
        who = shown(called) if called else self.tr("This peer")
        if services == ("*",):
            words = self.tr("{who} offers everything that it shares.")
        elif services:
            words = self.tr("{who} offers {shares}.")
        else:
            words = self.tr("{who} offers no share: you will only know each other.")
        told = words.format(who=who, shares=", ".join(shown(each) for each in services))
        self.offer.setText(f"{told} {self.tr('You will then know each other by key.')}")
        if called and not self.name.text():
            self.name.setText(called)
        self._look_at_name()
        self._choose()
        self.accept_button.setFocus()  # Qt would go on to Close, as Ask is disabled now

    def _look_at_name(self) -> None:
        """Say that somebody else is called so."""
        name = clean_name(self.name.text())
        if self._asked and self._idle():
            same = self._link is not None and bool(name) and self._taken(name, self._link.peer_id)
            words = self.tr("Somebody else in your list is called {name}. Compare the ID, or write another name.")
            self.story.setText(words.format(name=shown(name)) if same else "")

    def _on_joined(self, ticket: object, name: str) -> None:
        if ticket == self._ticket:
            self._ticket, self._over = None, True
            self.story.setText(self.tr("{name} and you know each other now.").format(name=shown(name)))
            self._choose()
            self.use_button.setFocus()

    def _on_refused(self, ticket: object, sentence: str) -> None:
        if ticket == self._ticket:
            self._ticket = None
            self.story.setText(sentence)
            self._choose()

    def _read(self) -> None:
        """Read the link as it is typed, and say what is wrong with it."""
        text, self._link, self._asked = self.link.text(), None, False
        self.offer.setText("")
        try:
            self._link = parse(text)
            name = self._called(self._link.peer_id)
            known = self.tr("You know {name} already. Opening it again adds what it offers.").format(name=shown(name))
            self.story.setText(known if name else self.tr(ASK))
        except LinkError as error:
            self.story.setText(_sentence(error) if text.strip() else self.tr(PASTE))
        self.who.show_id(str(self._link.peer_id) if self._link is not None else "")
        self._choose()

    def _choose(self) -> None:
        idle = self._idle()
        self.use_button.setEnabled(self._over)
        for each in (self.file_button, self.paste_button):
            each.setEnabled(idle)
        self.link.setReadOnly(not idle)
        self.ask_button.setEnabled(idle and self._link is not None and not self._asked)
        self.accept_button.setEnabled(idle and self._asked)

    def _idle(self) -> bool:
        return self._ticket is None and not self._over

    def _cancel(self) -> None:
        if self._ticket is not None:
            self._bridge.cancel(self._ticket)
            self._ticket = None


def _sentence(error: PeerError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
