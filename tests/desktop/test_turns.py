"""A turn of Qt's loop that has cost enough leaves the rest to the next one, and nobody waits for ever."""

import asyncio

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from core.news.events import ErrorRaised, PeerEvent
from desktop.bridge.feed import Feed
from desktop.loop import WAITS, PreciseLoop
from desktop.turns import ENOUGH, Turn
from tests.desktop.core_double import ScriptedPeer
from tests.desktop.polling import until


class Clock:
    """Says what a test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def qt(qapp: QApplication, clock: Clock) -> Turn:
    """A turn that only a test begins."""
    turn = Turn(clock)
    turn.begin = lambda: None  # type: ignore[method-assign]
    return turn


def test_a_turn_is_full_when_it_has_cost_enough(qapp: QApplication, clock: Clock) -> None:
    turn = Turn(clock)
    clock.now += ENOUGH / 2
    assert not turn.is_full()
    clock.now += ENOUGH
    assert turn.is_full()
    qapp.processEvents()  # the next one
    assert not turn.is_full()


def timers(loop: asyncio.AbstractEventLoop, qt: Turn, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have the loop look at this turn; return the list to which each of the loop's turns adds how many it ran."""
    assert isinstance(loop, PreciseLoop)
    ran: list[int] = []
    run_turn = loop._timer._run_turn

    def noted() -> None:
        before = len(loop._timer._ready)
        run_turn()
        ran.append(before - len(loop._timer._ready))

    monkeypatch.setattr(loop._timer, "_qt", qt)
    monkeypatch.setattr(loop._timer, "_run_turn", noted)
    return ran


@pytest.mark.asyncio
async def test_callbacks_wait_for_a_turn_with_room_but_not_for_ever(
    qt: Turn, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    ran = timers(loop, qt, monkeypatch)
    clock.now += 2 * ENOUGH  # this turn, and all that come
    del ran[:]
    seen: list[int] = []
    loop.call_soon(seen.append, 1)
    await until(lambda: seen)
    assert ran[: WAITS + 1] == [0] * WAITS + [1]


@pytest.mark.asyncio
async def test_what_is_told_gets_a_turn_of_its_own(
    qt: Turn, clock: Clock, monkeypatch: pytest.MonkeyPatch, qapp: QApplication
) -> None:
    owner, peer = QObject(), ScriptedPeer()
    told: list[str] = []
    batches: list[tuple[PeerEvent, ...]] = []
    feed = Feed(owner, lambda _: told.append("snapshot"), batches.append, lambda service: service, qt)
    feed.attach(peer)  # type: ignore[arg-type]
    clock.now += 2 * ENOUGH
    feed._due()
    assert [qt.awaited] == [True]  # callbacks leave the next turn to it
    assert told == []
    feed.hear(ErrorRaised(0.0, "ERR_TEST", "told later"))
    await until(lambda: batches)
    assert told == ["snapshot"]
    assert not qt.awaited
    feed.close()


def test_a_feed_that_ends_keeps_no_turn_free(qt: Turn, clock: Clock, qapp: QApplication) -> None:
    owner = QObject()
    feed = Feed(owner, lambda _: None, lambda _: None, lambda service: service, qt)
    clock.now += 2 * ENOUGH
    feed._due()
    assert [qt.awaited] == [True]
    feed.close()
    assert not qt.awaited
