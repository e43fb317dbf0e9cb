"""What the command line prints of what peers send."""

import io
import json
import sys

import pytest

from core.cli.event_lines import event_fields, event_sentence
from core.cli.output import Output
from core.errors import RefusedError
from core.news.events import ErrorRaised, PeerEvent, ReplyReceived, RequestSent
from core.values import Address

A = Address("192.0.2.1", 1)
EVIL = "\x1b]0;owned\x07\n\u009b2J"


@pytest.mark.parametrize(
    "event", [ErrorRaised(0.0, "ERR_X", EVIL), ReplyReceived(0.0, A, 0.1, EVIL), RequestSent(0.0, EVIL, A)]
)
def test_no_peer_writes_control_characters_to_the_terminal(event: PeerEvent) -> None:
    assert event_sentence(event).isprintable()


def test_nor_do_errors(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).failure(RefusedError(EVIL, name="ERR_PAYLOAD"))
    shown = capsys.readouterr().err
    assert shown.startswith("ERR_PAYLOAD: \\x1b]0;owned")
    assert all(line.isprintable() for line in shown.splitlines())


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("data", ["\ud800", "half \udc00 a pair", "Zürich"])
def test_what_the_terminal_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch, encoding: str, data: str) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    Output(as_json=True).event(ReplyReceived(0.0, A, 0.1, data))
    line = raw.getvalue().decode(encoding)
    assert "reply" in line
    if encoding == "utf-8":
        assert json.loads(line)["data"] == data


def test_the_event_comes_first() -> None:
    assert next(iter(event_fields(ErrorRaised(0.0, "ERR_X", "no")))) == "event"
