"""Opens somebody's invitation: says whose it is and what it offers, and does nothing until it is told to."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFormLayout, QLineEdit, QWidget

from core.errors import PeerError
from core.invitations.link import Link, LinkError, parse
from core.news.events import PeerEvent
from core.news.joins import JoinProgress
from core.trust.entries import MAX_NAME, clean_name
from desktop.models.safe import shown
from desktop.views.contract_inviting import InvitingLike
from desktop.views.fields import Lines, limit
from desktop.views.parts import IdLine, PlainLabel
from desktop.views.sheets import Sheet

WIDTH = 620  # pixels; a Peer ID in one line
MAX_LINK = 600  # characters that are taken; a link has 150 at most
PASTE = "Paste the link that you were sent. It begins with grapevine:i/."
ASK = "Compare the ID if you can. Nothing happens until you ask."


class OpenInvitation(Sheet):
    """One invitation of somebody. First *Ask what is offered*, then *Accept*; neither is pressed by a stray Enter."""

    def __init__(self, bridge: InvitingLike, link: str = "", parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Open an invitation"), parent, width=WIDTH)
        self.setObjectName("open-invitation")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._bridge = bridge
        self._link: Link | None = None
        self._ticket: int | None = None
        self._asked = False  # what is offered is known
        self._over = False
        self.link, self.name = QLineEdit(), QLineEdit()
        self.who = IdLine(self.tr("Peer ID of the inviter"))
        self.who.setPlaceholderText(self.tr("Whose invitation it is"))
        self.offer = PlainLabel(wrap=True)
        self.story = Lines(2)
        self._lay_out()
        self.ask_button = self.add_button(self.tr("A&sk what is offered"), self.ask)
        self.accept_button = self.add_button(self.tr("&Accept"), self.accept_offer)
        self.row.addStretch()
        self.close_button = self.add_button(self.tr("Close"), self.reject)
        self.calm(None)
        pairs = ((bridge.looked, self._on_looked), (bridge.joined, self._on_joined), (bridge.refused, self._on_refused))
        for signal, slot in pairs:
            signal.connect(slot)
        self.link.textChanged.connect(self._read)
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
        self.body.addLayout(form)
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

    def on_events(self, events: tuple[PeerEvent, ...]) -> None:
        """Show how far it is."""
        for event in events:
            if self._ticket is not None and isinstance(event, JoinProgress) and self._is_of(event):
                self.story.setText(f"{event.message[:1].upper()}{event.message[1:]}.")

    def _is_of(self, event: JoinProgress) -> bool:
        return self._link is not None and event.peer_id == self._link.peer_id

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
        self.story.setText("")
        self._choose()

    def _on_joined(self, ticket: object, name: str) -> None:
        if ticket == self._ticket:
            self._ticket, self._over = None, True
            self.story.setText(self.tr("{name} and you know each other now.").format(name=shown(name)))
            self._choose()
            self.close_button.setFocus()

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
            self.story.setText(self.tr(ASK))
        except LinkError as error:
            self.story.setText(_sentence(error) if text.strip() else self.tr(PASTE))
        self.who.show_id(str(self._link.peer_id) if self._link is not None else "")
        self._choose()

    def _choose(self) -> None:
        idle = self._ticket is None and not self._over
        self.link.setReadOnly(not idle)
        self.ask_button.setEnabled(idle and self._link is not None and not self._asked)
        self.accept_button.setEnabled(idle and self._asked)

    def _cancel(self) -> None:
        if self._ticket is not None:
            self._bridge.cancel(self._ticket)
            self._ticket = None


def _sentence(error: PeerError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
