"""Python calls that one small request costs, caller and called peer together in one process.

    python -m benchmarks.calls

Counted by `sys.setprofile`: calls of Python functions, and of the built-in ones. Figures do not depend on the machine.
"""

import asyncio
import sys
from collections import Counter
from itertools import pairwise
from statistics import median
from types import FrameType

from core.peer import open_peer
from core.profile.config import PeerConfig
from core.trust.audience import Audience

REQUESTS = 500


async def counted(requests: int = REQUESTS) -> tuple[float, float, Counter[str]]:
    """Return the Python calls and the built-in calls of a request, medians, and the former of all by function.

    On a busy machine some requests take rounds of the loop and timers besides; the median request does not.
    """
    config = PeerConfig(bootstrap=(), audiences={"fibonacci": Audience.ANYONE})
    calls: Counter[str] = Counter()
    each: list[tuple[int, int]] = []  # Python and built-in calls so far, after each request
    async with open_peer(config) as worker, open_peer(config) as caller:
        await worker.share("fibonacci")
        address = worker.snapshot().address
        if address is None:
            raise AssertionError("the peer has no address")
        target = f"127.0.0.1:{address.port}"
        for _ in range(50):
            await caller.request(target, {"length": 10})

        python = builtin = 0

        def note(frame: FrameType, event: str, _: object) -> None:
            nonlocal python, builtin
            if event == "call":
                python += 1
                code = frame.f_code
                calls[f"{code.co_filename.rpartition('/')[2]}:{code.co_qualname}"] += 1
            elif event == "c_call":
                builtin += 1

        sys.setprofile(note)
        for _ in range(requests):
            await caller.request(target, {"length": 10})
            each.append((python, builtin))
        sys.setprofile(None)
    costs = [(p - before_p, b - before_b) for (before_p, before_b), (p, b) in pairwise(each)]
    return median(p for p, _ in costs), median(b for _, b in costs), calls


if __name__ == "__main__":
    python, builtin, by_function = asyncio.run(counted())
    print(f"{python:.1f} Python calls and {builtin:.1f} built-in calls a request")
    for name, count in by_function.most_common(90):
        if count >= REQUESTS / 2:
            print(f"{count / REQUESTS:8.2f}  {name}")
