"""A service of your own, and a client that calls it. Both run in this program; on two machines it is the same code.

Run it: .venv/bin/python examples/greeting.py
"""

import asyncio

from core.news.events import Announced, PeerEvent
from core.peer import PeerConfig, open_peer
from core.services.service import Caller, PayloadError, Registry
from core.trust.audience import Audience
from core.values import JsonValue


class Greeting:
    """Answers `{"name": "Ada"}` with a greeting."""

    name = "greeting"
    description = "A greeting for a name"

    def __init__(self) -> None:
        self.example: JsonValue = {"name": "Ada"}

    async def handle(self, payload: JsonValue, caller: Caller) -> JsonValue:
        """Answer one request; the caller gets a PayloadError as a named error."""
        if not isinstance(payload, dict) or "name" not in payload:
            raise PayloadError('expected {"name": "Ada"}')
        return f"Hello, {payload['name']}!"


async def main() -> None:
    """Share the greeting with anyone, and ask for it by its name."""
    announced = asyncio.Event()

    def tell(event: PeerEvent) -> None:
        if isinstance(event, Announced):
            announced.set()

    config = PeerConfig(audiences={"greeting": Audience.ANYONE})  # the default is: only peers that you trust
    async with open_peer(config, tell, registry=Registry(Greeting())) as worker, open_peer() as client:
        await worker.share("greeting")
        await announced.wait()
        reply = await client.request("greeting_worker", {"name": "Ada"})  # so it is called on the grapes
        print(reply.data)


if __name__ == "__main__":
    asyncio.run(main())
