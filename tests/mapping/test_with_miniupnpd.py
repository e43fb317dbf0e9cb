"""A peer at home behind `miniupnpd`: somebody outside asks it, though neither knows a broker, and nothing is left."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mapping.router import Router, router
from tests.natlab.namespaces import inside
from tests.support.process import grapevine

pytestmark = [pytest.mark.natlab, pytest.mark.slow, pytest.mark.asyncio]

ON = {"GRAPEVINE_LAN": "off", "GRAPEVINE_PORT_MAPPING": "on"}
FIBONACCI = [1, 1, 2, 3, 5]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Router]:
    with router(tmp_path) as made:
        yield made


@pytest.mark.parametrize(("pcp", "upnp", "how"), [(True, False, "PCP"), (False, True, "UPnP"), (True, True, "PCP")])
async def test_somebody_outside_gets_in(home: Router, tmp_path: Path, *, pcp: bool, upnp: bool, how: str) -> None:
    home.start(pcp=pcp, upnp=upnp)
    share = ("share", "fibonacci", "--audience", "anyone", "--port", "41234")
    async with grapevine(*share, inside=home.at_home, home=tmp_path / "home", env=ON) as worker:
        told = await worker.event("nat", lambda event: event["port"] is not None)
        assert (told["port"], told["reachable"]) == ("11.0.0.1:41234", True)
        assert how in told["port_message"]
        asked = ("request", "11.0.0.1:41234", '{"length": 5}')
        async with grapevine(*asked, inside=inside(home.outside), home=tmp_path / "far", env=ON) as caller:
            assert (await caller.event("reply"))["data"] == FIBONACCI
            assert await caller.wait() == 0
        worker.send_signal(signal.SIGTERM)
        await worker.wait()
    assert "41234" not in home.forwarded(), "the port was not given back"
