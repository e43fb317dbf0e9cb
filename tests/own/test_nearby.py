"""When peers on the network are looked for, and that our own grape joins theirs."""

import asyncio

import pytest

from core.directory.access import GrapeAccess
from core.lan.instance import Instance, Offer
from core.lan.wire import OnGone, OnSeen, Wire
from core.news.hub import Hub
from core.own.addresses import OwnAddresses
from core.own.nearby import look_nearby
from core.own.networks import Networks
from core.profile.config import PeerConfig
from core.profile.settings import Settings
from core.values import Address

FRIEND = Address("192.168.1.9", 20001)
HERE = Networks(("192.168.1.2",))


class NoWire:
    """A network on which one other peer is heard at once."""

    async def tell(self, offer: Offer) -> None:
        """See Wire."""

    async def aclose(self) -> None:
        """See Wire."""


async def one_peer(offer: Offer, on_seen: OnSeen, on_gone: OnGone) -> Wire:
    on_seen(Instance("f" * 20, (FRIEND,), 41000))
    return NoWire()


async def asked(config: PeerConfig) -> list[Address] | None:
    """Return the grapes that ours would ask with this configuration; None: nobody is looked for."""
    wanted: list[Address] = []

    def may_ask(address: Address, now: float) -> bool:
        wanted.append(address)
        return False  # nothing leaves

    access = GrapeAccess(config, lambda grape: None)
    async with access:
        lan = look_nearby(
            config, Hub(), access, OwnAddresses("0.0.0.0", 41000, read=lambda: HERE), 41000, may_ask, one_peer
        )
        if lan is None:
            return None
        await asyncio.sleep(0.1)
        assert access.snapshot().nodes == 0
        await lan.aclose()
    return wanted


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("config", "environment", "looked"),
    [
        (PeerConfig(dht_port=0, api_port=0, lan=True), "on", True),
        (PeerConfig(dht_port=0, api_port=0, lan=True), "off", False),
        (PeerConfig(dht_port=0, api_port=0), "on", False),
        (PeerConfig(dht_port=0, api_port=0, lan=True, bootstrap=()), "on", False),
        (PeerConfig(dht_port=0, api_port=0, lan=True, bootstrap=("127.0.0.1:9",)), "on", False),
        (PeerConfig(lan=True, grapes=("http://127.0.0.1:9",)), "on", False),
    ],
)
async def test_when_they_are_looked_for(
    config: PeerConfig, environment: str, looked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPEVINE_LAN", environment)
    assert await asked(config) == ([FRIEND] if looked else None)


def test_the_setting_is_on_and_a_damaged_file_turns_it_off() -> None:
    assert Settings().lan
    assert PeerConfig.from_settings(Settings()).lan
    assert not Settings().closed().lan
