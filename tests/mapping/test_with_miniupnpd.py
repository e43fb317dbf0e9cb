"""A peer at home behind `miniupnpd`: somebody outside asks it, though neither knows a broker, and nothing is left."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mapping.router import Router, router
from tests.natlab.namespaces import inside
from tests.support.process import grapevine
from tests.support.tools import ROOT

pytestmark = [pytest.mark.natlab, pytest.mark.slow, pytest.mark.asyncio]

ON = {"GRAPEVINE_LAN": "off", "GRAPEVINE_PORT_MAPPING": "on"}
FIBONACCI = [1, 1, 2, 3, 5]
ASKER = """
import asyncio
from core.mapping.upnp import Upnp

async def main():
    upnp = Upnp("192.168.60.2", "192.168.60.1")
    for _ in range(2):
        mapped = await upnp.map(41234, 0.0)
        print(mapped.address, await upnp.holds(), flush=True)
        await asyncio.to_thread(input)
        print(await upnp.holds(), flush=True)

asyncio.run(main())
"""


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


async def test_a_router_that_begins_again_is_noticed_and_asked_again(home: Router, tmp_path: Path) -> None:
    """It has forgotten the mapping, and answers HTTP at another port: nothing of that is told to anybody."""
    home.start(pcp=False, upnp=True)
    asker = await asyncio.create_subprocess_exec(
        *home.at_home, sys.executable, "-c", ASKER, cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert asker.stdin is not None
    assert asker.stdout is not None
    try:
        async with asyncio.timeout(60.0):
            for _ in range(2):
                assert await asker.stdout.readline() == b"11.0.0.1:41234 True\n"
                assert "41234" in home.forwarded()
                home.stop()
                home.start(pcp=False, upnp=True)
                await asyncio.sleep(1.0)
                asker.stdin.write(b"\n")
                assert await asker.stdout.readline() == b"False\n"
            assert await asker.wait() == 0
    finally:
        if asker.returncode is None:
            asker.kill()
            await asker.wait()


@pytest.mark.parametrize(("pcp", "upnp", "how"), [(True, False, "PCP"), (False, True, "UPnP")])
async def test_a_port_of_http_is_opened_and_announced_as_it_is_outside(
    home: Router, tmp_path: Path, *, pcp: bool, upnp: bool, how: str
) -> None:
    home.start(pcp=pcp, upnp=upnp)
    web = ("--transport", "http,ws", "--listen", "0.0.0.0:1337", "--map")
    async with grapevine("share", "fibonacci", *web, inside=home.at_home, home=tmp_path / "home", env=ON) as worker:
        told = await worker.event("web-port", lambda event: event["outside"] is not None)
        assert (told["port"], told["outside"]) == (1337, "11.0.0.1:1337")
        assert how in told["message"]
        for transport in ("http", "ws"):
            asked = ("request", told["outside"], '{"length": 5}', "--transport", transport)
            async with grapevine(*asked, inside=inside(home.outside), home=tmp_path / "far", env=ON) as caller:
                assert (await caller.event("reply"))["data"] == FIBONACCI
        worker.send_signal(signal.SIGTERM)
        await worker.wait()
    assert "1337" not in home.forwarded(), "the port was not given back"
