"""Share a service from a machine without a screen, until Ctrl-C. Then run examples/consume.py, here or elsewhere.

Run it: .venv/bin/python examples/share.py [host:port of a grape that both machines can reach]
"""

import asyncio
import contextlib
import sys

from core.news.events import Announced, PeerEvent, RequestServed
from core.peer import PeerConfig, open_peer


def tell(event: PeerEvent) -> None:
    """Print what happens; `core.news.events` has every kind of event."""
    match event:
        case Announced(service=name, nodes=nodes):
            print(f"{name} is announced at {nodes} grapes", flush=True)
        case RequestServed(caller=caller, service=name):
            print(f"{caller} called {name}", flush=True)


async def main() -> None:
    """Share the demo service for as long as the program runs."""
    config = PeerConfig(bootstrap=tuple(sys.argv[1:]) or None)
    async with open_peer(config, tell) as peer:
        await peer.share("fibonacci")
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
