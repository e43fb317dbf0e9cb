"""A new peer is told once, in one notification per burst, never over the window in use; a click opens its row."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from PySide6.QtWidgets import QApplication

from core.news.events import PunchReceived, PunchSent
from core.news.joins import InvitationAccepted
from core.values import Address
from desktop import notifications
from desktop.notifications import Notifier, joined_words, words
from tests.desktop.polling import until
from tests.desktop.xvfb import session_bus
from tests.trust.people import ANN, BOB

on_dbus = [
    pytest.mark.skipif(sys.platform != "linux", reason="desktop notifications over D-Bus are Linux's"),
    pytest.mark.xvfb,
]


def peer(port: int) -> Address:
    return Address("192.0.2.7", port)


def first_punch(port: int) -> PunchReceived:
    return PunchReceived(1.0, peer(port), first=True)


class Balloons:
    """The tray's own messages."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []
        self.clicked: Callable[[], None] = lambda: None

    def show_message(self, title: str, text: str, clicked: Callable[[], None]) -> bool:
        self.shown.append((title, text))
        self.clicked = clicked
        return True


class Scene:
    """A notifier with switches to turn, and what came of it."""

    def __init__(self) -> None:
        self.balloons = Balloons()
        self.revealed: list[Address] = []
        self.wanted, self.focused = True, False
        self.people = 0  # times that they were shown
        self.notifier = Notifier(
            self.balloons, self.revealed.append, reveal_people=self._show_people, wanted=lambda: self.wanted,
            focused=lambda: self.focused,
        )  # fmt: skip

    def _show_people(self) -> None:
        self.people += 1


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "GATHER_SECONDS", 0.05)
    monkeypatch.setattr(notifications, "QUIET_SECONDS", 0.3)


@pytest_asyncio.fixture
async def scene(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """Without a session bus."""
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    scene = Scene()
    yield scene
    await scene.notifier.aclose()


@pytest.mark.asyncio
async def test_where_nothing_can_be_shown_the_caller_hears_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.balloons, "show_message", lambda *_: False)
    heard: list[str] = []
    scene.notifier.tell("fibonacci answered", "[1, 1]", lambda: None, heard.append)
    await until(lambda: heard)
    assert heard == ["fibonacci answered: [1, 1]"]


