"""A peer with IPv6 behind `miniupnpd`: its firewall drops who asks from outside, until it was asked for a pinhole."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mapping.router import HOME_6, Router, router
from tests.natlab.namespaces import inside
from tests.support.process import grapevine

pytestmark = [pytest.mark.natlab, pytest.mark.slow, pytest.mark.asyncio]

ON = {"GRAPEVINE_LAN": "off", "GRAPEVINE_PORT_MAPPING": "on"}
OFF = {"GRAPEVINE_LAN": "off"}
FIBONACCI = [1, 1, 2, 3, 5]
THERE = f"[{HOME_6}]:41234"
SHARE = ("share", "fibonacci", "--audience", "anyone", "--port", "41234")
ASKED = ("request", THERE, '{"length": 5}', "--timeout", "8")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Router]:
    with router(tmp_path) as made:
        yield made


@pytest.mark.parametrize("four", [True, False], ids=["both", "six-only"])
@pytest.mark.parametrize(("pcp", "upnp", "how"), [(True, False, "PCP"), (False, True, "UPnP"), (True, True, "PCP")])
async def test_somebody_outside_gets_in(
    home: Router, tmp_path: Path, *, four: bool, pcp: bool, upnp: bool, how: str
) -> None:
    home.add_six(four=four)
    home.start(pcp=pcp, upnp=upnp)
    async with grapevine(*SHARE, inside=home.at_home, home=tmp_path / "home", env=ON) as worker:
        told = await worker.event("nat", lambda event: event["port_6"] is not None)
        assert told["port_6"] == THERE
        assert how in told["port_6_message"]
        assert told["reachable"] is (told["port"] is not None or not four)
        async with grapevine(*ASKED, inside=inside(home.outside), home=tmp_path / "far", env=OFF) as caller:
            reply = await caller.event("reply")
            assert (reply["data"], reply["from"]) == (FIBONACCI, THERE)
            assert await caller.wait() == 0
        assert "41234" in home.let_in()
        worker.send_signal(signal.SIGTERM)
        await worker.wait()
    assert "41234" not in home.let_in(), "the pinhole was not closed"


async def test_with_the_switch_off_nobody_gets_in(home: Router, tmp_path: Path) -> None:
    home.add_six(four=False)
    home.start(pcp=True, upnp=True)
    async with grapevine(*SHARE, inside=home.at_home, home=tmp_path / "home", env=OFF) as worker:
        await worker.event("announced")
        async with grapevine(*ASKED, inside=inside(home.outside), home=tmp_path / "far", env=OFF) as caller:
            assert await caller.wait() != 0
        assert "41234" not in home.let_in()
