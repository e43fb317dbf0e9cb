"""Punches for people: a line for each peer that counts up."""

import pytest

from core.cli.event_lines import event_sentence
from core.cli.output import Output
from core.cli.punches import PunchLines
from core.news.events import Lost, PeerEvent, PunchEnded, PunchReceived, PunchSent
from core.values import Address

ONE, OTHER = Address("203.0.113.5", 4000), Address("203.0.113.6", 4000)


def lines(*events: PeerEvent) -> list[str]:
    found: list[str] = []
    punches = PunchLines(lambda line: found.append(line.partition("  ")[2]))
    for event in events:
        punches.take(event)
    return found


def test_a_minute_of_punches_is_a_few_lines_that_count_up() -> None:
    events = [event for at in range(60) for event in (PunchSent(at, ONE), PunchReceived(at, ONE, at == 0))]
    found = lines(*events)
    assert found[0] == "punching 203.0.113.5:4000: 1 sent, 0 received"
    assert found[-1] == "punching 203.0.113.5:4000: 32 sent, 32 received"
    assert len(found) == 7


def test_what_became_of_it_is_said_once() -> None:
    ended = PunchEnded(1.0, ONE, True, None, 0.1, "open after 100 ms")
    shut = PunchEnded(2.0, ONE, False, None, 2.5, "no answer within 2.5 s")
    found = lines(PunchSent(0.0, ONE), ended, ended, ended, shut, shut)
    assert [line.partition("received")[2] for line in found] == ["", ": open after 100 ms", ": no answer within 2.5 s"]


def test_each_peer_has_its_own_and_other_events_are_none() -> None:
    assert len(lines(PunchSent(0.0, ONE), PunchSent(0.0, OTHER))) == 2
    assert not PunchLines(lambda line: None).take(Lost(0.0, "fibonacci", ONE, "gone"))


def test_quiet_prints_no_event_and_json_prints_all(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json, quiet, wanted in ((False, True, 0), (True, True, 3), (False, False, 2)):
        output = Output(as_json=as_json, quiet=quiet)
        for event in (PunchSent(0.0, ONE), PunchReceived(0.0, ONE, True), PunchReceived(0.0, ONE, False)):
            output.event(event)
        assert len(capsys.readouterr().out.splitlines()) == wanted


def test_what_comes_from_outside_harms_no_terminal() -> None:
    line = event_sentence(Lost(0.0, "a\u202eb\x1b[2J\x9b31m\x07\r\n\u200b", ONE, "x"))
    assert "\\u202e" in line
    assert "\\x1b[2J" in line
    assert line.isprintable()
