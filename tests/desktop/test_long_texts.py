"""What Qt cannot lay out within a frame, in the request's page: pasted, typed, kept, and in replies."""

import json

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QGuiApplication, QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QToolTip
from pytestqt.qtbot import QtBot

from desktop.views.editor import MAX_LINE, MAX_LINES
from desktop.views.request import RequestView
from tests.desktop.fake_peer import FakeBridge


def sent(bridge: FakeBridge) -> list[tuple[object, ...]]:
    return [call for call in bridge.calls if call[0] == "send_request"]


class Laid:
    """Notes the most that Qt had to lay out of an editor at once: time itself depends on what else the machine does."""

    def __init__(self, editor: QPlainTextEdit) -> None:
        self.longest = self.most = 0
        self._editor = editor
        editor.document().contentsChange.connect(self._look)

    def _look(self) -> None:
        block = self._editor.document().begin()
        self.most = max(self.most, self._editor.document().blockCount())
        while block.isValid():
            self.longest = max(self.longest, block.length())
            block = block.next()

    def within_a_frame(self) -> bool:
        return self.longest <= MAX_LINE + 1 and self.most <= MAX_LINES


def paste(editor: QPlainTextEdit, text: str) -> Laid:
    """Paste, let the window draw, and return what was laid out."""
    laid = Laid(editor)
    source = QMimeData()
    source.setText(text)
    editor.insertFromMimeData(source)
    QApplication.processEvents()
    return laid


def minified(characters: int) -> str:
    return json.dumps(["a" * 20] * (characters // 24), separators=(",", ":"))


TOO_LONG = [
    minified(100_000), minified(199_000), "9" * 150_000, "[1\r" * 30_000, "\n" * 90_000, "\u2029" * 2_500, "1" * 4_001
]  # fmt: skip


@pytest.mark.parametrize("text", TOO_LONG, ids=lambda text: f"{len(text)} of {text[:2]!a}")
def test_a_paste_never_freezes_the_window(panel: RequestView, qtbot: QtBot, text: str) -> None:
    panel.payload.set_text("")
    assert paste(panel.payload.editor, text).within_a_frame()
    assert panel.payload.editor.value() == text
    assert panel.payload.editor.is_kept()
    assert len(panel.payload.editor.toPlainText()) < 500


@pytest.mark.parametrize("text", [minified(90_000), "9" * 5_000])
def test_what_is_dropped_or_put_into_a_text_counts_as_a_whole(panel: RequestView, qtbot: QtBot, text: str) -> None:
    editor = panel.payload.editor
    for _ in range(2):
        panel.payload.set_text("[" + "1" * 3_000)
        editor.moveCursor(QTextCursor.MoveOperation.End)
        assert paste(editor, text).within_a_frame()
        assert editor.value() == "[" + "1" * 3_000 + text


def test_short_lines_are_pasted_as_ever(panel: RequestView, qtbot: QtBot) -> None:
    panel.payload.set_text("")
    text = json.dumps(list(range(1_500)), indent=1)
    assert paste(panel.payload.editor, text).within_a_frame()
    assert panel.payload.editor.toPlainText() == text
    panel.payload.editor.undo()
    assert panel.payload.editor.toPlainText() == ""


@pytest.mark.parametrize("text", [minified(1_000_000), "{}" * 5_000_000], ids=["1 MB", "10 MB"])
def test_a_paste_beyond_all_bounds_is_refused_in_words(panel: RequestView, qtbot: QtBot, text: str) -> None:
    laid = paste(panel.payload.editor, text)
    assert (laid.most, laid.longest) == (0, 0)
    assert panel.payload.verdict() == f"Not pasted: {len(text):,} characters. A payload typed here has 200,000 at most."
    assert panel.payload.editor.value() == '{"length": 10}'
    assert panel.send_button.isEnabled()


def test_what_is_kept_aside_is_sent_whole_and_can_be_taken_back(
    panel: RequestView, bridge: FakeBridge, qtbot: QtBot
) -> None:
    editor = panel.payload.editor
    editor.setPlainText('{"list": }')
    cursor = editor.textCursor()
    cursor.setPosition(9)
    editor.setTextCursor(cursor)
    long = minified(60_000)
    paste(editor, long)
    assert editor.is_kept()
    assert editor.toPlainText().startswith("58 kB in long lines, kept as it is")
    panel.send()
    assert sent(bridge)[-1][2] == {"list": json.loads(long)}
    bridge.answer(None)
    QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(editor, Qt.Key.Key_Left)  # Qt would take Ctrl for pressed still
    assert editor.toPlainText() == '{"list": }'
    assert not editor.isReadOnly()


def test_long_payloads_of_the_history_come_back_as_quickly(
    panel: RequestView, bridge: FakeBridge, qtbot: QtBot
) -> None:
    panel.payload.set_text(minified(150_000))
    panel.send()
    bridge.answer(None)
    panel.payload.set_text("null")
    laid = Laid(panel.payload.editor)
    area = panel.history_list.visualRect(panel.history.index(0, 0)).center()
    QTest.mouseClick(panel.history_list.viewport(), Qt.MouseButton.LeftButton, pos=area)
    assert panel.payload.editor.is_kept()
    assert laid.within_a_frame()


def test_keys_cannot_make_a_line_too_long_either(panel: RequestView, qtbot: QtBot) -> None:
    panel.payload.editor.insertPlainText("1" * 30_000)
    panel.payload.check()
    assert panel.payload.editor.is_kept()
    panel.payload.editor.drop_kept()
    assert panel.payload.editor.toPlainText() == ""


@pytest.mark.parametrize("error", [False, True])
def test_a_reply_on_one_line_never_freezes_the_window(
    panel: RequestView, bridge: FakeBridge, qtbot: QtBot, error: bool
) -> None:
    panel.send()
    laid = Laid(panel.answer._text)
    long = "x" * 10_000_000
    if error:
        bridge.fail(f"ERR_X: {long}")
    else:
        bridge.answer(long)
    qtbot.waitUntil(lambda: len(panel.answer.text()) > 100)
    assert laid.within_a_frame()
    assert panel.answer.copy_full_button.isVisible()
    if error:
        assert all(len(entry.error or "") <= 500 for entry in panel.history.entries())


def test_a_target_has_a_length(panel: RequestView, qtbot: QtBot) -> None:
    line = panel.target.lineEdit()
    assert line is not None
    line.clear()
    QGuiApplication.clipboard().setText("x" * 100_000)
    line.paste()
    assert len(panel.target.currentText()) == 200
    assert QToolTip.text() == "This field takes 200 characters at most. The rest was left out."
    QToolTip.hideText()
