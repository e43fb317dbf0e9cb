"""The tray's "Send request": asks the first service for its example and tells what came of it, window or no window.

Nothing that was typed in the window is touched: the request has a ticket of its own, and joins the history.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject

from desktop.models.pretty import preview
from desktop.models.words import trip, verdict
from desktop.views.contract import BridgeLike, OutcomeLike

TIMEOUT = 10.0  # seconds; PROTOCOL.md section 7, the demo's own
PREVIEW = 120  # characters of an answer in a notification


class TrayRequest(QObject):
    """`tell` shows a title and a text to the user; `remember` puts an outcome into the history of requests."""

    def __init__(
        self,
        bridge: BridgeLike,
        tell: Callable[[str, str], None],
        remember: Callable[[OutcomeLike], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._tell, self._remember = bridge, tell, remember
        self._ticket: int | None = None
        bridge.request_finished.connect(self._finished)

    def send(self) -> None:
        """Send it, unless the last one is still under way."""
        snapshot = self._bridge.snapshot()
        if self._ticket is not None or snapshot is None or not snapshot.services:
            return
        service = snapshot.services[0]
        self._ticket = self._bridge.send_request(service.name, service.example, TIMEOUT)

    def _finished(self, outcome: OutcomeLike) -> None:
        if outcome.ticket != self._ticket:
            return
        self._ticket = None
        self._remember(outcome)
        self._tell(*words(outcome))


def words(outcome: OutcomeLike) -> tuple[str, str]:
    """Return title and text for how a request ended."""
    if outcome.reply is not None:
        return f"{outcome.target} answered in {trip(outcome.reply.seconds)}", preview(outcome.reply.data, PREVIEW)
    return f"{outcome.target}: {verdict(outcome.ending)}", outcome.error or ""
