"""The grape's state in words: what is so, and what to do about it."""

import asyncio
import contextlib
import sys
from types import SimpleNamespace
from typing import cast

import pytest

from core.directory.access import JOINING, GrapeAccess, _remote_snapshot, running_grape
from core.directory.link.grapes import LinkState
from core.directory.link.link import Link
from core.grape.config import GrapeConfig
from core.grape.grape import open_grape
from core.news.events import GrapeSnapshot, GrapeState
from core.profile.config import PeerConfig
from tests.support.ports import free_port

pytestmark = pytest.mark.asyncio


def embedded(*bootstrap: str) -> PeerConfig:
    return PeerConfig(bootstrap=bootstrap, dht_port=0, api_port=0, bind="127.0.0.1")


async def test_a_lone_grape_says_at_once_that_it_is_alone() -> None:
    told: list[GrapeSnapshot] = []
    async with GrapeAccess(embedded(), told.append):
        assert [grape.state for grape in told] == [GrapeState.ALONE]
        assert "add a bootstrap node" in told[0].message


async def test_a_dead_bootstrap_node_is_named_once_it_had_its_time() -> None:
    told: list[GrapeSnapshot] = []
    node = f"127.0.0.1:{free_port()}"
    async with GrapeAccess(embedded(node), told.append):
        assert [grape.state for grape in told] == [GrapeState.STARTING]
        async with asyncio.timeout(JOINING + 5):
            while len(told) < 2:  # noqa: ASYNC110 - JOINING seconds on a real clock
                await asyncio.sleep(0.02)
    assert told[1].state is GrapeState.UNREACHABLE
    assert node in told[1].message


async def test_a_bootstrap_node_that_answers_is_counted() -> None:
    told: list[GrapeSnapshot] = []
    first = GrapeAccess(embedded(), lambda grape: None)
    async with first:
        node = f"127.0.0.1:{first.snapshot().dht_port}"
        async with GrapeAccess(embedded(node), told.append):
            async with asyncio.timeout(5):
                while not told or told[-1].state is not GrapeState.CONNECTED:  # noqa: ASYNC110 - a real socket
                    await asyncio.sleep(0.01)
    assert GrapeState.ALONE not in [grape.state for grape in told]
    assert told[-1].message == "Connected: 1 other grape known."


async def test_a_grape_that_runs_is_found_and_one_that_does_not_is_not() -> None:
    access = GrapeAccess(embedded(), lambda grape: None)
    async with access:
        url = access.snapshot().url
        assert await running_grape(url) == url
    assert await running_grape(url) is None


async def reaches(url: str, host: str) -> bool:
    """Whether the port of `url` takes connections at another address of this machine."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection(host, int(url.rpartition(":")[2]))
        writer.close()
        await writer.wait_closed()
        return True
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not answer on all of 127.0.0.0/8 by themselves")
async def test_an_embedded_grape_listens_for_this_machine_only() -> None:
    """127.0.0.2 is an address of this machine that is not LOOPBACK: who listens on all interfaces answers there."""
    own = GrapeAccess(PeerConfig(bootstrap=(), dht_port=0, api_port=0), lambda grape: None)
    async with own, open_grape(GrapeConfig(dht_port=0, api_port=0)) as public:
        assert await reaches(own.snapshot().url, "127.0.0.1")
        assert not await reaches(own.snapshot().url, "127.0.0.2")
        assert await reaches(public.url, "127.0.0.2")


async def test_alone_is_alone_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULTS E1: an owner who shares on a grape that knows no other is told that nobody finds it, and what to do."""
    async with GrapeAccess(embedded(), lambda grape: None) as grape:
        assert await grape.announce("svc", 1337) == 1
    access = GrapeAccess(embedded(), lambda grape: None)
    async with access:
        assert access.snapshot().message.startswith("Alone: nobody can find this peer yet")
        assert access.snapshot().state is GrapeState.ALONE


@pytest.mark.parametrize(
    "config",
    [
        PeerConfig(bootstrap=(), dht_port=0, api_port=0),
        PeerConfig(bootstrap=("127.0.0.1:9",), dht_port=0, api_port=0),
    ],
    ids=["alone", "a bootstrap node"],
)
async def test_no_network_is_a_state_that_comes_and_goes(config: PeerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[GrapeSnapshot] = []
    gone = False
    monkeypatch.setattr("core.directory.access._LOCAL_ADDRESSES", lambda toward: None if gone else "192.168.1.5")
    access = GrapeAccess(config, told.append)
    async with access:
        before = access.snapshot().state
        assert before is not GrapeState.NO_NETWORK
        gone = True
        access.look()
        assert told[-1].state is GrapeState.NO_NETWORK
        assert told[-1].message.startswith("No network: ")
        gone = False
        access.look()
        assert told[-1].state.value == before.value


@pytest.mark.parametrize(
    ("url", "network", "state"),
    [
        ("http://192.0.2.1:30001", True, GrapeState.UNREACHABLE),
        ("http://192.0.2.1:30001", False, GrapeState.NO_NETWORK),
        ("http://127.0.0.1:30001", False, GrapeState.UNREACHABLE),  # which needs no network
    ],
)
async def test_anothers_grape_without_a_network(
    url: str, network: bool, state: GrapeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.directory.access._LOCAL_ADDRESSES", lambda toward: "192.168.1.5" if network else None)
    link = SimpleNamespace(state=LinkState(url, False, False, "no route"))
    assert _remote_snapshot(cast(Link, link), (url,)).state is state


async def test_a_grape_that_is_not_there_is_said_with_what_the_system_said() -> None:
    told: list[GrapeSnapshot] = []
    url = f"http://127.0.0.1:{free_port()}"
    async with GrapeAccess(PeerConfig(grapes=(url,)), told.append), asyncio.timeout(5):
        while not told or told[-1].state is not GrapeState.UNREACHABLE:  # noqa: ASYNC110 - a real socket
            await asyncio.sleep(0.01)
    assert "Connection refused" in told[-1].message