@pytest.mark.asyncio
async def test_our_own_punches_are_no_news(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    balloons = Balloons()
    notifier = Notifier(
        balloons, lambda _address: None, wanted=lambda: True, focused=lambda: False, ours=lambda at: at == peer(1)
    )
    notifier.on_events((first_punch(1),))
    assert not notifier._timer.isActive()
    await notifier.aclose()


def test_words_name_a_few_and_count_the_rest() -> None:
    assert words([peer(1)])[1] == "192.0.2.7:1 can reach this computer now."
    title, text = words([peer(port) for port in range(1, 8)])
    assert title == "7 new peers punched through"
    assert text == "192.0.2.7:1, 192.0.2.7:2, 192.0.2.7:3 and 4 more can reach this computer now."


@pytest.mark.asyncio
async def test_a_burst_is_one_message_and_its_click_opens_the_row(scene: Scene) -> None:
    scene.notifier.on_events((first_punch(1), PunchReceived(1.0, peer(9), first=False), PunchSent(1.0, peer(8))))
    scene.notifier.on_events((first_punch(2), first_punch(1)))
    await until(lambda: scene.balloons.shown)
    assert scene.balloons.shown == [
        ("2 new peers punched through", "192.0.2.7:1, 192.0.2.7:2 can reach this computer now.")
    ]
    scene.balloons.clicked()
    assert scene.revealed == [peer(1)]


@pytest.mark.asyncio
async def test_the_next_one_keeps_its_distance(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "QUIET_SECONDS", 3600.0)
    scene.notifier.on_events((first_punch(1),))
    await until(lambda: scene.balloons.shown)
    for port in (2, 3):
        scene.notifier.on_events((first_punch(port),))
    timer = scene.notifier._timer
    assert timer.remainingTime() > 3000 * 1000
    timer.start(0)  # the hour is over
    await until(lambda: len(scene.balloons.shown) == 2)
    assert scene.balloons.shown[1][0] == "2 new peers punched through"


@pytest.mark.parametrize("switch", ["wanted", "focused"])
@pytest.mark.asyncio
async def test_nothing_is_shown_when_off_or_when_the_window_is_looked_at(scene: Scene, switch: str) -> None:
    setattr(scene, switch, switch == "focused")
    scene.notifier.on_events((first_punch(1),))
    await until(lambda: not scene.notifier._timer.isActive())
    setattr(scene, switch, switch != "focused")
    scene.notifier.on_events((first_punch(2),))
    await until(lambda: scene.balloons.shown)
    assert scene.balloons.shown == [("A new peer punched through", "192.0.2.7:2 can reach this computer now.")]


@pytest.mark.asyncio
async def test_who_accepts_an_invitation_is_told_and_a_click_shows_the_people(scene: Scene) -> None:
    scene.notifier.on_events((first_punch(1), InvitationAccepted(1.0, 3, BOB, "Bert", ("photos", "tv"))))
    await until(lambda: scene.balloons.shown)
    told = ("Bert accepted your invitation", "You know each other now. May use: photos, tv.")
    assert scene.balloons.shown == [told]
    scene.balloons.clicked()
    assert scene.people == 1
    many = [InvitationAccepted(1.0, 4, who, "Band", ("*",)) for who in (ANN, BOB)]
    assert joined_words(many)[1].endswith("May use: everything that you share. 1 more has come too.")


@pytest.mark.asyncio
async def test_a_late_event_after_closing_does_nothing(scene: Scene) -> None:
    await scene.notifier.aclose()
    scene.notifier.on_events((first_punch(1),))
    await until(lambda: not scene.notifier._timer.isActive())
    assert not scene.balloons.shown


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with session_bus() as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address


@pytest_asyncio.fixture
async def bus_scene(qapp: QApplication, bus: str) -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.notifier.aclose()


@pytest.mark.usefixtures("bus")
class TestOnTheBus:
    """With `org.freedesktop.Notifications` of `fake_sni`."""

    pytestmark = on_dbus

    @pytest.mark.asyncio
    async def test_shown_clicked_and_replaced(self, bus_scene: Scene, bus: str) -> None:
        from tests.desktop.fake_sni import Panel

        with Panel(bus) as panel:
            bus_scene.notifier.on_events((first_punch(1),))
            await until(lambda: panel.shown)
            told = panel.shown[0]
            assert told.title == "A new peer punched through"
            assert told.actions == ["default", "Show it"]
            speaker = bus_scene.notifier._bus
            assert speaker is not None
            await until(lambda: speaker._clicked)
            panel.click_notification(told.number + 7)  # somebody else's
            panel.click_notification(told.number)
            await until(lambda: bus_scene.revealed)
            assert bus_scene.revealed == [peer(1)]
            panel.click_notification(told.number)  # twice
            bus_scene.notifier.on_events((first_punch(2),))
            await until(lambda: len(panel.shown) == 2)
            assert panel.shown[1].replaces == told.number
            assert bus_scene.revealed == [peer(1)]
        assert not bus_scene.balloons.shown

    @pytest.mark.parametrize(("markup", "text"), [(True, "&lt;b&gt;x&lt;/b&gt; &amp;amp;"), (False, "<b>x</b> &amp;")])
    @pytest.mark.asyncio
    async def test_a_service_that_reads_markup_gets_none(
        self, bus_scene: Scene, bus: str, markup: bool, text: str
    ) -> None:
        from tests.desktop.fake_sni import Panel

        with Panel(bus, markup=markup) as panel:
            bus_scene.notifier.tell("<b>title</b>", "<b>x</b> &amp;", lambda: None)
            await until(lambda: panel.shown)
            assert panel.shown[0].text == text
            assert "<" not in panel.shown[0].title

    @pytest.mark.asyncio
    async def test_without_the_service_the_tray_shows_it(self, bus_scene: Scene, bus: str) -> None:
        from tests.desktop.fake_sni import Panel

        bus_scene.notifier.on_events((first_punch(1),))
        await until(lambda: bus_scene.balloons.shown)
        with Panel(bus) as panel:  # and when the service comes, it is used
            bus_scene.notifier.on_events((first_punch(2),))
            await until(lambda: panel.shown)
        assert len(bus_scene.balloons.shown) == 1

    @pytest.mark.asyncio
    async def test_a_bus_that_hangs_up_is_called_again(self, bus_scene: Scene, bus: str) -> None:
        from tests.desktop.fake_sni import Panel

        with Panel(bus) as panel:
            bus_scene.notifier.on_events((first_punch(1),))
            await until(lambda: panel.shown)
            speaker = bus_scene.notifier._bus
            assert speaker is not None
            await until(lambda: speaker._clicked)
            assert speaker._router is not None
            speaker._router._conn.writer.close()  # as if the bus had gone
            bus_scene.notifier.on_events((first_punch(2),))
            await until(lambda: bus_scene.balloons.shown)
            bus_scene.notifier.on_events((first_punch(3),))
            await until(lambda: len(panel.shown) == 2)


@pytest.mark.skipif(sys.platform != "linux", reason="desktop notifications over D-Bus are Linux's")
@pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning")  # jeepney, when cancelled in its handshake
@pytest.mark.asyncio
async def test_a_bus_that_never_answers_does_not_hold_anything_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "CALL_SECONDS", 0.2)
    with tempfile.TemporaryDirectory(prefix="gv-", dir="/tmp") as place:
        callers: list[asyncio.StreamWriter] = []
        server = await asyncio.start_unix_server(lambda _, writer: callers.append(writer), f"{place}/bus")
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={place}/bus")
        scene.notifier.on_events((first_punch(1),))
        await until(lambda: scene.balloons.shown)
        await scene.notifier.aclose()
        server.close()
        assert len(callers) == 1
        callers[0].close()
