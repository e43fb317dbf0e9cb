"""`grapevine doctor` where there is nobody to ask."""

from pathlib import Path

import pytest

from core.cli.doctor import six_of
from core.cli.exits import NO_NETWORK
from core.news.events import Holds, OwnAddress
from core.values import Address
from tests.support.process import grapevine


@pytest.mark.asyncio
async def test_with_nobody_to_ask_it_says_so_and_promises_nothing(tmp_path: Path) -> None:
    async with grapevine("doctor", "--no-lan", "--bootstrap", "", "--timeout", "0.5", home=tmp_path) as program:
        said = await program.event("doctor")
        refused = await program.event("error")
        assert await program.wait() == NO_NETWORK
    assert not said["reachable"]
    assert "not known" in said["message"]
    assert (refused["error"], "not known" in refused["message"]) == ("ERR_REACH_UNKNOWN", True), "both say the same"
    assert (said["asked"], said["mapping"]) == (0, "unknown")
    assert "broker" in said["advice"]
    assert all(str(each).startswith("[2") for each in said["ipv6"])  # what the Internet routes, if this machine has it


def test_only_ipv6_of_the_internet_counts() -> None:
    own = [
        OwnAddress(Address("192.0.2.7", 4000), Holds.INTERNET),
        OwnAddress(Address("fd00::7", 4000), Holds.LAN),
        OwnAddress(Address("2001:db8::7", 4000), Holds.INTERNET),
    ]
    assert six_of(own) == ["[2001:db8::7]:4000"]
    assert six_of(own[:2]) == []
