"""Host names looked up where a resolver that never answers holds up neither the loop nor the end of the program."""

import asyncio
import socket
from typing import Any, Final, TypeAlias

from core.aio.aside import aside

PATIENCE: Final = 15.0  # seconds; glibc itself gives up after 10 with one name server, and tries the next one then
MOST_AT_ONCE: Final = 32  # threads; each may be stuck for as long as the system's resolver likes

Found: TypeAlias = list[tuple[Any, ...]]

_under_way = 0


async def look_up(host: str, port: int, family: int, kind: int) -> Found:
    """Return what `socket.getaddrinfo` does. Raises OSError: what it says, or that it does not answer."""
    global _under_way
    if _under_way >= MOST_AT_ONCE:
        raise OSError(f"{MOST_AT_ONCE} names are being looked up already")

    def ask() -> Found:
        global _under_way
        try:
            return list(socket.getaddrinfo(host, port, family=family, type=kind))
        finally:
            _under_way -= 1

    _under_way += 1
    try:
        return await aside(ask, PATIENCE)
    except TimeoutError:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        raise OSError(f"the name server did not answer within {PATIENCE:g} s") from None
