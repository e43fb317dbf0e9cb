"""Opens every page and every dialog on one screen and prints what is wrong with them, as a JSON list of sentences.

    QT_SCALE_FACTOR=1.5 python -m tests.desktop.sizing 1366 768

The screen is the offscreen platform's, of that many device pixels. `test_sizes.py` runs this for each size and scale.
"""

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from PySide6.QtCore import QCoreApplication, QEvent, QModelIndex, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGroupBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListView,
    QMenuBar,
    QPlainTextEdit,
    QPushButton,
    QRadioButton,
    QScrollBar,
    QSplitterHandle,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QStyleOptionViewItem,
    QTabBar,
    QWidget,
)

from core.invitations.link import Link
from core.profile.settings import Settings
from core.trust.entries import Group, KnownPeer
from core.values import Address
from desktop.closing import QuitQuestion
from desktop.models.share_form import FORMS
from desktop.models.values import value_row
from desktop.theme import ThemeSource, contrast
from desktop.views.close_question import CloseQuestion
from desktop.views.edit_share import EditShareSheet
from desktop.views.fields import Lines
from desktop.views.identity_dialog import IdentityDialog, PassphraseDialog
from desktop.views.main_window import MainWindow
from desktop.views.map import MapView
from desktop.views.notice import NoticePlace
from desktop.views.person_dialog import PersonDialog
from desktop.views.share_sheet import ShareSheet
from desktop.views.sheets import Question, Scrolling, reveal
from desktop.views.switch import Switch
from desktop.views.watch_sheet import WatchSheet
from tests.desktop import fake_peer as scene
from tests.desktop.connected import connected_snapshot

TEXT, PARTS = 4.5, 3.0  # WCAG 2.1, 1.4.3 and 1.4.11
GRACE = 0.1  # of a contrast: the edges of glyphs are blurred, so that a thin one may never reach its colour
SEEN = QSize(80, 40)  # pixels of something larger than the screen that must be in sight at once
MOST_TABS = 120  # presses until the keyboard must have come round
GROUPS = ("family", "the chess club of the village")
MORE = "and a second message, which is long enough to be cut on a small screen, as some of the system's are. " * 3


def describe(widget: QWidget) -> str:
    """Return how to find a widget."""
    words = widget.accessibleName() or getattr(widget, "text", lambda: "")()
    return f"{type(widget).__name__} {widget.objectName() or str(words)[:40]!r}"


