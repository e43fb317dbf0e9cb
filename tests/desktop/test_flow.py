"""A row that becomes several: what it measured is kept until something changes, and no longer."""

import pytest
from PySide6.QtCore import QSize
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from desktop.views.flow import GAP, WIDTHS, FlowRow


class Box(QWidget):
    """A part of a wanted size, which counts how often it is asked for it."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self.wanted = QSize(width, height)
        self.asked = 0

    def sizeHint(self) -> QSize:
        self.asked += 1
        return self.wanted

    def want(self, width: int, height: int) -> None:
        self.wanted = QSize(width, height)
        self.updateGeometry()


class Scene:
    """Two boxes in a row, in a column, in a window."""

    def __init__(self, qtbot: QtBot) -> None:
        self.window = QWidget()
        qtbot.addWidget(self.window)
        self.boxes = Box(100, 20), Box(80, 30)
        self.row = FlowRow()
        for box in self.boxes:
            self.row.addWidget(box)
        column = QVBoxLayout(self.window)
        column.addLayout(self.row)
        column.addStretch()
        self.window.resize(400, 300)
        self.window.show()
        QApplication.sendPostedEvents()


@pytest.fixture
def scene(qtbot: QtBot) -> Scene:
    return Scene(qtbot)


def test_what_does_not_fit_begins_another_line(scene: Scene) -> None:
    assert scene.row.sizeHint() == QSize(180 + GAP, 30)
    assert scene.row.heightForWidth(180 + GAP) == 30
    assert scene.row.heightForWidth(180) == 20 + GAP + 30


def test_what_was_measured_is_kept(scene: Scene) -> None:
    scene.row.heightForWidth(150)
    asked = [box.asked for box in scene.boxes]
    for _ in range(10):
        assert scene.row.heightForWidth(150) == 50 + GAP
        assert scene.row.sizeHint() == QSize(180 + GAP, 30)
    assert [box.asked for box in scene.boxes] == asked


def test_a_part_that_grows_or_goes_is_measured_once_more(scene: Scene) -> None:
    assert scene.row.heightForWidth(150) == 50 + GAP
    scene.boxes[1].want(30, 40)
    QApplication.sendPostedEvents()
    assert scene.row.heightForWidth(150) == 40
    assert scene.row.sizeHint() == QSize(130 + GAP, 40)
    assert scene.boxes[1].height() == 40
    scene.boxes[1].hide()
    QApplication.sendPostedEvents()
    assert scene.row.heightForWidth(150) == 20
    scene.boxes[1].show()
    QApplication.sendPostedEvents()
    assert scene.row.heightForWidth(150) == 40


def test_a_hint_that_somebody_changes_is_theirs(scene: Scene) -> None:
    scene.row.sizeHint().setWidth(1)
    assert scene.row.sizeHint().width() == 180 + GAP


def test_a_window_that_is_pulled_wider_keeps_few_heights(scene: Scene) -> None:
    for width in range(100, 300):
        assert scene.row.heightForWidth(width) == (30 if width >= 180 + GAP else 50 + GAP)
    assert len(scene.row._heights) <= WIDTHS
