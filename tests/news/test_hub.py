"""Where events leave: every listener hears, whatever another does."""

import logging

import pytest

from core.news.events import Lost, PeerEvent, PunchReceived, PunchSent
from core.news.hub import Hub
from core.values import Address

EVENT = PunchSent(1.0, Address("192.0.2.1", 1))


def test_a_listener_that_raises_is_logged_and_the_others_hear(caplog: pytest.LogCaptureFixture) -> None:
    hub = Hub()
    heard: list[PeerEvent] = []

    def broken(event: PeerEvent) -> None:
        raise ValueError("a bug in a window")

    hub.subscribe(broken)
    hub.subscribe(heard.append)
    with caplog.at_level(logging.ERROR):
        hub.emit(EVENT)
    assert heard == [EVENT]
    assert "punch-sent" in caplog.text
    assert "a bug in a window" in caplog.text


def test_unsubscribing_takes_effect_and_may_be_repeated() -> None:
    hub = Hub()
    heard: list[str] = []
    first = hub.subscribe(lambda event: heard.append("first"))
    hub.subscribe(lambda event: heard.append("second"))
    first()
    first()
    hub.emit(EVENT)
    assert heard == ["second"]


def test_a_listener_may_leave_while_it_is_called() -> None:
    hub = Hub()
    heard: list[str] = []

    def once(event: PeerEvent) -> None:
        heard.append("once")
        leave()

    leave = hub.subscribe(once)
    hub.subscribe(lambda event: heard.append("always"))
    hub.emit(EVENT)
    hub.emit(EVENT)
    assert heard == ["once", "always", "always"]


def test_a_listener_of_some_kinds_hears_no_others() -> None:
    hub = Hub()
    heard: list[PeerEvent] = []
    leave = hub.subscribe(heard.append, PunchReceived, PunchSent)
    lost = Lost(1.0, "fibonacci_worker", EVENT.peer, "it left")
    hub.emit(lost)
    hub.emit(EVENT)
    leave()
    hub.emit(EVENT)
    assert heard == [EVENT]


def test_silence_is_for_all_and_the_revision_goes_on() -> None:
    hub = Hub()
    heard: list[PeerEvent] = []
    hub.subscribe(heard.append)
    before = hub.revision
    hub.silence()
    hub.emit(EVENT)
    assert heard == []
    assert hub.revision > before
