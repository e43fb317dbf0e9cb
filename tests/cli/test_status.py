"""`grapevine status`: connected, alone, unreachable, without a network: each in words, in JSON and as an exit code."""

import shutil
import sys
from pathlib import Path

import pytest

from core.cli.exits import NO_NETWORK, OK
from tests.support.ports import free_port
from tests.support.process import grapevine, until

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("arguments", "state", "code"),
    [
        (("--bootstrap", ""), "alone", OK),
        (("--bootstrap", "127.0.0.1:9"), "unreachable", NO_NETWORK),
        (("--grape", "http://127.0.0.1:9"), "unreachable", NO_NETWORK),
    ],
    ids=["alone", "no bootstrap node answers", "no grape answers"],
)
async def test_it_says_how_this_peer_stands(arguments: tuple[str, ...], state: str, code: int, tmp_path: Path) -> None:
    if state == "alone" and not _network():
        state, code = "no network", NO_NETWORK
    async with grapevine("status", "--no-lan", *arguments, home=tmp_path) as program:
        said = await program.event("status")
        assert await program.wait() == code
    assert said["state"] == state or (not _network() and said["state"] == "no network")
    assert said["message"].casefold().startswith(said["state"]) or "No grape answers" in said["message"]
    assert said["running"] is False


async def test_it_says_that_a_grapevine_of_the_profile_runs(tmp_path: Path) -> None:
    port = free_port()
    share = ("share", "fibonacci", "--no-lan", "--bootstrap", "", "--port", str(port))

    async def told() -> bool:
        async with grapevine("status", "--no-lan", "--bootstrap", "", home=tmp_path) as program:
            return bool((await program.event("status"))["running"])

    async with grapevine(*share, home=tmp_path) as sharing:
        await sharing.event("announced")
        await until(told, "it counts as running: from its first record on")


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("unshare") is None, reason="a network namespace is Linux'")
async def test_without_a_network_it_says_so(tmp_path: Path) -> None:
    inside = ("unshare", "--net", "--map-root-user")
    async with grapevine("status", "--no-lan", "--bootstrap", "", home=tmp_path, inside=inside) as program:
        said = await program.event("status")
        assert await program.wait() == NO_NETWORK
    assert said["state"] == "no network"
    assert "Connect this computer to a network" in said["message"]


def _network() -> bool:
    from core.directory.access import _has_network

    return _has_network()
