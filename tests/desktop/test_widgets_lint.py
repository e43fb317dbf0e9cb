"""What holds for every widget: a name for screen readers, a way by keyboard; and for every file: no nested loop."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QScrollBar, QWidget
from pytestqt.qtbot import QtBot

from core.profile.settings import Settings
from desktop.views.close_question import CloseQuestion
from desktop.views.main_window import MainWindow
from desktop.views.settings_dialog import SettingsDialog
from tests.desktop.fake_peer import FakeBridge, busy_events, busy_snapshot

DESKTOP = Path(__file__).resolve().parents[2] / "desktop"
NESTED = {"exec", "exec_"}  # of dialogs, menus, loops and drags: they lose tasks of the loop that runs already
STATICS = {
    "QMessageBox": {"information", "question", "warning", "critical", "about", "aboutQt"},
    "QInputDialog": {"getText", "getItem", "getInt", "getDouble", "getMultiLineText"},
    "QFileDialog": {"getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"},
    "QColorDialog": {"getColor"},
    "QFontDialog": {"getFont"},
}


def role_and_name(widget: QWidget) -> tuple[QAccessible.Role, str]:
    face = QAccessible.queryAccessibleInterface(widget)
    return face.role(), face.text(QAccessible.Text.Name)


def nameless(root: QWidget) -> list[str]:
    """Return the controls one can reach by keyboard that a screen reader has no name for."""
    found = []
    for widget in root.findChildren(QWidget):
        reachable = widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisibleTo(root)
        inner = widget.focusProxy() is not None or isinstance(widget, QLabel | QScrollBar)
        if reachable and not inner and not role_and_name(widget)[1].strip():
            found.append(f"{type(widget).__name__} {widget.objectName()!r} in {type(widget.parentWidget()).__name__}")
    return found


@pytest.fixture
def busy(window: MainWindow, bridge: FakeBridge) -> MainWindow:
    bridge.show(busy_snapshot())
    bridge.tell(*busy_events())
    return window


def test_every_control_of_the_window_has_a_name(busy: MainWindow) -> None:
    assert nameless(busy) == []


def test_every_control_of_the_dialogs_has_a_name(window: MainWindow, qtbot: QtBot) -> None:
    dialogs = [SettingsDialog(Settings(), ["fibonacci"], window), CloseQuestion(window, lambda _action, _kept: None)]
    for dialog in dialogs:
        assert nameless(dialog) == []


def test_the_lint_finds_a_nameless_control(qtbot: QtBot) -> None:
    from PySide6.QtWidgets import QPlainTextEdit

    root = QWidget()
    qtbot.addWidget(root)
    QPlainTextEdit(root)
    assert len(nameless(root)) == 1


def test_switches_are_check_boxes_to_assistive_technology(busy: MainWindow) -> None:
    switch = busy.services.share_switch("fibonacci")
    assert role_and_name(switch) == (QAccessible.Role.CheckBox, "Share fibonacci service")
    face = QAccessible.queryAccessibleInterface(switch)
    assert face.state().checked == 1
    assert face.text(QAccessible.Text.Description).startswith("Announced on 7 grapes.")


def test_rows_are_sentences_to_assistive_technology(busy: MainWindow) -> None:
    face = QAccessible.queryAccessibleInterface(busy.peers.table)
    texts = [face.child(each).text(QAccessible.Text.Name) for each in range(face.childCount())]
    assert any(text.startswith("Consumer 203.0.113.5:40817, A4DQOBY, path open") for text in texts)


def test_tab_reaches_every_part_in_reading_order(busy: MainWindow, qtbot: QtBot) -> None:
    busy.activateWindow()
    qtbot.waitUntil(busy.isActiveWindow)
    seen: list[QWidget] = []
    for _ in range(60):
        QTest.keyClick(busy.windowHandle(), Qt.Key.Key_Tab)
        widget = QApplication.focusWidget()
        if widget in seen:
            break
        assert widget is not None
        seen.append(widget)
    request = busy.request
    order = [
        busy.services.share_switch("fibonacci"),
        busy.services.consume_switch("fibonacci"),
        busy.peers.table,
        busy.timeline.filter,
        busy.timeline.kinds,
        busy.timeline.table,
        request.target,
        request.payload.editor,
        request.timeout,
        request.send_button,
        request.history_list,
    ]
    places = [seen.index(widget) for widget in order]
    start = places.index(min(places))
    assert places[start:] + places[:start] == sorted(places)


def test_mnemonics_of_the_window_do_not_collide(busy: MainWindow) -> None:
    titles = [action.text() for action in busy.menuBar().actions()]
    titles += [label.text() for label in busy.findChildren(QLabel) if label.buddy() is not None]
    titles.append(busy.request.send_button.text())
    letters = [text[text.index("&") + 1].lower() for text in titles if "&" in text]
    assert sorted(letters) == sorted(set(letters))
    for menu in busy.menuBar().actions():
        inside = [action.text() for action in busy.menus.actions.values() if action in _actions_of(menu.menu())]
        keys = [text[text.index("&") + 1].lower() for text in inside if "&" in text]
        assert sorted(keys) == sorted(set(keys)), menu.text()


def _actions_of(menu: object) -> list[object]:
    return list(menu.actions()) if isinstance(menu, QWidget) else []


def nested_loops(path: Path) -> Iterator[str]:
    """Name each call of a file that would start an event loop inside the loop."""
    source = path.read_text(encoding="utf-8")
    named = any(each in source for each in (*NESTED, *STATICS))
    for node in ast.walk(ast.parse(source)) if named else ():
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in NESTED or node.attr in STATICS.get(owner, set()):
                yield f"{path.name}:{node.lineno} {owner}.{node.attr}"


def test_no_nested_event_loop() -> None:
    assert [each for path in sorted(DESKTOP.rglob("*.py")) for each in nested_loops(path)] == []


@pytest.mark.parametrize("folder", ["views", "models"])
def test_views_and_models_know_no_peer(folder: str) -> None:
    for path in (DESKTOP / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            bad = [name for name in names if name in ("core.peer", "aiohttp", "asyncio", "qasync", "desktop.bridge")]
            assert not bad, f"{path.name} imports {bad}"
