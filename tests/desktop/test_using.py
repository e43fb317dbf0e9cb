"""The page *Using*: a friend's offers, what is open here, and values as they come; all of it from outside."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtTest import QTest

from core.using.offers import OfferRow
from desktop.models.safe import shown
from desktop.models.values import MOST, number_of, value_row
from desktop.theme import ThemeSource
from desktop.views.browse import browse, is_ours
from desktop.views.main_window import MainWindow
from desktop.views.plot import Plot
from desktop.views.using import UsingView
from desktop.views.watch_sheet import WatchSheet
from tests.desktop.conftest import Alone
from tests.desktop.fake_peer import ALICE, BOB, OFFERS, FakeBridge, shares_snapshot
from tests.desktop.test_widgets_lint import nameless


@pytest.fixture
def page(alone: Alone, bridge: FakeBridge, theme: ThemeSource, monkeypatch: pytest.MonkeyPatch) -> UsingView:
    def open_url(url: QUrl) -> bool:
        browsed.append(url)
        return True

    monkeypatch.setattr(QDesktopServices, "openUrl", open_url)
    browsed.clear()
    bridge.show(shares_snapshot())
    return alone(lambda: UsingView(bridge, theme))


browsed: list[QUrl] = []
BestTime = Callable[[Callable[[], object]], float]


def ask(page: UsingView, bridge: FakeBridge, *offers: OfferRow, words: str = "") -> None:
    page.friend.setEditText(str(ALICE))
    page.ask_button.click()
    bridge.using.offered.emit(bridge.using.ticket, offers, words)


def choose(page: UsingView, name: str) -> None:
    page.offered.selectRow([offer.name for offer in page.offers.rows()].index(name))


# -- a friend's offers -------------------------------------------------------------------------------------------------


def test_a_friend_is_picked_by_name_or_by_a_pasted_id(page: UsingView, bridge: FakeBridge) -> None:
    names = [page.friend.itemText(row) for row in range(page.friend.count())]
    assert names == ["Anna's greenhouse", BOB.short]  # who is blocked is not offered
    page.friend.setEditText("Anna's greenhouse")
    assert page.friend.friend() == ALICE
    page.friend.setEditText(f"  {BOB}  ")
    assert page.friend.friend() == BOB
    page.friend.setEditText("nobody <b>")
    page.ask_button.click()
    assert page.words.text()
    assert bridge.using.calls == []


def test_what_is_typed_stays_when_the_people_change(page: UsingView, bridge: FakeBridge) -> None:
    page.friend.setEditText("half an ID")
    bridge.show(replace(shares_snapshot(), known_peers=shares_snapshot().known_peers[:1]))
    assert page.friend.currentText() == "half an ID"


def test_asking_shows_that_it_waits_and_the_reason_when_the_friend_is_away(page: UsingView, bridge: FakeBridge) -> None:
    page.friend.setEditText(str(ALICE))
    top = page.offered.mapTo(page, page.offered.rect().topLeft())
    page.ask_button.click()
    assert page.busy.isVisible()
    assert page.words.text() == "Looking for Anna's greenhouse, and asking what they share."
    bridge.using.offered.emit(bridge.using.ticket - 1, OFFERS, "")  # of another question
    assert page.offers.rowCount() == 0
    bridge.using.offered.emit(bridge.using.ticket, (), "Peer A4DQOBY has no record: it is not on, or hides.")
    assert not page.busy.isVisible()
    assert page.words.text().startswith("Peer A4DQOBY has no record")
    assert page.offered.placeholder() == "Anna's greenhouse did not answer."
    assert page.offered.mapTo(page, page.offered.rect().topLeft()) == top


def test_the_keyboard_goes_to_the_answer_unless_the_user_went_on(page: UsingView, bridge: FakeBridge) -> None:
    page.ask_friend(ALICE)
    bridge.using.offered.emit(bridge.using.ticket, OFFERS, "")
    assert page.window().focusWidget() is page.offered
    page.offered.activated.emit(page.offers.index(0, 0))  # Enter
    assert bridge.using.calls[-1][0] == "open"
    page.ask_friend(ALICE)
    page.table.setFocus()
    bridge.using.offered.emit(bridge.using.ticket, OFFERS, "")
    assert page.window().focusWidget() is page.table


def test_what_was_opened_is_selected_when_it_is_in_the_table(page: UsingView, bridge: FakeBridge) -> None:
    ask(page, bridge, *OFFERS)
    choose(page, "garden")
    page.open_button.click()
    where = "http://garden.anna.localhost:40917/"
    bridge.using.opened.emit(bridge.using.ticket, where, "")
    assert not page.show_button.isEnabled()
    before = shares_snapshot()
    bridge.show(replace(before, uses=(*before.uses, replace(before.uses[0], where=where))))
    assert page.table.selected_rows() == [len(before.uses)]
    assert page.show_button.isEnabled()
    page.table.selectRow(0)
    bridge.show(before)
    assert page.table.selected_rows() == [0]


def test_a_second_question_ends_the_first(page: UsingView, bridge: FakeBridge) -> None:
    page.friend.setEditText(str(ALICE))
    page.ask_button.click()
    page.ask_button.click()
    assert bridge.using.calls == [("ask", ALICE), ("cancel", 1), ("ask", ALICE)]


def test_nothing_of_an_offer_is_markup_and_what_hides_is_written_out(page: UsingView, bridge: FakeBridge) -> None:
    ask(page, bridge, *OFFERS)
    row = len(OFFERS) - 1
    cells = [str(page.offers.index(row, column).data()) for column in range(3)]
    assert cells == ["<b>telescope</b>", "hologram", shown(OFFERS[-1].description)]
    assert "\u202e" not in "".join(cells)
    tooltip = page.offers.index(row, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "<b>" not in tooltip


def test_each_kind_is_opened_in_its_way(page: UsingView, bridge: FakeBridge) -> None:
    called: list[str] = []
    page.call_wanted.connect(called.append)
    ask(page, bridge, *OFFERS)
    choose(page, "garden")
    page.open_button.click()
    assert bridge.using.calls[-1] == ("open", ALICE, "garden", "http")
    assert not page.open_button.isEnabled()  # not twice
    bridge.using.opened.emit(bridge.using.ticket, "http://garden.anna.localhost:40917/", "")
    assert browsed[-1].toString() == "http://garden.anna.localhost:40917/"
    choose(page, "ssh")
    page.open_button.click()
    bridge.using.opened.emit(bridge.using.ticket, "127.0.0.1:40222", "")
    assert "127.0.0.1:40222" in page.words.text()
    choose(page, "<b>telescope</b>")
    page.open_button.click()
    assert "does not know how to use \u201chologram\u201d" in page.words.text()
    choose(page, "thermo")
    page.open_button.click()
    assert called == [f"{ALICE}/thermo"]


def test_a_service_of_requests_is_called_from_the_page_live(window: MainWindow) -> None:
    window.pages.choose("using")
    window.using.call_wanted.emit(f"{ALICE}/thermo")
    assert window.pages.current() == "live"
    assert window.request.target.currentText() == f"{ALICE}/thermo"


def test_what_cannot_be_opened_says_why(page: UsingView, bridge: FakeBridge) -> None:
    ask(page, bridge, *OFFERS)
    page.open_button.click()
    bridge.using.opened.emit(bridge.using.ticket, "", "64 services are open here: close one first.")
    assert page.words.text() == "64 services are open here: close one first."
    assert browsed == []


# -- what is open here -------------------------------------------------------------------------------------------------


def test_a_row_says_where_whose_and_what_is_wrong(page: UsingView) -> None:
    cells = [[str(page.model.index(row, column).data()) for column in range(1, 5)] for row in range(2)]
    assert cells[0] == ["printer", "Anna's greenhouse", "http://printer.anna-s-greenhouse.localhost:40917/", "Open"]
    assert cells[1][3] == "peer K5ZHS2L cannot be reached"


def test_addresses_are_copied_pages_shown_and_uses_closed(page: UsingView, bridge: FakeBridge) -> None:
    page.table.selectRow(1)
    page.copy_button.click()
    assert QGuiApplication.clipboard().text() == "127.0.0.1:40222"
    page.ssh_button.click()
    assert QGuiApplication.clipboard().text() == "ssh -p 40222 127.0.0.1"
    assert not page.show_button.isEnabled()
    page.close_button.click()
    assert bridge.using.calls[-1] == ("close", "127.0.0.1:40222")
    page.table.selectRow(0)
    assert not page.ssh_button.isEnabled()
    page.show_button.click()
    assert browsed[-1].port() == 40917


def test_space_keeps_a_use_for_the_next_start(page: UsingView, bridge: FakeBridge) -> None:
    page.table.selectRow(0)
    for on in (True, False):
        QTest.keyClick(page.table, Qt.Key.Key_Space)
        assert bridge.using.calls[-1] == ("keep", "printer", on)
        state = page.model.index(0, 0).data(Qt.ItemDataRole.CheckStateRole)
        assert state == (Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


NOT_OURS = [
    "http://garden.anna.localhost:80@evil.example/", "http://evil.example:80/", "file:///etc/passwd", "",
    "http://a.localhost/", "http://a.localhost:1/x", "http://a.localhost:1/?q", "https://a.localhost:1/",
    "http://a b.localhost:1/", "http://.localhost:1/", "javascript:alert(1)", "http://a.localhost:99999/",
    "127.0.0.1:4", "http://a.localhost.evil.example:1/",
    "http://A.localhost:1/", "http://a.localhost:1/\n", "http://b\u202e.localhost:1/",
]  # fmt: skip


def test_only_our_own_addresses_are_handed_to_the_browser(page: UsingView) -> None:
    del page  # which catches what would be shown
    for url in NOT_OURS:
        assert not is_ours(url), url
        assert not browse(url), url
        assert browsed == [], url


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (21.5, 21.5), (True, 1.0), pytest.param(10**400, None, id="great"),
        (math.nan, None), (-math.inf, None), ("21", None), (None, None),
        ({"unit": "C", "value": 3}, 3.0), ({"a": {"b": 1}}, None), ([1], None),
    ],
)  # fmt: skip
def test_a_number_is_found_or_not(value: object, number: float | None) -> None:
    assert number_of(value) == number  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, {"a": ["<b>"] * 10**5}, 10**5000, "\u202e\n", [[[[[]]]]], math.nan],
    ids=["long", "wide", "great", "turned", "deep", "none"],
)
def test_any_value_becomes_one_short_line(value: object) -> None:
    row = value_row(math.nan, value)  # type: ignore[arg-type]
    assert len(row.text) <= 300
    assert row.text.isprintable()
    assert row.at == 0.0


def test_values_are_drawn_and_listed_until_the_other_side_ends(page: UsingView, bridge: FakeBridge) -> None:
    ask(page, bridge, *OFFERS)
    choose(page, "temperature")
    page.open_button.click()
    (sheet,) = page.findChildren(WatchSheet)
    assert bridge.using.calls[-1] == ("watch", ALICE, "temperature")
    ticket = bridge.using.ticket
    bridge.using.values.emit(ticket, tuple(value_row(1000.0 + at, at) for at in range(MOST + 20)))
    bridge.using.values.emit(ticket + 1, (value_row(1.0, 999),))  # of another sensor
    assert sheet.plot.numbers()[-1] == MOST + 19
    assert len(sheet.plot.numbers()) == sheet.model.rowCount() == MOST
    assert sheet.model.index(0, 1).data() == str(MOST + 19)
    sheet.hold.setChecked(True)
    bridge.using.values.emit(ticket, (value_row(9999.0, "warm"),))
    assert sheet.model.index(0, 1).data() == str(MOST + 19)
    sheet.hold.setChecked(False)
    assert sheet.model.index(0, 1).data() == "warm"
    assert "the newest is 319" in sheet.plot.accessibleDescription()
    bridge.using.ended.emit(ticket, "The other side ended it.")
    assert sheet.status.text() == "The other side ended it."
    assert nameless(sheet) == []
    sheet.reject()
    assert bridge.using.calls.pop() == ("cancel", ticket)


@pytest.mark.parametrize("numbers", [[], [5.0], [5.0, 5.0], [-1.7e308, 1.7e308], [0.0, 5e-324], list(range(MOST))])
def test_any_numbers_are_drawn_in_a_frame(numbers: list[float], alone: Alone, best_time: BestTime) -> None:
    plot = alone(lambda: Plot("curve"), 600, 200)
    plot.add(value_row(float(at), number) for at, number in enumerate(numbers))
    assert best_time(lambda: plot.grab()) < 0.016


def test_a_batch_of_values_and_a_full_list_of_shares_cost_no_frame(
    window: MainWindow, bridge: FakeBridge, best_time: BestTime
) -> None:
    sheet = WatchSheet(bridge.using, ALICE, "Anna", "temperature", window.using)
    sheet.show()
    rows = tuple(value_row(1000.0 + at, {"value": at, "unit": "C"}) for at in range(MOST))

    def add() -> None:
        bridge.using.values.emit(bridge.using.ticket, rows)
        sheet.grab()

    assert best_time(add) < 0.016
    sheet.reject()
    snapshot, turns = shares_snapshot(), count()

    def show() -> None:
        shares = tuple(replace(snapshot.shares[0], name=f"share {n}", sent=next(turns)) for n in range(64))
        uses = tuple(replace(snapshot.uses[0], where=f"127.0.0.1:{n}", problem=str(next(turns))) for n in range(64))
        bridge.show(replace(snapshot, shares=shares, uses=uses))

    for key in ("sharing", "using"):
        window.pages.choose(key)
        assert best_time(show) < 0.016
