"""Tells the user once when a new peer punches through, accepts an invitation, or asks for a service it may not call: a
desktop notification that opens the row in question when clicked.

A notification service may read markup in the text, and says so when it is asked; the text is escaped for one that does.

On Linux it goes over D-Bus (`org.freedesktop.Notifications`), spoken here on the loop: `QSystemTrayIcon.showMessage`
would replace the tray's tooltip while it lasts. Elsewhere, and where nobody answers on D-Bus, the tray shows it.
"""

import asyncio
import contextlib
import html
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QTimer

from core.aio.tasks import TaskSet
from core.errors import LocalError
from core.news.events import PeerEvent, PendingRequest, PunchReceived
from core.news.joins import InvitationAccepted
from core.values import Address
from desktop.models.safe import lines, shown, unmarked

if TYPE_CHECKING:
    from jeepney import DBusAddress  # type: ignore[import-untyped]
    from jeepney.io.asyncio import DBusRouter  # type: ignore[import-untyped]

GATHER_SECONDS = 1.0  # peers that come within a second are one notification
QUIET_SECONDS = 10.0  # and no second one follows sooner than this
CALL_SECONDS = 5.0  # a notification service that does not answer by then is as good as none
MAX_NAMED = 3  # addresses written out; of the others there is the number
MAX_GATHERED = 1000  # peers in one notification; beyond that they are not told apart anyway
MAX_TEXT = 400  # characters of a notification's text
EXPIRE_MS = -1  # as the user set it in the desktop

log = logging.getLogger(__name__)


class Balloon(Protocol):
    """The tray's way to show a message."""

    def show_message(self, title: str, text: str, clicked: Callable[[], None]) -> bool:
        """Show it; False when that is not possible."""


class Notifier(QObject):
    """Listens to events and notifies. `wanted()` is the user's setting, `focused()` whether the window is looked at."""

    def __init__(
        self,
        balloon: Balloon,
        reveal: Callable[[Address], None],
        reveal_pending: Callable[[], None] = lambda: None,
        reveal_people: Callable[[], None] = lambda: None,
        *,
        wanted: Callable[[], bool],
        focused: Callable[[], bool],
        ours: Callable[[Address], bool] = lambda _address: False,
        parent: QObject | None = None,
    ) -> None:
        """`ours` tells this peer's own addresses: it meets itself when it shares and consumes at once."""
        super().__init__(parent)
        self._balloon, self._reveal, self._reveal_pending = balloon, reveal, reveal_pending
        self._reveal_people = reveal_people
        self._wanted, self._focused, self._ours = wanted, focused, ours
        self._gathered: dict[Address, None] = {}  # ordered
        self._asked: list[PendingRequest] = []
        self._joined: list[InvitationAccepted] = []
        self._tasks = TaskSet("notifications")
        self._bus = DesktopBus(self._tasks) if sys.platform == "linux" else None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._tell)
        self._quiet = QTimer(self)
        self._quiet.setSingleShot(True)

    def on_events(self, events: Sequence[PeerEvent]) -> None:
        """Take a batch of the bridge."""
        for event in events:
            if isinstance(event, PunchReceived) and event.first and len(self._gathered) < MAX_GATHERED:
                if not self._ours(event.peer):
                    self._gathered.setdefault(event.peer)
            elif isinstance(event, PendingRequest) and len(self._asked) < MAX_GATHERED:
                self._asked.append(event)
            elif isinstance(event, InvitationAccepted) and len(self._joined) < MAX_GATHERED:
                self._joined.append(event)
        if (self._gathered or self._asked or self._joined) and not self._timer.isActive():
            wait = GATHER_SECONDS * 1000
            self._timer.start(int(max(wait, self._quiet.remainingTime())))

    async def aclose(self) -> None:
        """End what is under way. Idempotent."""
        self._timer.stop()
        await self._tasks.aclose()

    def _tell(self) -> None:
        peers, asked, joined = tuple(self._gathered), tuple(self._asked), tuple(self._joined)
        self._gathered.clear()
        self._asked.clear()
        self._joined.clear()
        if not (peers or asked or joined) or not self._wanted() or self._focused():
            return
        self._quiet.start(int(QUIET_SECONDS * 1000))
        if asked:  # somebody waits for an answer: that is worth more than somebody who is there
            title, text, clicked = *asking_words(asked), self._reveal_pending
        elif joined:
            title, text, clicked = *joined_words(joined), self._reveal_people
        else:
            title, text, clicked = *words(peers), partial(self._reveal, peers[0])
        self.tell(title, text, clicked)

    def tell(
        self, title: str, text: str, clicked: Callable[[], None], otherwise: Callable[[str], None] | None = None
    ) -> None:
        """Show a notification now, whatever the settings; `otherwise` hears both as one sentence where none can be."""
        with contextlib.suppress(LocalError):  # closing
            self._tasks.spawn(self._show(title, text, clicked, otherwise), name="notification")

    async def _show(
        self, title: str, text: str, clicked: Callable[[], None], otherwise: Callable[[str], None] | None
    ) -> None:
        title, text = shown(title), lines(text, MAX_TEXT)
        if self._bus is not None and await self._bus.notify(title, text, clicked):
            return
        if not self._balloon.show_message(title, text, clicked) and otherwise is not None:
            otherwise(f"{title}: {text}")


