"""A desktop panel on a session bus, without a desktop: StatusNotifier watcher, menu reader and notification service.

Qt registers its tray icon with it. Tests then read tooltip, icon and menu, and click, by D-Bus alone. It speaks
jeepney, in a thread of its own; every call to the program is answered by the program's loop, so calls have a time-out.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from jeepney import (  # type: ignore[import-untyped]
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    message_bus,
    new_error,
    new_method_call,
    new_method_return,
    new_signal,
)
from jeepney.io.blocking import DBusConnection, open_dbus_connection  # type: ignore[import-untyped]

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"
PROPERTIES = "org.freedesktop.DBus.Properties"
NOTIFICATIONS = "org.freedesktop.Notifications"
CALL_SECONDS = 30.0  # a program that does not answer for so long has hung
POLL_SECONDS = 0.1  # how soon the thread notices that it shall end


@dataclass(frozen=True)
class Notification:
    """One call of Notify."""

    number: int
    replaces: int
    title: str
    text: str
    actions: list[str]


@dataclass(frozen=True)
class MenuItem:
    """One line of the menu; `ticked` is None for a line that cannot be ticked."""

    number: int
    label: str
    enabled: bool
    ticked: bool | None
    separator: bool


class Panel:
    """The double. `address` is that of a session bus; `notifications` False leaves that service away.

    `markup`: the service says that it reads markup in a text.
    """

    def __init__(self, address: str, *, notifications: bool = True, markup: bool = False) -> None:
        self._capabilities = ["body", "actions", *(["body-markup"] if markup else [])]
        self.items: list[tuple[str, str]] = []  # bus name and path of every tray item that registered
        self.shown: list[Notification] = []
        self._server = _connect(address)
        self._client = _connect(address)
        self._ended = threading.Event()
        for name in [WATCHER, NOTIFICATIONS] if notifications else [WATCHER]:
            reply = self._server.send_and_get_reply(message_bus.RequestName(name))
            if reply.body[0] != 1:
                raise RuntimeError(f"{name} has an owner already")
        self._thread = threading.Thread(target=self._serve, name="panel", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Panel":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bus, as a panel that crashes."""
        self._ended.set()
        self._thread.join(CALL_SECONDS)
        self._server.close()
        self._client.close()

    # -- what the program says -----------------------------------------------------------------------------------

    def properties(self) -> dict[str, Any]:
        """Return the properties of the newest tray item."""
        body = self._call(self.items[-1][1], PROPERTIES, "GetAll", "s", (ITEM,))
        return {key: value for key, (_, value) in body[0].items()}

    def tooltip(self) -> str:
        """Return the tooltip's text."""
        return str(self.properties()["ToolTip"][2])

    def icon_sizes(self) -> set[int]:
        """Return the widths of the icon's pictures."""
        return {width for width, _, _ in self.properties()["IconPixmap"]}

    def icon(self) -> bytes:
        """Return the largest picture, ARGB."""
        return bytes(max(self.properties()["IconPixmap"])[2])

    def menu(self) -> list[MenuItem]:
        """Return the menu's lines."""
        path = self._menu_path()
        self._call(path, MENU, "AboutToShow", "i", (0,))
        _, layout = self._call(path, MENU, "GetLayout", "iias", (0, -1, []))
        lines = [(number, raw) for _, (number, raw, _) in layout[2]]
        return [_menu_item(number, raw) for number, raw in lines if raw.get("visible", ("b", True))[1]]

    # -- what the user does --------------------------------------------------------------------------------------

    def click(self, label: str) -> None:
        """Choose a line of the menu."""
        number = next(item.number for item in self.menu() if item.label == label)
        self._call(self._menu_path(), MENU, "Event", "isvu", (number, "clicked", ("s", ""), int(time.time())))

    def activate(self) -> None:
        """Click the icon with the left button."""
        self._call(self.items[-1][1], ITEM, "Activate", "ii", (0, 0))

    def click_notification(self, number: int, action: str = "default") -> None:
        """Choose an action of a notification."""
        at = DBusAddress("/org/freedesktop/Notifications", interface=NOTIFICATIONS)
        self._client.send(new_signal(at, "ActionInvoked", "us", (number, action)))

    # -- D-Bus ---------------------------------------------------------------------------------------------------

    def _menu_path(self) -> str:
        return str(self.properties()["Menu"])

    def _call(self, path: str, interface: str, method: str, signature: str, body: tuple[object, ...]) -> Any:  # noqa: ANN401
        message = new_method_call(DBusAddress(path, self.items[-1][0], interface), method, signature, body)
        reply = self._client.send_and_get_reply(message, timeout=CALL_SECONDS)
        if reply.header.message_type is MessageType.error:
            raise RuntimeError(f"{interface}.{method}: {reply.body}")
        return reply.body

    def _serve(self) -> None:
        answers: dict[str, Callable[[Message], Message]] = {
            "RegisterStatusNotifierItem": self._on_register,
            "Get": lambda call: new_method_return(call, "v", (self._watcher_properties()[call.body[1]],)),
            "GetAll": lambda call: new_method_return(call, "a{sv}", (self._watcher_properties(),)),
            "Notify": self._on_notify,
            "GetCapabilities": lambda call: new_method_return(call, "as", (self._capabilities,)),
            "GetServerInformation": lambda call: new_method_return(call, "ssss", ("double", "test", "1", "1.2")),
        }
        while not self._ended.is_set():
            try:
                call = self._server.receive(timeout=POLL_SECONDS)
            except TimeoutError:
                continue
            if call.header.message_type is MessageType.method_call:
                answer = answers.get(call.header.fields.get(HeaderFields.member), _unknown)
                self._server.send(answer(call))

    def _watcher_properties(self) -> dict[str, tuple[str, object]]:
        return {
            "RegisteredStatusNotifierItems": ("as", [name + path for name, path in self.items]),
            "IsStatusNotifierHostRegistered": ("b", True),
            "ProtocolVersion": ("i", 0),
        }

    def _on_register(self, call: Message) -> Message:
        told = call.body[0]  # a path, or a bus name
        sender = call.header.fields[HeaderFields.sender]
        item = (sender, told) if told.startswith("/") else (told, "/StatusNotifierItem")
        self.items.append(item)
        at = DBusAddress("/StatusNotifierWatcher", interface=WATCHER)
        self._server.send(new_signal(at, "StatusNotifierItemRegistered", "s", (item[0] + item[1],)))
        return new_method_return(call)

    def _on_notify(self, call: Message) -> Message:
        _, replaces, _, title, text, actions, _, _ = call.body
        number = replaces or len(self.shown) + 1
        self.shown.append(Notification(number, replaces, title, text, actions))
        return new_method_return(call, "u", (number,))


def _connect(address: str) -> DBusConnection:
    """Open a connection to the bus at `address`, as a daemon prints it: unix:path=...,guid=..."""
    return open_dbus_connection(bus=address)


def _unknown(call: Message) -> Message:
    return new_error(call, "org.freedesktop.DBus.Error.UnknownMethod")


def _menu_item(number: int, raw: dict[str, tuple[str, Any]]) -> MenuItem:
    values = {key: value for key, (_, value) in raw.items()}
    ticked = values.get("toggle-state") == 1 if "toggle-type" in values else None
    label = str(values.get("label", "")).replace("_", "")
    return MenuItem(number, label, values.get("enabled", True), ticked, values.get("type") == "separator")
