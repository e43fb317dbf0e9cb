"""Why nobody answered, in the error of a command that waited in vain."""

import pytest

from core.cli.output import Output
from core.cli.reasons import SHOWN, Reasons
from core.errors import RequestTimeout
from core.news.events import ErrorRaised, PeerEvent, PunchEnded, ReplyReceived
from core.values import Address

ONE, OTHER = Address("203.0.113.5", 4000), Address("203.0.113.6", 4000)


def said(*events: PeerEvent) -> str:
    reasons = Reasons()
    for event in events:
        reasons(event)
    error = reasons.timeout("nobody answered")
    assert isinstance(error, RequestTimeout)
    return str(error)


def shut(peer: Address, reason: str = "no answer within 2.5 s: its router lets nothing through") -> PunchEnded:
    return PunchEnded(1.0, peer, False, None, 2.5, reason)


def test_each_address_once_with_what_happened_last() -> None:
    events = [shut(ONE, "no answer yet"), shut(OTHER), shut(ONE)]
    lines = [f"  {peer}: no answer within 2.5 s: its router lets nothing through" for peer in (OTHER, ONE)]
    assert said(*events) == "\n".join(["nobody answered", *lines])


def test_nothing_known() -> None:
    assert said() == "nobody answered"


def test_what_was_reached_in_the_end_is_no_reason() -> None:
    assert said(shut(ONE), PunchEnded(2.0, ONE, True, ONE, 0.1, "open after 100 ms")) == "nobody answered"
    assert said(shut(ONE), ReplyReceived(2.0, ONE, 0.1, [], None)) == "nobody answered"


def test_errors_count_and_say_where_once() -> None:
    named = ErrorRaised(1.0, "ERR_TLS", f"{ONE} was cut", ONE)
    assert said(named) == f"nobody answered\n  {ONE} was cut"
    assert said(ErrorRaised(1.0, "ERR_TLS", "altered", ONE)) == f"nobody answered\n  {ONE}: altered"
    assert said(ErrorRaised(1.0, "ERR_GRAPE", "no grape", None)) == "nobody answered\n  no grape"


def test_only_the_latest_are_shown() -> None:
    many = [Address("203.0.113.9", port) for port in range(1, 10)]
    lines = said(*(shut(peer) for peer in many)).splitlines()
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [str(peer) for peer in many[-SHOWN:]]


def test_each_reason_is_a_line_of_its_own_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = Reasons()
    reasons(shut(ONE, "a\x1b[2J\r\nforged"))
    reasons(shut(OTHER))
    Output(as_json=False).failure(reasons.timeout("nobody answered"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "ERR_TIMEOUT: nobody answered"
    assert lines[1].startswith(f"  {ONE}: a\\x1b[2J\\r")
    assert len(lines) == 3, "a reason forges no line"
    assert all(line.isprintable() for line in lines)