class Checker:
    """Looks at one window after another and collects what is wrong."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._where = ""

    def look(self, where: str, window: QWidget, root: QWidget | None = None) -> None:
        """Check a window; `root` is the part of it that is new."""
        self._where = where
        settle()
        self._fits(window)
        parts = [widget for widget in (root or window).findChildren(QWidget) if widget.isVisibleTo(window)]
        parts = [widget for widget in parts if widget.isVisible() and widget.window() is window]
        self._no_overlap(parts)
        for widget in parts:
            self._whole(widget)
            self._in_reach(widget)
            self._legible(widget)
        self._keyboard(window, parts)
        self._calm(window)

    def _say(self, what: str) -> None:
        self.faults.append(f"{self._where}: {what}")

    def _fits(self, window: QWidget) -> None:
        room = window.screen().availableGeometry()
        if not room.contains(window.frameGeometry()):
            self._say(f"{window.frameGeometry()} is not within {room}")
        for area in window.findChildren(Scrolling) if isinstance(window, QDialog) else ():
            if area.isVisible() and area.horizontalScrollBar().maximum():
                self._say(f"it scrolls sideways by {area.horizontalScrollBar().maximum()} pixels")

    def _no_overlap(self, parts: list[QWidget]) -> None:
        """Two parts of the same parent never stand over one another, except in a stack that shows one."""
        by_parent: dict[int, list[QWidget]] = {}
        for widget in parts:
            kinds = QLabel | QAbstractButton | QLineEdit | QComboBox | QAbstractSpinBox | QPlainTextEdit | QTabBar
            if isinstance(widget, kinds) and widget.isEnabled() and not isinstance(widget, QSplitterHandle):
                by_parent.setdefault(id(widget.parentWidget()), []).append(widget)
        for group in by_parent.values():
            for number, first in enumerate(group):
                for second in group[number + 1 :]:
                    if first.geometry().intersects(second.geometry()) and not _inside_a_field(first, second):
                        self._say(f"{describe(first)} and {describe(second)} stand over one another")

    def _whole(self, widget: QWidget) -> None:
        """Nothing is less than its words need, unless these are a tooltip."""
        if isinstance(widget, QAbstractButton):
            if widget.width() < widget.sizeHint().width() or widget.height() < widget.sizeHint().height():
                self._say(f"{describe(widget)} is cut: {widget.size()} for {widget.sizeHint()}")
        elif widget.toolTip():
            return
        elif isinstance(widget, QLabel):
            if is_cut(widget):
                self._say(f"{describe(widget)} is cut: {widget.size()} for {widget.sizeHint()}")
        elif isinstance(widget, QComboBox | QLineEdit):
            self._field(widget)
        elif isinstance(widget, QAbstractItemView) and not isinstance(widget, QHeaderView):
            self._cells(widget)

    def _field(self, field: QComboBox | QLineEdit) -> None:
        if isinstance(field, QLineEdit):
            words, room = ("" if field.text() else field.placeholderText()), field.width() - 8
        else:
            option = QStyleOptionComboBox()
            field.initStyleOption(option)
            control, part = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
            words = "" if field.isEditable() else field.currentText()
            room = field.style().subControlRect(control, option, part, field).width()
        if field.fontMetrics().horizontalAdvance(words) > room:
            self._say(f"{words!r} in {describe(field)} is cut")

    def _cells(self, view: QAbstractItemView) -> None:
        model = view.model()
        columns = 1 if isinstance(view, QListView) else model.columnCount(QModelIndex())
        for row in range(min(model.rowCount(QModelIndex()), 8)):
            for column in range(columns):
                index = model.index(row, column)
                place = view.visualRect(index)
                hint = view.itemDelegateForIndex(index).sizeHint(_option(view), index).width()
                if place.isValid() and hint > place.width() and not index.data(Qt.ItemDataRole.ToolTipRole):
                    words = index.data(Qt.ItemDataRole.DisplayRole)
                    self._say(f"{view.accessibleName()!r}: the cell {words!r} is cut, with no tooltip")

    def _in_reach(self, widget: QWidget) -> None:
        """What can have the keyboard can be scrolled into sight."""
        if not (widget.isEnabled() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.focusProxy() is None):
            return
        if isinstance(widget, QMenuBar | QScrollBar):
            return
        bring(widget)
        seen = widget.visibleRegion().boundingRect().size()
        wanted = widget.size().boundedTo(SEEN) if _is_large(widget) else widget.size()
        area = _scroller(widget)
        if area is not None:
            wanted = wanted.boundedTo(area.viewport().size())
        if seen.width() < wanted.width() or seen.height() < wanted.height():
            self._say(f"{describe(widget)} cannot be scrolled into sight: {seen} of {widget.size()}")

    def _keyboard(self, window: QWidget, parts: list[QWidget]) -> None:
        """Tab comes to everything."""
        window.activateWindow()
        wanted = {
            widget
            for widget in parts
            if widget.isEnabled()
            and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            and widget.focusProxy() is None
            and not isinstance(widget, QMenuBar | QScrollBar | QHeaderView | QLabel)
            and not isinstance(widget.parentWidget(), QAbstractSpinBox | QComboBox)
        }
        seen: set[QWidget] = set()
        for _ in range(MOST_TABS):
            QTest.keyClick(window.windowHandle(), Qt.Key.Key_Tab)
            now = QApplication.focusWidget()
            if now is None or (now in seen and wanted <= seen):
                break
            seen.add(now)
        groups = {widget.group() for widget in seen if isinstance(widget, QRadioButton)}
        for widget in wanted - seen:
            if isinstance(widget, QRadioButton) and widget.group() in groups:
                continue  # the arrow keys go from one of a group to the others
            self._say(f"Tab does not come to {describe(widget)}")

    def _calm(self, window: QWidget) -> None:
        """Enter does nothing that cannot be undone, and no such thing has the keyboard."""
        if isinstance(window, QDialog):
            for button in window.findChildren(QPushButton):
                dangerous = button.objectName() == "danger" or any(word in button.text() for word in DANGEROUS)
                if dangerous and (button.isDefault() or button.autoDefault()):
                    self._say(f"{describe(button)} is pressed by Enter")

    # -- what is drawn -----------------------------------------------------------------------------------------

    def _legible(self, widget: QWidget) -> None:
        if covered(widget):
            return
        bring(widget)
        for what, place, least in self._drawn(widget):
            seen = place.intersected(widget.visibleRegion().boundingRect())
            if seen.width() < 4 or seen.height() < 8:
                continue
            found = rendered_contrast(widget, seen)
            if found < least - GRACE:
                self._say(f"{what} of {describe(widget)} has a contrast of {found:.2f}:1, not {least}:1")

    def _drawn(self, widget: QWidget) -> Iterator[tuple[str, QRect, float]]:
        inner = widget.rect().adjusted(4, 4, -4, -4)
        if isinstance(widget, Switch):
            yield "the text", widget.rect().adjusted(widget.words_offset(), 0, 0, 0), TEXT
            yield "the track", QRect(0, 0, widget.words_offset() - 8, widget.height()), PARTS
        elif isinstance(widget, QAbstractButton):
            yield from _button_parts(widget)
        elif isinstance(widget, QGroupBox):
            yield "the title", QRect(0, 0, widget.width(), 22), TEXT
        elif isinstance(widget, QTabBar):
            for number in range(widget.count()):
                yield f"the tab {widget.tabText(number)!r}", widget.tabRect(number).adjusted(6, 4, -6, -4), TEXT
        elif isinstance(widget, QComboBox):
            if not widget.isEditable():
                yield "the text", inner.adjusted(0, 0, -20, 0), TEXT
        elif _words(widget):
            yield "the text", widget.rect() if isinstance(widget, QLabel) else inner, TEXT


DANGEROUS = ("Quit", "Renew", "Import", "Remove", "Forget", "Block", "Accept", "Always", "Become", "Let anyone", "Stop")


def _button_parts(button: QAbstractButton) -> Iterator[tuple[str, QRect, float]]:
    checkable = button.isCheckable() and not isinstance(button, QPushButton)
    if checkable:
        option = QStyleOptionButton()
        option.initFrom(button)
        kind = "radio" if type(button).__name__ == "QRadioButton" else "check"
        element = {
            "radio": QStyle.SubElement.SE_RadioButtonIndicator, "check": QStyle.SubElement.SE_CheckBoxIndicator
        }[kind]  # fmt: skip
        place = button.style().subElementRect(element, option, button)
        if button.isEnabled():
            yield "the indicator", place.adjusted(-2, -2, 2, 2), PARTS
        yield "the text", button.rect().adjusted(place.right() + 4, 3, -3, -3), TEXT
    elif button.text():
        yield "the text", button.rect().adjusted(5, 4, -5, -4), TEXT
    elif button.isEnabled():
        yield "the icon", button.rect().adjusted(4, 4, -4, -4), PARTS


def is_cut(label: QLabel) -> bool:
    """Return whether a label shows less than its words."""
    if isinstance(label, Lines):
        return label.cut()
    if not label.text() or label.text().endswith("\N{HORIZONTAL ELLIPSIS}"):  # cut by hand
        return bool(label.text())
    if label.wordWrap():
        return label.height() < label.heightForWidth(label.width())
    return label.height() < label.sizeHint().height() or label.width() < label.sizeHint().width()


def _words(widget: QWidget) -> str:
    """Return the words that a label or a field shows; what a message covers is off, and shows none."""
    if isinstance(widget, QLabel):
        return widget.text().strip() if widget.isEnabled() else ""
    if isinstance(widget, QLineEdit):
        return widget.text() or widget.placeholderText()
    return widget.toPlainText() or widget.placeholderText() if isinstance(widget, QPlainTextEdit) else ""


def _inside_a_field(first: QWidget, second: QWidget) -> bool:
    """Return whether one is the clear button, or the text, that another has in it."""
    return isinstance(first.parentWidget(), QLineEdit | QComboBox | QAbstractSpinBox | QTabBar)


def _is_large(widget: QWidget) -> bool:
    return isinstance(widget, QAbstractScrollArea | MapView)


def _option(view: QAbstractItemView) -> QStyleOptionViewItem:
    option = QStyleOptionViewItem()
    view.initViewItemOption(option)
    return option


def _scroller(widget: QWidget) -> Scrolling | None:
    parent = widget.parentWidget()
    while parent is not None and not parent.isWindow():
        if isinstance(parent, Scrolling):
            return parent
        parent = parent.parentWidget()
    return None


def covered(widget: QWidget) -> bool:
    """Tell whether a message covers a part of the reserved place: that part is off, and nobody sees it."""
    part: QWidget | None = widget
    while part is not None and not isinstance(part.parentWidget(), NoticePlace):
        part = part.parentWidget()
    return part is not None and not part.isEnabled()


def bring(widget: QWidget) -> None:
    """Scroll a widget into sight, as far as that can be done."""
    area = _scroller(widget)
    while area is not None:
        reveal(area, widget)
        area = _scroller(area)
    QApplication.sendPostedEvents()


def rendered_contrast(widget: QWidget, place: QRect) -> float:
    """Return the contrast of what is drawn in a place with what is behind it, from the pixels on the screen."""
    window = widget.window()
    area = QRect(widget.mapTo(window, place.topLeft()), place.size())
    image = window.grab(area).toImage().convertToFormat(QImage.Format.Format_RGB32)
    counts: Counter[int] = Counter()
    bits = memoryview(image.constBits()).cast("I")  # lines of 4 bytes a pixel need no padding
    counts.update(bits)
    paper = QColor(counts.most_common(1)[0][0]).name()
    return max(contrast(paper, QColor(pixel).name()) for pixel in counts)


def settle() -> None:
    """Let layouts come to rest."""
    for _ in range(4):
        QApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def pages(window: MainWindow, bridge: scene.FakeBridge, checker: Checker) -> None:
    """Look at each page in its emptiest and in its fullest state."""
    bridge.show(replace(scene.empty_snapshot(), address=Address("127.0.0.1", 55284)))
    checker.look("alone", window)
    bridge.show(scene.people_snapshot())
    bridge.tell(*scene.busy_events())
    window.request.payload.set_text('{"length": 10,\n "mode": }')
    window.request.set_target("YDENBWH-A5DYPQR/fibonacci" * 4)
    checker.look("live, somebody asks", window)
    window.request.set_target("fibonacci")
    window.send_demo_request()
    checker.look("waiting", window, window.request)
    bridge.fail("ERR_PAYLOAD: 'length' must be a whole number from 0 to 10,000", seconds=0.022, ending="error")
    window.show_message("The settings file could not be used: defaults are in force; " + MORE)
    checker.look("live, a message", window)
    window.banner.dismiss()
    for page in window.pages.pages():
        window.pages.choose(page.key)
        if page.key == "calls":
            bridge.tell_calls(*scene.call_records())
        checker.look(f"page {page.key}", window)
        if page.key == "network":
            network(window, bridge, checker)
        if page.key in ("sharing", "using"):
            shares(window, bridge)
            checker.look(f"page {page.key}, full", window)
            bridge.show(scene.people_snapshot())
    window.pages.choose("live")


def network(window: MainWindow, bridge: scene.FakeBridge, checker: Checker) -> None:
    """Look at each part of the page of the network, full, with something wrong on the one that can say so."""
    bridge.show(connected_snapshot())
    view = window.network
    for part in view.parts.pages():
        view.parts.choose(part.key)
        if part.key == "attempts":
            view.attempts.table.selectRow(1)
        if part.key == "broker":
            view.broker.brokers.setText("wrong")
            view.broker._choose_using(True)
        checker.look(f"page network, {part.key}", window)
    view.parts.choose("map")
    bridge.show(scene.people_snapshot())


def shares(window: MainWindow, bridge: scene.FakeBridge) -> None:
    """Fill the pages of shares and of what is used."""
    bridge.show(scene.shares_snapshot())
    window.sharing.table.selectRow(0)
    window.using.friend.setEditText(str(scene.ALICE))
    window.using.ask()
    bridge.using.offered.emit(bridge.using.ticket, scene.OFFERS, "")
    window.using.table.selectRow(1)
    window.using.friend.setEditText("nobody")
    window.using.ask()


def dialogs(window: MainWindow, checker: Checker) -> None:
    """Look at each dialog, with something wrong in those that can say so."""
    known = scene.people_snapshot().known_peers[0]
    for name, make in _dialogs(window, known).items():
        with _opened(make) as dialog:
            checker.look(name, dialog)
    window.open_settings()
    settings = window.dialogs.settings
    if settings is not None:
        settings.grapes.setPlainText("x" * 200)
        settings.buttons.button(QDialogButtonBox.StandardButton.Save).click()
        checker.look("settings", settings)
        settings.reject()


def _invitations(window: MainWindow) -> dict[str, Callable[[], QDialog]]:
    inviting = window.people.inviting

    def invite() -> QDialog:
        made = inviting.invite("fibonacci")
        made.name.setText("Bert")
        made.make()
        inviting.bridge.inviting.invited.emit(1, str(Link(scene.ALICE, bytes(16))), 1)
        made.note.setText(MORE)
        return made

    def opened() -> QDialog:
        made = inviting.open_invitation(str(Link(scene.BOB, bytes(16))))
        made.offer.setText(MORE)
        made.story.setText(MORE)
        return made

    return {"invite": invite, "open an invitation": opened, "invitations": inviting.show_all}


def _dialogs(window: MainWindow, known: KnownPeer) -> dict[str, Callable[[], QDialog]]:
    def identity() -> QDialog:
        made = IdentityDialog(scene.FakeIdentityActs(), window)
        made.show_identity(scene.busy_snapshot().identity)
        made._say(MORE, problem=True)
        return made

    def person() -> QDialog:
        made = PersonDialog(["fibonacci", "camera"], groups=GROUPS, parent=window)
        made.id.setText("A" * 70)
        return made

    def words(show: Callable[[], None]) -> Callable[[], QDialog]:
        def make() -> QDialog:
            show()
            return next(each for each in window.findChildren(QDialog) if each.isVisible())

        return make

    def share(key: str = "") -> Callable[[], QDialog]:
        def make() -> QDialog:
            sharing = scene.FakeSharing()
            made = ShareSheet(sharing, (), window, groups=GROUPS)
            made.open()
            sharing.tell_found(*scene.FOUND)
            made.found.setCurrentRow(0)
            if key:
                made.kinds[key].click()
                made.text.setText("/home/me/a folder with a long name" * 3)
                made.check.setText(MORE)
                made.warning.setText(MORE)
                made._said.setText(MORE)
            return made

        return make

    def edit_share() -> QDialog:
        made = EditShareSheet(
            scene.FakeSharing(),
            scene.shares_snapshot().shares[0],
            MORE,
            window,
            groups=[Group(each) for each in GROUPS],
        )
        made.check.setText(MORE)
        return made

    def watch() -> QDialog:
        using = scene.FakeUsing()
        made = WatchSheet(using, scene.ALICE, "Anna's greenhouse", "temperature", window)
        using.values.emit(1, tuple(value_row(scene.NOW + at, 20 + at % 7) for at in range(40)))
        using.ended.emit(1, MORE)
        return made

    question = ("Become a new peer?", MORE, "Become a new peer", lambda: None)
    return {
        "close": lambda: CloseQuestion(window, lambda _action, _kept: None),
        "close, idle": lambda: CloseQuestion(window, lambda _action, _kept: None, sharing=False),
        "quit": lambda: QuitQuestion(window, lambda: None, lambda: None),
        "identity": identity,
        "passphrase": lambda: PassphraseDialog(twice=True, parent=window),
        "question": lambda: Question(window, "Another identity", *question, typed="AAAQEAY"),
        "damaged list": lambda: Question(
            window, "Damaged list of known peers", "Let these peers call again?", MORE, "Use this list", lambda: None
        ),
        "add a peer": person,
        "known peer": lambda: PersonDialog(["fibonacci", "camera"], known, groups=GROUPS, parent=window),
        "share": share(),
        **{f"share, {form.key}": share(form.key) for form in FORMS},
        "edit a share": edit_share,
        "watch": watch,
        **_invitations(window),
        "keys": words(window.menus.actions["keys"].trigger),
        "about": words(lambda: window.menus.actions["about"].trigger()),
    }


@contextmanager
def _opened(make: Callable[[], QDialog]) -> Iterator[QDialog]:
    dialog = make()
    dialog.open()
    settle()
    try:
        yield dialog
    finally:
        dialog.reject()
        dialog.deleteLater()
        settle()


def main(width: int, height: int, themes: list[str]) -> list[str]:
    """Return what is wrong on a screen of this many device pixels."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump({"screens": [{"name": "one", "x": 0, "y": 0, "width": width, "height": height}]}, config)
        config.flush()
        os.environ["QT_QPA_PLATFORM"] = f"offscreen:configfile={config.name}"
        app = QApplication(["sizing"])
    checker = Checker()
    theme = ThemeSource(app, themes[0])
    for name in themes:
        theme.force(name)
        bridge = scene.FakeBridge()
        window = MainWindow(bridge, Settings(), theme, identity=scene.FakeIdentityActs())
        window.show()
        window.move(QPoint(0, 0))
        size = window.size()
        for wanted in (window.minimumSize(), size):  # as a user does who makes it small, and large again
            window.resize(wanted)
            settle()
        pages(window, bridge, checker)
        dialogs(window, checker)
        window.shut()
        window.deleteLater()
        settle()
        # A widget without a parent is deleted whenever Python likes, also in the middle of a change of theme: a crash.
        left = [f"{type(each).__name__} {each.objectName()}: outlives the window" for each in app.allWidgets()]
        checker.faults += left
        checker.faults = [fault if fault.startswith(tuple(themes)) else f"{name}: {fault}" for fault in checker.faults]
    return list(dict.fromkeys(checker.faults))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or ["light", "dark"])))
