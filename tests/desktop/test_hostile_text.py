"""Whatever a stranger sends reaches the screen as the text that it is: in tables, labels, tooltips, tray, messages."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QAbstractItemModel
from PySide6.QtGui import Qt, QTextDocumentFragment
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from core.kinds.listening import Found
from core.ledger.record import CallRecord
from core.news.events import (
    BrokerEntry,
    BrokerSnapshot,
    ErrorRaised,
    Lost,
    PeerEvent,
    PendingRequest,
    ReplyReceived,
    RequestServed,
    Role,
    UseRow,
)
from core.trust.entries import KnownPeer, Pending
from core.using.offers import OfferRow
from desktop.guard import Guard
from desktop.models.broker import BrokerModel
from desktop.models.calls import CallsModel
from desktop.models.history import Entry, HistoryModel
from desktop.models.peers import PeersModel
from desktop.models.people import KnownModel, PendingModel
from desktop.models.shares import OfferModel, ShareModel, UseModel
from desktop.models.table import RowsModel
from desktop.models.timeline import TimelineModel
from desktop.models.values import ValueModel, value_row
from desktop.notifications import asking_words
from desktop.tray import Tray
from desktop.views.main_window import MainWindow
from tests.desktop.fake_peer import ALICE, ANNA, EVE, NOW, FakeBridge, busy_snapshot, peer_row, shares_snapshot
from tests.support.samples import some

DESKTOP = Path(__file__).resolve().parents[2] / "desktop"
HOSTILE = (
    '<img src="file:///etc/hostname"> <b>bold</b>',
    "&amp; &lt;b&gt;",
    "abc\u202efdp.exe\nsecond line",
    "x" * 10_000,
)
ROLES = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole)


def events(text: str) -> list[PeerEvent]:
    return [
        RequestServed(NOW, text, ANNA, 0.1, None),
        RequestServed(NOW, text, ANNA, 0.1, f"ERR_X: {text}"),
        ErrorRaised(NOW, "ERR_X", text, ANNA),
        Lost(NOW, text, ANNA, text),
        ReplyReceived(NOW, ANNA, 0.1, {text: text}),
        PendingRequest(NOW, EVE, text, text, ANNA, 1),
    ]


def models(text: str) -> list[QAbstractItemModel]:
    """Return every model of the window, with this text wherever one from outside may stand."""
    timeline, known, pending, calls = (
        TimelineModel(),
        KnownModel(),
        PendingModel(name_of=lambda _id: text),
        CallsModel(),
    )
    peers, broker = PeersModel(name_of=lambda _id: text), BrokerModel(name_of=lambda _id: text)
    history = HistoryModel()
    timeline.add(events(text))
    known.replace([KnownPeer(EVE, text, NOW, None, frozenset({text}))])
    pending.replace([Pending(EVE, text, ANNA, NOW, NOW)])
    calls.replace([CallRecord(NOW, None, text, text, 1, 1, 0.1, text, 1)])
    peers.replace([replace(peer_row(ANNA, Role.WORKER, peer_id=EVE), service=text)])
    broker.replace([BrokerEntry(text, True, ANNA, EVE, NOW, NOW)])
    history.add(Entry(NOW, text, text, 0.1, f"ERR_X: {text}", "error"))
    shares, offers = ShareModel(name_of=lambda _id: text), OfferModel()
    uses, values = UseModel(lambda _use: False, name_of=lambda _id: text), ValueModel()
    shares.replace([replace(row, problem=text, description=text, users=(EVE,)) for row in shares_snapshot().shares])
    offers.replace([OfferRow(text, text, text)])
    uses.replace([UseRow(text, EVE, text, text, text, problem) for problem in ("", text)])
    values.replace([value_row(NOW, text), value_row(NOW, {text: [text]})])
    return [timeline, known, pending, calls, peers, broker, history, shares, offers, uses, values]


def as_seen(text: str) -> str:
    """Return what a person reads where Qt guesses whether a text is markup."""
    return QTextDocumentFragment.fromHtml(text).toPlainText() if Qt.mightBeRichText(text) else text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_any_model_has_markup_or_what_cannot_be_printed(text: str) -> None:
    for model in models(text):
        for row in range(model.rowCount()):
            for column in range(1 if isinstance(model, HistoryModel) else model.columnCount()):
                for role in ROLES:
                    found = model.index(row, column).data(role)
                    if found is None:
                        continue
                    where = f"{type(model).__name__} {row} {column} {role}: {found[:80]!r}"
                    seen = as_seen(found) if role == Qt.ItemDataRole.ToolTipRole else found
                    assert all(line.isprintable() for line in seen.split("\n")), where
                    assert len(seen) <= 2000, where
                    if role == Qt.ItemDataRole.ToolTipRole:
                        assert "<img" not in found, where
                        assert "<b>" not in found, where


def test_a_tooltip_shows_a_stranger_s_key_letter_by_letter() -> None:
    timeline = models(HOSTILE[0])[0]
    tips = [timeline.index(row, 4).data(Qt.ItemDataRole.ToolTipRole) for row in range(timeline.rowCount())]
    assert sum(HOSTILE[0] in as_seen(tip) for tip in tips if tip) >= 4


def test_every_table_model_stands_on_the_one_base() -> None:
    for model in models("x"):
        assert isinstance(model, RowsModel | HistoryModel)


@pytest.mark.parametrize("text", some(HOSTILE, 2))
def test_no_label_of_the_window_takes_it_for_markup(window: MainWindow, bridge: FakeBridge, text: str) -> None:
    grape = replace(busy_snapshot().grape, message=text)
    known = KnownPeer(ALICE, text[:64], NOW, None, frozenset({"fibonacci"}))
    pending = (Pending(EVE, text[:128], ANNA, NOW, NOW),)
    entries = (BrokerEntry(text[:128], True, ANNA, EVE, NOW, NOW),)
    shares = tuple(replace(share, problem=text, users=(ALICE,)) for share in shares_snapshot().shares)
    uses = tuple(replace(use, service=text, problem=text) for use in shares_snapshot().uses)
    broker = BrokerSnapshot(True, 1, entries)
    people = replace(busy_snapshot(), grape=grape, known_peers=(known,), pending=pending, broker=broker)
    bridge.show(replace(people, shares=shares, uses=uses))
    window.sharing.table.selectRow(0)
    window.using.friend.setEditText(str(ALICE))
    window.using.ask()
    bridge.using.offered.emit(bridge.using.ticket, (OfferRow(text, "values", text),), "")
    window.using.open()
    bridge.using.ended.emit(bridge.using.ticket, text)
    window.using.ask()
    bridge.using.offered.emit(bridge.using.ticket, (), text)
    window.sharing.share()
    bridge.sharing.tell_found(Found(80, text, text, "http"))
    bridge.tell(*events(text))
    bridge.failed.emit(text)
    for label in window.findChildren(QLabel):
        assert label.textFormat() is Qt.TextFormat.PlainText, f"{label.objectName()} {label.text()[:60]!r}"
    for widget in window.findChildren(QWidget):
        assert "<img" not in widget.toolTip()
    assert "<img" not in window.windowTitle()


@pytest.mark.parametrize("text", HOSTILE)
def test_the_tray_has_no_markup_and_no_marks(qapp: QApplication, text: str) -> None:
    bridge = FakeBridge()
    tray = Tray(bridge, ("fibonacci",), parent=bridge)  # type: ignore[arg-type]
    asked = Pending(EVE, text, ANNA, NOW, NOW)
    bridge.show(replace(busy_snapshot(), pending=(asked,)))
    (person,) = [menu for menu in tray.menu().findChildren(type(tray.menu())) if "Stranger" in menu.title()]
    title = person.title().replace("&&", "&")
    assert title.isprintable()
    assert person.title().replace("&&", "").count("&") == 0
    assert len(title) <= 320
    lines = [action.text() for action in person.actions()]
    assert "-".join(lines[:2]) == str(EVE)  # the whole ID stands above the answers
    assert lines.index("Refuse") > 1


def test_a_notification_names_the_whole_id() -> None:
    _title, text = asking_words([PendingRequest(NOW, EVE, "", "fibonacci", ANNA, 1)])
    assert str(EVE) in text


def test_a_label_without_a_format_gets_the_plain_one(qapp: QApplication) -> None:
    guard = Guard(qapp)
    label = QLabel("<b>x</b>")
    label.show()
    assert label.textFormat() is Qt.TextFormat.PlainText
    label.close()
    qapp.removeEventFilter(guard)


def unformatted(path: Path) -> list[str]:
    """Return the calls in a file that make a label or a message box, whose format nothing in the file sets."""
    source = path.read_text(encoding="utf-8")
    if "QLabel(" not in source and "QMessageBox(" not in source:
        return []
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id not in ("QLabel", "QMessageBox"):
            continue
        target = parents.get(node)
        names = [ast.unparse(each) for each in target.targets] if isinstance(target, ast.Assign) else []
        if not any(f"{each}.setTextFormat(" in source for each in names):
            found.append(f"{path.name}:{node.lineno} {node.func.id}")
    return sorted(set(found))


def test_the_lint_finds_a_label_that_guesses(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("a = QLabel(text)\nb = QLabel(text)\nb.setTextFormat(x)\nadd(QLabel(text))\nc = QMessageBox(p)\n")
    assert unformatted(path) == ["x.py:1 QLabel", "x.py:4 QLabel", "x.py:5 QMessageBox"]


def test_no_file_makes_a_label_that_guesses() -> None:
    assert [each for path in sorted(DESKTOP.rglob("*.py")) for each in unformatted(path)] == []
