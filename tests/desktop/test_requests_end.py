"""How requests end at the bridge: an error is an answer, a refusal is a refusal, and the user may cancel."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PySide6.QtWidgets import QApplication

from core.errors import LocalError, LookupEmpty, PeerError, RefusedError, RequestTimeout
from desktop.bridge import Bridge, RequestOutcome
from desktop.views.contract import Ending
from tests.desktop.core_double import ScriptedPeer
from tests.desktop.polling import until


class Asked:
    """A bridge with a peer, and the outcomes that it told."""

    def __init__(self) -> None:
        self.peer = ScriptedPeer()
        self.bridge = Bridge()
        self.outcomes: list[RequestOutcome] = []
        self.bridge.request_finished.connect(self.outcomes.append)
        self.bridge.attach(self.peer)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def asked(qapp: QApplication) -> AsyncIterator[Asked]:
    made = Asked()
    yield made
    await made.bridge.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (RefusedError("'length' must be a whole number", name="ERR_PAYLOAD"), "error"),
        (RefusedError("boom"), "error"),
        (RefusedError("ask its owner", name="ERR_NOT_TRUSTED"), "refused"),
        (RefusedError("slow down", name="ERR_RATE_LIMITED"), "refused"),
        (RefusedError("the grape refused", name="ERR_GRAPE_GENERIC"), "silent"),
        (RefusedError("this peer has no identity", name="ERR_NO_IDENTITY"), "silent"),
        (RequestTimeout("nobody answered within 10 s"), "silent"),
        (LookupEmpty("nobody shares it"), "silent"),
        (LocalError("the payload is too large"), "unsent"),
        (None, "reply"),
    ],
)
async def test_how_a_request_ended_is_told(qapp: QApplication, asked: Asked, error: PeerError, ending: Ending) -> None:
    asked.peer.refusal = error
    asked.bridge.send_request("fibonacci", None, 10.0)
    await until(lambda: bool(asked.outcomes))
    assert [outcome.ending for outcome in asked.outcomes] == [ending]
    assert (asked.outcomes[0].error is None) == (ending == "reply")


@pytest.mark.asyncio
async def test_a_cancelled_request_says_so_once_and_another_goes_on(qapp: QApplication, asked: Asked) -> None:
    asked.peer.gate.clear()
    first = asked.bridge.send_request("fibonacci", None, 10.0)
    second = asked.bridge.send_request("fibonacci", None, 10.0)
    await until(lambda: len(asked.peer.calls) == 2)
    asked.bridge.cancel_request(first)
    asked.bridge.cancel_request(first)
    asked.bridge.cancel_request(99)
    assert [(outcome.ticket, outcome.ending) for outcome in asked.outcomes] == [(first, "cancelled")]
    asked.peer.gate.set()
    await until(lambda: len(asked.outcomes) == 2)
    assert (asked.outcomes[1].ticket, asked.outcomes[1].ending) == (second, "reply")
    asked.bridge.cancel_request(second)
    assert len(asked.outcomes) == 2
