"""Two machines on one network meet with no option at all; and what somebody hostile there can make us do."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.lan.bridge import MDNS_6, NETWORK, Machine, Tap, home, systems_own
from tests.natlab.namespaces import configure
from tests.support.process import Program, grapevine, running
from tests.support.seal import Seal

pytestmark = [pytest.mark.natlab, pytest.mark.slow]

FIBONACCI = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
SOON = 2.0  # seconds from being up to the first reply; 0.4 to 1.5 on a machine that does other things too
BUSY = 5.0  # what a machine that runs other tests may add
MDNS = "224.0.0.251"
FAR = "11.0.0.9"
BESIDE = f"{NETWORK}.77"
LAN = {"GRAPEVINE_LAN": "on", "GRAPEVINE_PORT_MAPPING": "off"}


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    with home() as found:
        yield found


def play(machine: Machine, homes: Path, *arguments: str) -> AbstractAsyncContextManager[Program]:
    return grapevine(*arguments, inside=machine.inside, home=homes / machine.namespace, env=LAN)


@pytest.mark.asyncio
async def test_the_demo_works_with_no_option(machines: list[Machine], tmp_path: Path) -> None:
    here, there, _ = machines
    async with play(here, tmp_path, "share", "fibonacci") as worker:
        await worker.event("grape", lambda event: "No other Grapevine was found on this network" in event["message"])
        async with play(there, tmp_path, "consume", "fibonacci", "--once") as consumer:
            up = await consumer.event("listening")
            reply = await consumer.event("reply")
            assert reply["data"] == FIBONACCI
            assert reply["from"].startswith(f"{here.host}:")
            assert reply["at"] - up["at"] < SOON + BUSY
            assert await consumer.wait() == 0
        await worker.event("grape", lambda event: "1 other Grapevine is on this network." in event["message"])
        await worker.event("grape", lambda event: event["state"] == "connected")


@pytest.mark.asyncio
async def test_off_means_off(machines: list[Machine], tmp_path: Path) -> None:
    here, there, _ = machines
    tap = Tap(there)
    async with play(here, tmp_path, "share", "fibonacci"):
        async with play(there, tmp_path, "consume", "fibonacci", "--once", "--timeout", "3", "--no-lan") as consumer:
            assert await consumer.wait() != 0
        sent = tap.sent()
        assert not {each for each in sent if not systems_own(each)} - {here.host}, sent  # it answers nobody by itself
    tap.close()


@pytest.mark.asyncio
async def test_a_firewall_on_both_sides_is_no_hindrance_and_on_the_other_side_is_said(
    machines: list[Machine], tmp_path: Path
) -> None:
    here, there, _ = machines
    established = "ct state established,related accept\nudp dport 5353 accept\n"
    for machine in (here, there):
        machine.filter(established + "udp dport 1-65535 drop")
    async with play(here, tmp_path, "share", "fibonacci"), play(there, tmp_path, "consume", "fibonacci") as consumer:
        assert (await consumer.event("reply"))["data"] == FIBONACCI  # both ask, and so both doors open
    for machine in (here, there):
        machine.filter("udp dport 20000-20020 drop")
    async with play(here, tmp_path, "share", "fibonacci") as worker, play(there, tmp_path, "share", "fibonacci"):
        said = await worker.event("grape", lambda event: "does not answer" in event["message"])
        assert "UDP port 20001" in said["message"]


@pytest.mark.asyncio
async def test_friends_meet_at_once_and_by_kept_places_where_multicast_is_blocked(
    machines: list[Machine], tmp_path: Path
) -> None:
    anna, bert, _ = machines
    (tmp_path / "photos").mkdir()
    share = "share", str(tmp_path / "photos")
    async with play(anna, tmp_path, *share, "--name", "photos") as sharing:
        await sharing.event("shared")
        async with play(anna, tmp_path, "invite", "Bert", "photos", "--as", "Anna") as inviting:
            link = (await inviting.event("invited"))["link"]
        async with play(bert, tmp_path, "join", link, "--timeout", "30") as joining:
            up = await joining.event("listening")
            joined = await joining.event("joined")
            assert joined["services"] == ["photos"]
            said = [event["message"] for event in joining.events if event["event"] == "join"]
            assert any("on this network" in each for each in said), said
            assert (await joining.event("join", lambda event: event["stage"] == "accepted"))["at"] - up[
                "at"
            ] < SOON + BUSY
            assert await joining.wait() == 0
        first = await offers(bert, tmp_path)
        sharing.send_signal(signal.SIGTERM)
        await sharing.wait()
    closed = "ip daddr 224.0.0.0/4 drop\nudp dport { 5353, 20000-20020 } drop\n"  # and nobody's grape answers
    for machine in (anna, bert):
        machine.filter(closed)
    async with play(anna, tmp_path, *share, "--name", "photos") as sharing:
        await sharing.event("shared")
        assert await offers(bert, tmp_path) < first + BUSY


@pytest.mark.asyncio
@pytest.mark.parametrize("wrong", ["+1h", "-1h"])
async def test_a_clock_that_is_wrong_by_an_hour_keeps_nobody_away(
    machines: list[Machine], tmp_path: Path, wrong: str
) -> None:
    anna, bert, _ = machines
    (tmp_path / "photos").mkdir()
    wrong_there = ("faketime", "-f", wrong)
    async with play(anna, tmp_path, "share", str(tmp_path / "photos")) as sharing:
        await sharing.event("shared")
        async with play(anna, tmp_path, "invite", "Bert", "photos", "--as", "Anna") as inviting:
            link = (await inviting.event("invited"))["link"]
        for command in (("join", link, "--timeout", "40"), ("offers", "anna", "--timeout", "20")):
            there = grapevine(*command, inside=[*bert.inside, *wrong_there], home=tmp_path / bert.namespace, env=LAN)
            async with there as program:
                assert await program.wait() == 0, program.transcript()


async def offers(machine: Machine, homes: Path) -> float:
    """Ask Anna what she shares; return the seconds that the whole command took."""
    began = time.monotonic()
    async with play(machine, homes, "offers", "anna", "--timeout", "20") as asking:
        told = await asking.event("offers")
        assert [each["name"] for each in told["offers"]] == ["photos"]
        assert await asking.wait() == 0
    return time.monotonic() - began


@pytest.mark.asyncio
async def test_somebody_hostile_makes_us_send_nothing_to_others(
    machines: list[Machine], tmp_path: Path, sealed: Seal
) -> None:
    here, there, hostile = machines
    configure(hostile.namespace, f"addr add {BESIDE}/24 dev eth0")
    tap = Tap(here)
    async with play(here, tmp_path, "share", "fibonacci") as worker:
        await worker.event("grape", lambda event: "No other Grapevine" in event["message"])
        shout = (sys.executable, "-m", "tests.lan.hostile", hostile.host, BESIDE, FAR)
        async with running("hostile", [*hostile.inside, *shout]) as shouting:
            await asyncio.sleep(3.0)
            async with play(there, tmp_path, "consume", "fibonacci", "--once", "--timeout", "30") as consumer:
                assert (await consumer.event("reply"))["data"] == FIBONACCI
                assert await consumer.wait() == 0
            assert (await shouting.event("done"))["sent"] > 1000
        sent = tap.sent()
        told = {each for each in sent if not systems_own(each) and not each.startswith("fe80::")}  # stay on the link
        assert told <= {MDNS, MDNS_6, here.host, there.host, hostile.host, BESIDE}, sent
        assert sent[BESIDE] <= 24, sent  # four addresses of one host, as the one rule has it
        assert sent[MDNS] < 400, sent
        assert _memory(worker.pid) < 200_000_000
        assert not [line for line in worker.stderr.splitlines() if "Traceback" in line]
    tap.close()
    assert sealed.escaped() == []


def _memory(pid: int) -> int:
    """Return the bytes of a process that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
