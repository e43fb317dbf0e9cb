"""What an accepted connection tells of its other side's address."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.aio.tasks import TaskSet
from core.secure.frames import ALPN, STREAMS
from core.values import Address
from core.wiring import accept
from tests.trust.people import BOB

pytestmark = pytest.mark.asyncio
CALLER = Address("11.0.0.7", 4321)


class Admitted:
    """A connection whose handshake is over."""

    remote = CALLER
    peer_id = BOB

    def __init__(self, protocol: bytes) -> None:
        self.protocol = protocol


class Parts:
    """Server, handshakes and tunnels in one."""

    def __init__(self) -> None:
        self.lodgers: list[Admitted] = []

    def welcomes(self, remote: Address) -> bool:
        return True

    async def admit(self, stream: Admitted) -> Admitted:
        return stream

    async def serve(
        self, stream: Admitted, admit: Callable[[], Awaitable[Admitted]], other: Callable[[Admitted], object]
    ) -> None:
        other(await admit())

    def lodger(self, admitted: Admitted) -> object:
        self.lodgers.append(admitted)
        return self


@pytest.mark.parametrize("protocol", [STREAMS, ALPN])
async def test_a_handshake_for_byte_streams_validates_the_address(protocol: bytes) -> None:
    """Requests do so when they are served; byte streams may never ask one."""
    parts: Any = Parts()
    validated: list[Address] = []
    tasks = TaskSet("test")
    met: list[object] = []
    hear = accept(tasks, parts, parts, parts, validated.append, lambda *who: met.append(who))
    hear(Admitted(protocol))  # type: ignore[arg-type]
    await tasks.settle(1.0)
    assert met == ([(BOB, CALLER)] if protocol == STREAMS else [])
    assert validated == ([CALLER] if protocol == STREAMS else [])
    assert len(parts.lodgers) == len(validated)
