"""Python calls that one small request costs, caller and called peer together in one process.

    python -m benchmarks.calls

Counted by `sys.setprofile`: calls of Python functions, and of the built-in ones. Figures do not depend on the machine.
"""

import asyncio
import sys
from collections import Counter
from types import FrameType

from core.peer import open_peer
from core.profile.config import PeerConfig
from core.trust.audience import Audience

REQUESTS = 500


async def counted(requests: int = REQUESTS) -> tuple[float, float, Counter[str]]:
    """Return the Python calls and the built-in calls of a request, and the former by function."""
    config = PeerConfig(bootstrap=(), audiences={"fibonacci": Audience.ANYONE})
    calls: Counter[str] = Counter()
    async with open_peer(config) as worker, open_peer(config) as caller:
        await worker.share("fibonacci")
        address = worker.snapshot().address
        if address is None:
            raise AssertionError("the peer has no address")
        target = f"127.0.0.1:{address.port}"
        for _ in range(50):
            await caller.request(target, {"length": 10})

        def note(frame: FrameType, event: str, _: object) -> None:
            if event == "call":
                code = frame.f_code
                calls[f"{code.co_filename.rpartition('/')[2]}:{code.co_qualname}"] += 1
            elif event == "c_call":
                calls["built-in"] += 1

        sys.setprofile(note)
        for _ in range(requests):
            await caller.request(target, {"length": 10})
        sys.setprofile(None)
    builtin = calls.pop("built-in")
    return calls.total() / requests, builtin / requests, calls


if __name__ == "__main__":
    python, builtin, by_function = asyncio.run(counted())
    print(f"{python:.1f} Python calls and {builtin:.1f} built-in calls a request")
    for name, count in by_function.most_common(90):
        if count >= REQUESTS / 2:
            print(f"{count / REQUESTS:8.2f}  {name}")
