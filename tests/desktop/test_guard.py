"""A wheel changes no control that has not the keyboard, and scrolls what is behind it instead."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, QPointF
from PySide6.QtGui import Qt, QWheelEvent
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QScrollArea,
    QSlider,
    QSpinBox,
    QTabBar,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from core.trust.audience import Audience
from desktop.guard import Guard
from desktop.views.main_window import MainWindow
from tests.desktop.fake_peer import FakeBridge, people_snapshot


@pytest.fixture
def guard(qapp: QApplication) -> Iterator[Guard]:
    guard = Guard(qapp)
    yield guard
    qapp.removeEventFilter(guard)
    guard.deleteLater()


def wheel(widget: QWidget, notches: int = -2) -> QWheelEvent:
    place = QPointF(widget.rect().center())
    event = QWheelEvent(
        place, widget.mapToGlobal(place), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)
    return event


def controls() -> list[QWidget]:
    combo, spin, real, slider, tabs = QComboBox(), QSpinBox(), QDoubleSpinBox(), QSlider(), QTabBar()
    combo.addItems(["a", "b", "c"])
    for name in "abc":
        tabs.addTab(name)
    spin.setValue(5)
    real.setValue(5)
    slider.setValue(5)
    return [combo, spin, real, slider, tabs]


def value(control: QWidget) -> object:
    if isinstance(control, QComboBox | QTabBar):
        return control.currentIndex()
    assert isinstance(control, QSpinBox | QDoubleSpinBox | QSlider)
    return control.value()


def test_no_control_is_turned_without_the_keyboard_and_the_page_scrolls(guard: Guard, qtbot: QtBot) -> None:
    area, inner, other = QScrollArea(), QWidget(), QLineEdit()
    column = QVBoxLayout(inner)
    made = controls()
    for each in (other, *made):
        column.addWidget(each)
    inner.setMinimumHeight(3000)
    area.setWidget(inner)
    qtbot.addWidget(area)
    area.resize(300, 300)
    area.show()
    area.activateWindow()
    qtbot.waitUntil(area.isActiveWindow)
    other.setFocus()
    for control in made:
        before = value(control)
        event = wheel(control)
        assert value(control) == before, type(control)
        assert not event.isAccepted()  # it goes on to what scrolls
        assert not control.hasFocus()
    made[1].setFocus()
    wheel(made[1])
    assert value(made[1]) == 3  # on purpose


def test_no_wheel_brings_the_keyboard(guard: Guard, qtbot: QtBot) -> None:
    for control in controls():
        qtbot.addWidget(control)
        control.show()
        assert control.focusPolicy() is not Qt.FocusPolicy.WheelFocus


def test_two_notches_over_the_audience_box_open_nothing(
    window: MainWindow, bridge: FakeBridge, guard: Guard, qtbot: QtBot
) -> None:
    bridge.show(people_snapshot())
    box = window.services.audience_box("fibonacci")
    before = box.audience()
    told: list[object] = []
    window.settings_changed.connect(told.append)
    wheel(box, 2)
    wheel(box, -2)
    assert box.audience() is before is Audience.ANYONE
    assert told == []
