"""Wait for what another task, or the kernel, will do in a moment."""

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], bool], *, timeout: float = 5.0) -> None:
    """Return as soon as `condition()` holds; TimeoutError after `timeout` seconds."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - what is waited for is the kernel's, it sets no event
            await asyncio.sleep(0.001)
