"""Services of others that are open here: so many, and the next one is refused in words."""

import pytest

from core.errors import LocalError
from core.identity.identity import Identity
from core.peer_id import PeerId
from core.tunnel.stream import ByteStream
from core.using import uses as uses_module
from core.using.uses import Uses
from core.wire.stream_opening import Opening

FRIEND = Identity.from_secret(bytes([7]) * 32).peer_id


async def nobody(peer_id: PeerId, opening: Opening) -> ByteStream:
    raise AssertionError("nothing is opened before a program connects")


@pytest.mark.asyncio
async def test_beyond_the_bound_nothing_more_is_opened_until_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses_module, "MAX_USES", 2)
    uses = Uses(nobody)
    try:
        first, second = [await uses.open(FRIEND, "Anna", name, "tcp") for name in ("one", "two")]
        assert await uses.open(FRIEND, "Anna", "two", "tcp") == second
        with pytest.raises(LocalError, match="close one first") as caught:
            await uses.open(FRIEND, "Anna", "three", "tcp")
        assert caught.value.name == "ERR_TOO_MANY"
        await uses.close(first)
        await uses.open(FRIEND, "Anna", "three", "tcp")
        assert len(uses.rows()) == 2
    finally:
        await uses.aclose()
