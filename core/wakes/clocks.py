"""Reading the clocks that show a sleep, and hearing of one from systemd's logind where there is one."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from core.wakes.detector import Clocks

_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
_LOGIND: Final = {
    "type": "signal", "interface": "org.freedesktop.login1.Manager", "path": "/org/freedesktop/login1",
    "member": "PrepareForSleep",
}  # fmt: skip
_BUS: Final = Path("/run/dbus/system_bus_socket")
_CONNECTING: Final = 5.0  # seconds for the system's bus to answer
_log = logging.getLogger(__name__)


def read_clocks() -> Clocks:
    """Read both clocks."""
    if _BOOT is not None:
        return Clocks(time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(_BOOT), exact=True)
    return Clocks(time.monotonic(), time.time(), exact=False)


async def hear_of_sleep(woke: Callable[[], None]) -> None:
    """Call `woke()` each time that logind tells of the end of a sleep; return where nobody tells.

    `jeepney` (which `keyring` brings on Linux) speaks D-Bus in Python; without it, or the bus, the clocks tell.
    """
    if not os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") and not _BUS.exists():
        return
    try:
        from jeepney import MatchRule, message_bus  # type: ignore[import-untyped]
        from jeepney.io.asyncio import DBusRouter, open_dbus_connection  # type: ignore[import-untyped]
    except ImportError:
        return
    try:
        async with asyncio.timeout(_CONNECTING):
            connection = await open_dbus_connection("SYSTEM")
    except Exception as error:  # jeepney and the bus each have their own; all mean that nobody tells
        _log.debug("logind is not heard: %s", error)
        return
    async with connection, contextlib.AsyncExitStack() as stack:
        try:
            router = await stack.enter_async_context(DBusRouter(connection))
            rule = MatchRule(**_LOGIND)
            async with asyncio.timeout(_CONNECTING):
                await router.send_and_get_reply(message_bus.AddMatch(rule))
            with router.filter(rule) as queue:
                while True:
                    begins = (await queue.get()).body[0]
                    _log.debug("logind tells of the %s of a sleep", "begin" if begins else "end")
                    if not begins:
                        woke()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # as above; the clocks go on telling
            _log.debug("logind is no longer heard: %s", error)
