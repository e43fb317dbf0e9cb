"""The style sheet: what Fusion paints with gradients, painted flat, with a focus ring one can see."""

from string import Template
from typing import Protocol

from desktop.icons import path


class Colours(Protocol):
    """What the sheet needs of a theme (`desktop.theme.Theme`)."""

    @property
    def window(self) -> str: ...
    @property
    def surface(self) -> str: ...
    @property
    def raised(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def muted(self) -> str: ...
    @property
    def line(self) -> str: ...
    @property
    def edge(self) -> str: ...
    @property
    def accent(self) -> str: ...
    @property
    def on_accent(self) -> str: ...
    @property
    def accent_hover(self) -> str: ...
    @property
    def tint(self) -> str: ...
    @property
    def warn(self) -> str: ...
    @property
    def bad(self) -> str: ...
    @property
    def dark(self) -> bool: ...


# Every control keeps a 2 px border budget, so that a focus ring never moves the layout.
_SHEET = Template("""
QToolTip { background: $raised; color: $text; border: 1px solid $edge; padding: 4px; }
QMainWindow::separator { background: $line; }
QMenuBar { background: $window; border-bottom: 1px solid $line; }
QMenuBar::item { padding: 5px 10px; background: transparent; border-radius: 4px; }
QMenuBar::item:selected { background: $raised; }
QMenu { background: $surface; border: 1px solid $edge; padding: 4px; }
QMenu::item { padding: 5px 26px 5px 8px; border-radius: 4px; }
QMenu::item:selected { background: $tint; color: $text; }
QMenu::item:disabled { color: $muted; }
QMenu::icon { margin-left: 8px; }
QMenu::separator { height: 1px; background: $line; margin: 4px 8px; }
QMenu::indicator { width: 14px; height: 14px; margin-left: 8px; border: 1px solid $edge; border-radius: 4px; }
QMenu::indicator:checked { background: $accent; border-color: $accent; image: url("$icons/$tick.svg"); }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }

QFrame#card { background: $surface; border: 1px solid $line; border-radius: 8px; }
QFrame#banner { background: $tint; border: 1px solid $accent; border-radius: 8px; }
QLabel#heading { font-weight: 600; }
QLabel#muted, QLabel#placeholder { color: $muted; }
QLabel[problem="true"], QLabel#muted[problem="true"] { color: $bad; }
QProgressBar#waiting { background: transparent; border: none; max-height: 3px; min-height: 3px; }
QProgressBar#waiting::chunk { background: $accent; border-radius: 1px; }

QPushButton { background: $surface; color: $text; border: 1px solid $edge; border-radius: 6px;
              padding: 5px 12px; margin: 1px; }
QPushButton:hover { background: $raised; }
QPushButton:pressed { background: $tint; }
QPushButton:disabled { color: $muted; border-color: $line; }
QPushButton:focus { border: 2px solid $accent; margin: 0px; }
QPushButton#primary { background: $accent; color: $on_accent; border-color: $accent; font-weight: 600; }
QPushButton#primary:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton#primary:disabled { background: $raised; color: $muted; border-color: $line; }
QPushButton#danger { color: $bad; border-color: $bad; }
QPushButton#danger:disabled { color: $muted; border-color: $line; }
QPushButton#danger:focus { border: 2px solid $bad; margin: 0px; }
QPushButton#primary:focus { border: 2px solid $text; margin: 0px; }
QToolButton { background: transparent; color: $text; border: 1px solid transparent; border-radius: 6px;
              padding: 3px 7px; margin: 1px; }
QToolButton:hover { background: $raised; }
QToolButton:pressed { background: $tint; }
QToolButton:disabled { color: $muted; }
QToolButton:focus { border: 2px solid $accent; margin: 0px; }

QLineEdit, QPlainTextEdit, QComboBox, QAbstractSpinBox, QListView {
    background: $surface; color: $text; border: 1px solid $edge; border-radius: 6px;
    selection-background-color: $accent; selection-color: $on_accent; margin: 1px; }
QLineEdit, QPlainTextEdit { placeholder-text-color: $muted; }  /* Qt makes half the text's colour of it else */
QLineEdit, QComboBox, QAbstractSpinBox { padding: 4px 7px; }
QLineEdit:focus, QPlainTextEdit:focus, QComboBox:focus, QAbstractSpinBox:focus, QListView:focus {
    border: 2px solid $accent; margin: 0px; }
QLineEdit:disabled, QPlainTextEdit:disabled, QComboBox:disabled { color: $muted; border-color: $line; }
QPlainTextEdit[readOnly="true"] { background: $window; border-color: $line; }
QPlainTextEdit[readOnly="true"]:focus { border: 2px solid $accent; }
QAbstractSpinBox QLineEdit { border: none; padding: 0px; margin: 0px; background: transparent; }
QGroupBox { background: $surface; border: 1px solid $line; border-radius: 8px; margin-top: 26px; font-weight: 600; }
QGroupBox::title { subcontrol-origin: margin; subcontrol-position: top left; padding: 4px 2px; }
QCheckBox { spacing: 8px; padding: 2px; border: 2px solid transparent; border-radius: 6px; }
QCheckBox:focus { border-color: $accent; }
QCheckBox::indicator { width: 16px; height: 16px; border: 1px solid $edge; border-radius: 4px; background: $surface; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; image: url("$icons/$tick.svg"); }
QComboBox[open="true"] { border-color: $warn; }
QTabBar#pages { background: transparent; }
QTabBar#pages::tab { background: transparent; color: $muted; border: 2px solid transparent; border-radius: 6px;
                     padding: 4px 12px; margin-right: 4px; }
QTabBar#pages[narrow="true"]::tab { padding: 4px 1px; margin-right: 0px; }
QTabBar#pages::tab:hover { background: $raised; color: $text; }
QTabBar#pages::tab:selected { background: $surface; color: $text; border-color: $line; font-weight: 600; }
QTabBar#pages:focus::tab:selected, QTabBar#pages::tab:selected:focus { border-color: $accent; }
QTableView::indicator { width: 14px; height: 14px; border: 1px solid $edge; border-radius: 4px; background: $surface; }
QTableView::indicator:checked { background: $accent; border-color: $accent; image: url("$icons/$tick.svg"); }
QRadioButton { spacing: 8px; padding: 2px; border: 2px solid transparent; border-radius: 6px; }
QRadioButton:focus { border-color: $accent; }
QRadioButton::indicator { width: 14px; height: 14px; border: 1px solid $edge; border-radius: 8px;
                          background: $surface; }
QRadioButton::indicator:checked { border: 5px solid $accent; width: 6px; height: 6px; }
QRadioButton::indicator:disabled, QCheckBox::indicator:disabled { border-color: $line; }
QComboBox::drop-down { border: none; width: 22px; }
QComboBox::down-arrow { image: url("$icons/chevron.svg"); width: 12px; height: 12px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { border: none; width: 20px; background: transparent; }
QAbstractSpinBox::up-button { subcontrol-position: top right; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; }
QAbstractSpinBox::up-arrow { image: url("$icons/chevron-up.svg"); width: 10px; height: 10px; }
QAbstractSpinBox::down-arrow { image: url("$icons/chevron.svg"); width: 10px; height: 10px; }
QHeaderView::up-arrow, QHeaderView::down-arrow { subcontrol-position: top center; width: 9px; height: 9px; }
QHeaderView::up-arrow { image: url("$icons/chevron-up.svg"); }
QHeaderView::down-arrow { image: url("$icons/chevron.svg"); }
QComboBox QAbstractItemView { background: $surface; border: 1px solid $edge; selection-background-color: $accent; }
QComboBox QLineEdit { border: none; padding: 0px; margin: 0px; background: transparent; }

QTableView { background: $surface; border: 1px solid $line; border-radius: 6px; margin: 1px;
             gridline-color: transparent; outline: none; selection-background-color: $tint; selection-color: $text; }
QTableView:focus { border: 2px solid $accent; margin: 0px; }
QTableView::item { padding: 0px 5px; border: none; }  /* + 3 px of Qt's own = the header's 8 */
QTableView::item:selected { background: $tint; color: $text; }
QHeaderView { background: $surface; border: none; border-top-left-radius: 6px; border-top-right-radius: 6px; }
QHeaderView::section { background: $surface; color: $muted; border: none;
                       border-bottom: 1px solid $line; padding: 6px 8px; }
QHeaderView::section:hover { color: $text; }
QListView::item { padding: 3px 6px; border-radius: 4px; }
QListView::item:selected { background: $tint; color: $text; }

QScrollArea#scrolling, QWidget#scrolled { background: transparent; }
QSplitter::handle { background: transparent; }
QAbstractScrollArea::corner { background: transparent; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0px; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0px; }
QScrollBar::handle { background: $edge; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 28px; }
QScrollBar::handle:horizontal { min-width: 28px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0px; height: 0px; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
""")

_NAMES = (
    *("window", "surface", "raised", "text", "muted", "line", "edge"),
    *("accent", "on_accent", "accent_hover", "tint", "warn", "bad"),
)


def stylesheet(colours: Colours) -> str:
    """Return the sheet in these colours."""
    tick = "tick-on-light" if colours.dark else "tick-on-dark"  # the accent is light in a dark theme
    folder = path("chevron").parent.as_posix()
    return _SHEET.substitute({name: getattr(colours, name) for name in _NAMES}, icons=folder, tick=tick)
