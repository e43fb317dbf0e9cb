"""Host names looked up where a resolver that never answers holds up neither the loop nor the end of the program."""

import asyncio
import ipaddress
import socket
from typing import Any, Final, TypeAlias

from core.aio.aside import in_thread

PATIENCE: Final = 15.0  # seconds; glibc itself gives up after 10 with one name server, and tries the next one then
MOST_AT_ONCE: Final = 32  # threads; each may be stuck for as long as the system's resolver likes

Found: TypeAlias = list[tuple[Any, ...]]
_Asked: TypeAlias = tuple[asyncio.AbstractEventLoop, str, int, int, int]

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
_under_way = 0  # threads
_shared: dict[_Asked, asyncio.Future[Found]] = {}  # look-ups that others may wait for too


async def look_up(host: str, port: int, family: int, kind: int) -> Found:
    """Return what `socket.getaddrinfo` does. Raises OSError: what it says, or that it does not answer.

    An address is no name: it takes no thread. Who asks for what is being looked up already waits for the same thread,
    so that a flood of streams to one port takes one.
    """
    if _is_address(host):
        return list(socket.getaddrinfo(host, port, family=family, type=kind, flags=_NUMERIC))
    asked = (asyncio.get_running_loop(), host, port, family, kind)
    answer = _shared.get(asked) or _ask(asked)
    try:
        async with asyncio.timeout(PATIENCE):
            return list(await asyncio.shield(answer))
    except TimeoutError:
        if _shared.get(asked) is answer:
            del _shared[asked]  # the next one tries again
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        raise OSError(f"the name server did not answer within {PATIENCE:g} s") from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _ask(asked: _Asked) -> asyncio.Future[Found]:
    """Begin a look-up in a thread of its own. Raises OSError when there are too many."""
    global _under_way
    if _under_way >= MOST_AT_ONCE:
        raise OSError(f"{MOST_AT_ONCE} names are being looked up already")
    _, host, port, family, kind = asked

    def work() -> Found:
        global _under_way
        try:
            return list(socket.getaddrinfo(host, port, family=family, type=kind))
        finally:
            _under_way -= 1

    _under_way += 1
    answer = _shared[asked] = in_thread(work)

    def over(answer: asyncio.Future[Found]) -> None:
        if _shared.get(asked) is answer:
            del _shared[asked]

    answer.add_done_callback(over)
    return answer
