"""The sheet *Share something*: first what, with what listens on this machine already; then its name and who."""

from collections.abc import Collection, Sequence
from functools import partial

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QVBoxLayout,
    QWidget,
)

from core.kinds.listening import Found
from core.trust.audience import Audience
from desktop.models.share_form import ANSWERS, FORMS, Entered, Form, form_of, found_name, problem, proposed_name
from desktop.models.shares import found_words
from desktop.views.columns import CurrentOnly
from desktop.views.contract_shares import LookLike, SharingLike
from desktop.views.fields import Lines, limit, muted
from desktop.views.flow import FlowRow
from desktop.views.groups import GroupBoxes
from desktop.views.parts import PlainLabel, button, heading
from desktop.views.services import AudienceBox
from desktop.views.sheets import Sheet, primary

WIDTH = 560  # pixels
LOOK_MS = 1000  # milliseconds between two looks at what would be shared
TYPED_MS = 300  # milliseconds after the last key until it is looked at again
FOUND_LINES = 5  # of the list of what listens, whatever was found; more scroll
MAX_TEXT = 4096  # characters of a path or a command line
MAX_NAME = 64  # bytes of a service's name; characters may be fewer
WARNING_LINES = 2
LOOKING = "Looking at it."


class ShareSheet(Sheet):
    """Asks what to share, and shares it. It stays until that has worked.

    Signals:
        demo_wanted(): the user wants the fibonacci demo, which has a switch of its own.
    """

    demo_wanted = Signal()

    def __init__(
        self, sharing: SharingLike, taken: Collection[str], parent: QWidget | None = None, *,
        groups: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """`taken` are the names that are shared already, `groups` those of the people that the owner knows."""
        super().__init__(self.tr("Share something"), parent, width=WIDTH)
        self.setObjectName("share")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._sharing = sharing
        self._taken = set(taken)
        self.groups = GroupBoxes(groups, (), self.tr("For the group {group}"))
        self._form: Form = FORMS[0]
        self._named = False  # by the user: then no other name is proposed
        self._looking: int | None = None  # tickets of what is under way
        self._adding: int | None = None
        self._finding: int | None = None
        self._found: Sequence[Found] = ()
        self._seen = ""  # what the newest look was at
        self._ready = ""  # what can be shared, as it was looked at
        self._steps = CurrentOnly()
        self._steps.addWidget(self._first_step())
        self._steps.addWidget(self._second_step())
        self.body.addWidget(self._steps)
        self.body.addStretch()
        self._said = Lines(2)
        self._said.setProperty("problem", True)
        self.foot.addWidget(self._said)
        self.back_button = self.add_button(self.tr("Back"), self._back)
        self.row.addStretch()
        self.share_button = self.add_button(self.tr("Share"), self._share)
        primary(self.share_button)
        self.cancel_button = self.add_button(self.tr("Cancel"), self.reject)
        self.calm(None)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._typed = QTimer(self)
        self._typed.setSingleShot(True)
        self._typed.setInterval(TYPED_MS)
        self._typed.timeout.connect(self._look)
        sharing.found.connect(self._show_found)
        sharing.looked.connect(self._show_look)
        sharing.done.connect(self._added)
        self._back()

    # -- what it is made of --------------------------------------------------------------------------------------------

    def _first_step(self) -> QWidget:
        self.found = QListWidget()
        self.found.setAccessibleName(self.tr("What listens on this computer"))
        self.found.setFixedHeight(FOUND_LINES * (self.found.fontMetrics().height() + 6) + 10)
        self.found.itemActivated.connect(lambda _item: self._choose_found())
        self.found.itemSelectionChanged.connect(self._choose_buttons)
        self.found_words = muted(self.tr(LOOKING))
        hint = self.tr("Share what is selected in the list")
        self.this_button = button(self.tr("Share this..."), hint, self._choose_found)
        top = FlowRow()
        top.addWidget(heading(self.tr("Listens on this computer")))
        top.addStretch()
        top.addWidget(self.this_button)
        others = FlowRow()
        self.kinds = {form.key: button(self.tr(form.title), self.tr(form.about), partial(self._choose, form.key))
                      for form in FORMS}  # fmt: skip
        hint = self.tr("The demo: the first numbers of the Fibonacci sequence. Its switch is on the page Live.")
        self.kinds["fibonacci"] = button(self.tr("fibonacci (demo)"), hint, self._choose_demo)
        for each in self.kinds.values():
            others.addWidget(each)
        step = QWidget()
        column = QVBoxLayout(step)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.found)
        column.addWidget(self.found_words)
        column.addWidget(heading(self.tr("Something else")))
        column.addLayout(others)
        return step

    def _second_step(self) -> QWidget:
        self.title = heading("")
        self.about = muted()
        self.text = QLineEdit()
        limit(self.text, MAX_TEXT)
        self.browse_button = button(self.tr("Browse..."), self.tr("Choose it from the disk"), self._browse)
        self.name = QLineEdit()
        self.name.setAccessibleName(self.tr("Name"))
        limit(self.name, MAX_NAME)
        self.flag = QCheckBox()
        self.way = QComboBox()
        self.way.setAccessibleName(self.tr("How others use it"))
        self.way.addItems([self.tr("In the browser: it is a web page"), self.tr("With any program")])
        self.audience = AudienceBox(self.tr("this"))
        self.audience.show_audience(Audience.TRUSTED)
        self.permanent = QCheckBox(self.tr("Share it at every start"))
        self.permanent.setChecked(True)
        self.web = QCheckBox(self.tr("Over HTTP and WebSocket too"))
        self.web.setToolTip(self.tr("For programs on this computer that use Grenache, in any language"))
        self.check, self.warning = Lines(2), Lines(WARNING_LINES)
        self.check.setObjectName("muted")
        self.warning.setProperty("problem", True)
        step = QWidget()
        column = QVBoxLayout(step)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.title)
        column.addWidget(self.about)
        column.addLayout(self._fields())
        column.addWidget(self.check)
        column.addWidget(self.warning)
        self.text.textChanged.connect(self._text_changed)
        self.name.textEdited.connect(self._name_edited)
        for signal in (self.name.textChanged, self.flag.toggled, self.web.toggled, self.way.currentIndexChanged):
            signal.connect(lambda _value: self._changed())
        return step

    def _fields(self) -> QFormLayout:
        self.fields = QFormLayout()
        self.fields.setHorizontalSpacing(16)
        self.fields.setVerticalSpacing(6)
        self.fields.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.fields.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        where = QHBoxLayout()
        where.addWidget(self.text, 1)
        where.addWidget(self.browse_button)
        self.label = PlainLabel()
        self.fields.addRow(self.label, where)
        self.fields.addRow(PlainLabel(), self.flag)
        self.fields.addRow(PlainLabel(self.tr("Used")), self.way)
        self.fields.addRow(PlainLabel(self.tr("Name")), self.name)
        self.fields.addRow(PlainLabel(self.tr("Who")), self.audience)
        if self.groups.boxes:
            self.fields.addRow(PlainLabel(self.tr("Groups")), self.groups)
        self.fields.addRow(PlainLabel(), self.web)
        self.fields.addRow(PlainLabel(), self.permanent)
        return self.fields

    # -- the first step ------------------------------------------------------------------------------------------------

    def _back(self) -> None:
        self._steps.setCurrentIndex(0)
        self._timer.stop()
        self._typed.stop()
        self._looking = None
        self._ready = ""
        self._said.setText("")
        self._choose_buttons()
        self.found.setFocus()

    def showEvent(self, event: QShowEvent) -> None:
        """Look what listens here."""
        super().showEvent(event)
        if self._finding is None:
            self._finding = self._sharing.find()

    def hideEvent(self, event: QHideEvent) -> None:
        """Look no longer."""
        super().hideEvent(event)
        self._timer.stop()
        self._typed.stop()

    def _show_found(self, ticket: int, found: Sequence[Found]) -> None:
        if ticket != self._finding:
            return
        self._found = found
        self.found.clear()
        self.found.addItems([found_words(each) for each in found])
        words = self.tr("Select what to share.") if found else self.tr("Nothing was found. Choose below what to share.")
        self.found_words.setText(words)
        self._choose_buttons()

    def _choose_buttons(self) -> None:
        first = self._steps.currentIndex() == 0
        self.this_button.setEnabled(first and 0 <= self._row() < len(self._found))
        self.back_button.setEnabled(not first)
        self.share_button.setEnabled(not first and self._adding is None and bool(self._ready))

    def _row(self) -> int:
        return self.found.currentRow() if self.found.selectedItems() else -1

    def _choose_found(self) -> None:
        if not 0 <= self._row() < len(self._found):
            return
        found = self._found[self._row()]
        self._open_form(form_of("port"), str(found.port), found_name(found), page=found.kind == "http")
        self.name.setFocus()

    def _choose_demo(self) -> None:
        self.reject()
        self.demo_wanted.emit()

    def _choose(self, key: str) -> None:
        self._open_form(form_of(key), "", "", page=key == "device")
        self.text.setFocus()

    # -- the second step -----------------------------------------------------------------------------------------------

    def _open_form(self, form: Form, text: str, name: str, *, page: bool) -> None:
        self._form = form
        self._named = False
        self.title.setText(self.tr(form.title))
        self.about.setText(self.tr(form.about))
        self.label.setText(self.tr(form.label))
        self.text.setAccessibleName(self.tr(form.label))
        self.text.setPlaceholderText(form.example)
        self.browse_button.setVisible(bool(form.browse))
        self.flag.setChecked(False)
        self.flag.setText(self.tr(form.flag_words))
        self.fields.setRowVisible(self.flag, bool(form.flag))
        self.fields.setRowVisible(self.way, form.ways)
        self.web.setChecked(False)
        self.fields.setRowVisible(self.web, form.kind in ANSWERS)
        self.way.setCurrentIndex(0 if page else 1)
        self.text.setText(text)
        self.name.setText(self._free(name))
        self._named = bool(name)
        self._seen = self._ready = ""
        self.check.setText("")
        self.warning.setText("")
        self._steps.setCurrentIndex(1)
        self._choose_buttons()
        self.fit()
        self._timer.start()
        self._changed()

    def entered(self) -> Entered:
        """Return what is in the fields."""
        return Entered(
            self._form,
            self.text.text(),
            self.name.text(),
            self.audience.audience(),
            self.permanent.isChecked(),
            self.flag.isChecked(),
            self.way.currentIndex() == 0,
            self.web.isChecked(),
        )

    def _free(self, name: str) -> str:
        """Return the name, or one like it that is not taken."""
        numbered = (f"{name}-{number}" for number in range(2, 100))
        return next((each for each in (name, *numbered) if each not in self._taken), name) if name else ""

    def _name_edited(self, text: str) -> None:
        self._named = bool(text.strip())

    def _text_changed(self, text: str) -> None:
        if not self._named:
            self.name.setText(self._free(proposed_name(self._form, text)))
        self._changed()

    def _changed(self) -> None:
        """What was looked at is another now: it is looked at again, and cannot be shared before."""
        if self._steps.currentIndex() == 1:
            self._ready = ""
            self._choose_buttons()
            self._typed.start()

    def _look(self) -> None:
        """Look whether it is there: one look at a time, every second, as long as the sheet is open."""
        if self._steps.currentIndex() != 1 or self._adding is not None:
            return
        entered = self.entered()
        wrong = problem(entered, self._taken)
        if wrong:
            self._ready = ""
            self.check.setText(wrong)
            self.warning.setText("")
            self._choose_buttons()
        elif self._looking is None:
            self._seen = self._key(entered)
            self._looking = self._sharing.look(entered.share())

    def _key(self, entered: Entered) -> str:
        return repr((entered.form.key, entered.text, entered.name, entered.flagged, entered.page, entered.web))

    def _show_look(self, ticket: int, look: LookLike) -> None:
        if ticket != self._looking:
            return
        self._looking = None
        if self._seen != self._key(self.entered()):
            self._look()  # it was typed in meanwhile
            return
        self.check.setText(look.sentence)
        self.warning.setText(" ".join((*look.warnings, *self._web_warnings())))
        self._ready = self._seen if look.possible else ""
        self._choose_buttons()

    def _web_warnings(self) -> list[str]:
        """Say that without TLS a caller has no ID."""
        if not self.web.isChecked() or self.audience.audience() is Audience.ANYONE:
            return []
        return [self.tr("Over HTTP nobody has an ID: only what is for anyone is answered there.")]

    def _browse(self) -> None:
        folder = self._form.browse == "folder"
        dialog = QFileDialog(self, self.tr("Choose a folder") if folder else self.tr("Choose a Python file"))
        dialog.setFileMode(QFileDialog.FileMode.Directory if folder else QFileDialog.FileMode.ExistingFile)
        if not folder:
            dialog.setNameFilter("Python (*.py)")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self.text.setText(path if folder else f"{path}:handle"))
        dialog.open()

    def _share(self) -> None:
        entered = self.entered()
        if self._ready and self._ready == self._key(entered) and not problem(entered, self._taken):
            self._said.setText("")
            self._adding = self._sharing.add(entered.share(), self.groups.chosen())
            self._choose_buttons()

    def _added(self, ticket: int, words: str) -> None:
        if ticket != self._adding:
            return
        self._adding = None
        if not words:
            self.accept()
            return
        self._said.setText(words)
        self._choose_buttons()
