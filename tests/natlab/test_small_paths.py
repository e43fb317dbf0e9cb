"""A router in the middle passes less than both ends' links: whatever it says or keeps to itself, all bytes arrive."""

from collections.abc import Iterator

import pytest

from tests.natlab.lab import PUBLIC, Lab, nat_lab
from tests.natlab.test_rebinding import talker
from tests.support.process import node

pytestmark = [pytest.mark.natlab, pytest.mark.asyncio]

BYTES = 65_536 * 8
_HEADERS = 28  # bytes of IP and UDP


@pytest.fixture
def lab() -> Iterator[Lab]:
    with nat_lab() as lab:
        yield lab


@pytest.mark.parametrize(("mtu", "mute"), [(1280, False), (600, True)], ids=["1280, tells", "600, mute"])
async def test_our_transfers_arrive(lab: Lab, mtu: int, *, mute: bool) -> None:
    lab.narrow(mtu, mute=mute)
    async with (
        talker(lab.in_public, role="sink", port=7000) as sink,
        talker(lab.in_home, role="pour", to=f"{PUBLIC}:7000", bytes=BYTES) as pourer,
        talker(lab.in_public, role="source", port=7001, bytes=BYTES) as source,
        talker(lab.in_home, role="fetch", to=f"{PUBLIC}:7001", bytes=BYTES) as fetcher,
    ):
        for taker, giver in ((sink, pourer), (fetcher, source)):
            got, given = await taker.event("swallowed", timeout=30.0), await giver.event("poured")
            assert (got["bytes"], got["sha256"]) == (BYTES, given["sha256"])
            assert given["packet_bytes"] <= mtu - _HEADERS


@pytest.mark.parametrize("mtu", [pytest.param(1280, marks=pytest.mark.slow), 600])
async def test_transfers_with_libutp_arrive(lab: Lab, mtu: int) -> None:
    lab.narrow(mtu)
    async with (
        node("peer", {"role": "sink", "port": 7000}, inside=lab.in_public) as sink,
        talker(lab.in_home, role="pour", to=f"{PUBLIC}:7000", bytes=BYTES) as pourer,
        node("peer", {"role": "source", "port": 7001}, inside=lab.in_public) as source,
        talker(lab.in_home, role="fetch", to=f"{PUBLIC}:7001", bytes=BYTES) as fetcher,
    ):
        for taker, giver in ((sink, pourer), (fetcher, source)):
            got = await taker.event("swallowed", timeout=30.0)
            assert (got["bytes"], got["sha256"]) == (BYTES, (await giver.event("poured"))["sha256"])
