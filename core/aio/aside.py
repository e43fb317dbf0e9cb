"""Calls that may block for ever, as a locked keyring does, made where they hold up neither the loop nor the exit."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(function: Callable[[], T], seconds: float) -> T:
    """Run `function` in a thread of its own and return its result. Raises TimeoutError, and what it raises.

    After a time-out the thread stays blocked as long as it likes. It is a daemon: unlike an executor's it is not
    waited for when the program ends.
    """
    done = in_thread(function)
    async with asyncio.timeout(seconds):
        return await done


def in_thread(function: Callable[[], T]) -> "asyncio.Future[T]":
    """Run `function` in a thread of its own, as `aside` does; return its result to be waited for, or not."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
            done.exception()  # somebody may have stopped waiting, which is no fault
        else:
            done.set_result(result)  # type: ignore[arg-type]  # None only where T has it

    def work() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = function()
        except BaseException as failure:
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="grapevine aside", daemon=True).start()
    return done