def words(peers: Sequence[Address]) -> tuple[str, str]:
    """Return title and text for the peers that came."""
    named = ", ".join(str(peer) for peer in peers[:MAX_NAMED])
    if len(peers) == 1:
        return "A new peer punched through", f"{named} can reach this computer now."
    more = f" and {len(peers) - MAX_NAMED} more" if len(peers) > MAX_NAMED else ""
    return f"{len(peers)} new peers punched through", f"{named}{more} can reach this computer now."


def asking_words(asked: Sequence[PendingRequest]) -> tuple[str, str]:
    """Return title and text for the peers that asked for a service they may not call."""
    newest = asked[-1]
    who = shown(newest.name) if newest.name else f"A stranger, {newest.peer_id},"
    others = len({(each.peer_id, each.service) for each in asked}) - 1
    more = f" {others} more {'waits' if others == 1 else 'wait'}." if others else ""
    return "A peer asks to be let in", f"{who} asks for {shown(newest.service)}.{more} Accept or refuse in Grapevine."


def joined_words(joined: Sequence[InvitationAccepted]) -> tuple[str, str]:
    """Return title and text for the peers that accepted an invitation."""
    newest = joined[-1]
    shares = ", ".join(shown(each) for each in newest.services)
    may = "everything that you share" if newest.services == ("*",) else shares or "nothing yet"
    others = len({each.peer_id for each in joined}) - 1
    more = f" {others} more {'has' if others == 1 else 'have'} come too." if others else ""
    return f"{shown(newest.name)} accepted your invitation", f"You know each other now. May use: {may}.{more}"


class DesktopBus:
    """`org.freedesktop.Notifications` on the session bus. The connection opens with the first one and stays."""

    def __init__(self, tasks: TaskSet) -> None:
        self._tasks = tasks
        self._router: DBusRouter | None = None
        self._listener: asyncio.Task[None] | None = None
        self._clicked: dict[int, Callable[[], None]] = {}
        self._last_id = 0
        self._markup: bool | None = None  # whether the service reads markup; None: it was not asked yet

    async def notify(self, title: str, text: str, clicked: Callable[[], None]) -> bool:
        """Show a notification in place of the last one. False when there is no service that does it."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                router = self._router or await self._connect()
                shown = await self._call(router, title, text)
        except Exception as error:  # jeepney, the bus and the service each have their own; all mean the same here
            log.info("no desktop notification: %r", error)
            self._hang_up()
            return False
        self._last_id = shown
        self._clicked = {shown: clicked}  # the last one is the only one on the screen
        return True

    def _hang_up(self) -> None:
        """Let the next notification open a new connection."""
        self._router, self._last_id, self._markup = None, 0, None
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None

    async def _connect(self) -> "DBusRouter":
        if not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
            raise LocalError("there is no session bus")
        ready: asyncio.Future[DBusRouter] = asyncio.get_running_loop().create_future()
        self._listener = self._tasks.spawn(self._listen(ready), name="notification clicks")
        return await ready

    async def _listen(self, ready: "asyncio.Future[DBusRouter]") -> None:
        """Keep the connection, and hear clicks until it is hung up."""
        from jeepney import MatchRule, message_bus
        from jeepney.io.asyncio import DBusRouter, open_dbus_connection

        rule = MatchRule(type="signal", interface="org.freedesktop.Notifications", member="ActionInvoked")
        try:
            # not jeepney's open_dbus_router: that one leaves the socket open when the bus hangs up first
            async with await open_dbus_connection(bus="SESSION") as connection, DBusRouter(connection) as router:
                with router.filter(rule, bufsize=16) as clicks:
                    await router.send_and_get_reply(message_bus.AddMatch(rule))
                    self._router = router
                    if not ready.done():
                        ready.set_result(router)
                    while True:
                        self._on_click(*(await clicks.get()).body)
        except (OSError, EOFError, KeyError, ValueError) as error:
            log.info("session bus: %r", error)
        finally:
            if not ready.done():
                ready.set_exception(LocalError("the session bus does not answer"))

    def _on_click(self, number: int, action: str) -> None:
        clicked = self._clicked.pop(number, None)
        if clicked is not None and action == "default":
            clicked()

    async def _call(self, router: "DBusRouter", title: str, text: str) -> int:
        from jeepney import DBusAddress, MessageType, new_method_call

        service = DBusAddress(
            "/org/freedesktop/Notifications", "org.freedesktop.Notifications", "org.freedesktop.Notifications"
        )
        hints = {"desktop-entry": ("s", "grapevine")}
        if self._markup is None:
            self._markup = await self._reads_markup(router, service)
        text = html.escape(text, quote=False) if self._markup else text
        act = ["default", "Show it"]
        body = ("Grapevine", self._last_id, "grapevine", unmarked(title), text, act, hints, EXPIRE_MS)
        reply = await router.send_and_get_reply(new_method_call(service, "Notify", "susssasa{sv}i", body))
        if reply.header.message_type is not MessageType.method_return:
            raise LocalError(f"the notification service refused: {reply.body}")
        number: int = reply.body[0]
        return number

    async def _reads_markup(self, router: "DBusRouter", service: "DBusAddress") -> bool:
        """Ask the service whether it takes the text for markup; one that does not say so is taken to read it."""
        from jeepney import MessageType, new_method_call

        reply = await router.send_and_get_reply(new_method_call(service, "GetCapabilities"))
        if reply.header.message_type is not MessageType.method_return:
            return True
        return "body-markup" in reply.body[0]
