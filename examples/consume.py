"""Ask every worker that is found for the first ten Fibonacci numbers, and end with the first answer.

Run it: .venv/bin/python examples/consume.py [host:port of a grape that both machines can reach]
"""

import asyncio
import sys

from core.news.events import PeerEvent, ReplyReceived
from core.peer import PeerConfig, open_peer


async def main() -> None:
    """Consume the demo service: workers are looked up, met through their routers, and asked."""
    replies = asyncio.Queue[ReplyReceived]()

    def tell(event: PeerEvent) -> None:
        if isinstance(event, ReplyReceived):
            replies.put_nowait(event)

    async with open_peer(PeerConfig(bootstrap=tuple(sys.argv[1:]) or None), tell) as peer:
        await peer.consume("fibonacci", {"length": 10})
        reply = await replies.get()
        print(f"{reply.peer} answered {reply.data}")


if __name__ == "__main__":
    asyncio.run(main())
