"""A network whose resolver leads all names to one place: it is recognised and said once, and nothing is sent there."""

import asyncio
from pathlib import Path

import pytest

from core.errors import LocalError
from core.news.public import PublicDhtChanged
from core.profile.fields import PUBLIC_DHT
from core.public.joining import SIGN_IN
from core.public.portal import leads_astray
from core.values import Address
from tests.mainline.cloud import Cloud
from tests.public.test_service import Somebody, flowing, until
from tests.support.virtual_time import run

NAMES = [Address.parse(each).host for each in PUBLIC_DHT]
ONE, OTHER = "11.0.9.1", "11.0.9.2"
HERE = "192.168.5.1"


@pytest.mark.parametrize(
    ("found", "where"),
    [
        ({each: HERE for each in NAMES}, HERE),
        ({NAMES[0]: HERE}, HERE),
        ({NAMES[0]: HERE, NAMES[1]: "10.0.0.1"}, HERE),
        ({each: "127.0.0.1" for each in NAMES}, "127.0.0.1"),
        ({each: ONE for each in NAMES}, ONE),
        ({each: ONE for each in NAMES[:2]}, ""),
        ({NAMES[0]: HERE, NAMES[1]: ONE}, ""),
        ({NAMES[0]: ONE, NAMES[1]: OTHER, NAMES[2]: ONE}, ""),
        ({}, ""),
    ],
)
def test_names_that_all_lead_to_one_place(found: dict[str, str], where: str) -> None:
    assert leads_astray(NAMES, found) == where


def test_what_its_owner_wrote_for_a_home_network_is_meant() -> None:
    assert leads_astray(["node.home"], {"node.home": HERE}) == ""
    assert leads_astray(["10.0.0.1", "10.0.0.2"], {"10.0.0.1": "10.0.0.1", "10.0.0.2": "10.0.0.2"}) == ""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Answer for names; the dictionary has the answers, and what is not in it has no address."""
    answers: dict[str, str] = {}

    async def resolve(address: Address) -> Address:
        if address.host not in answers:
            raise LocalError("no such name")
        return Address(answers[address.host], address.port)

    monkeypatch.setattr("core.public.joining.resolve_4", resolve)
    return answers


def test_it_is_said_once_and_goes_on_after_somebody_has_signed_in(asked: dict[str, str], tmp_path: Path) -> None:
    async def scene() -> None:
        cloud = Cloud(200)
        anna = Somebody(cloud, 1, [Address(f"node{number}.example", 6881) for number in range(3)])
        for number in range(3):
            asked[f"node{number}.example"] = HERE
        with flowing(cloud):
            await anna.public.switch(True)
            await asyncio.sleep(300.0)
            said = [each.message for each in anna.events if isinstance(each, PublicDhtChanged)]
            assert len([each for each in said if HERE in each]) == 1, said
            assert "sign in" in anna.public.snapshot().message
            assert cloud.packets[anna.socket.address] == 0
            for number, node in enumerate(cloud.living(3)):
                asked[f"node{number}.example"] = node.host
            took = await until(lambda: anna.public.snapshot().nodes >= 8, SIGN_IN + 10.0)
            assert took <= SIGN_IN + 5.0
            assert "friends can find this peer" in anna.public.snapshot().message
            await anna.public.aclose()

    run(scene())
