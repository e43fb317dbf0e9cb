"""Two machines on a network that has IPv6 only: with addresses of a home's own, of a provider's, or of the link alone.

docs/ipv6.md has the seconds that these print.
"""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.lan.bridge import MDNS_6, Machine, Tap, home, systems_own
from tests.natlab.namespaces import configure
from tests.support.process import Program, grapevine, running
from tests.support.seal import Seal

pytestmark = [pytest.mark.natlab, pytest.mark.slow, pytest.mark.asyncio]

FIBONACCI = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
FAR = "2001:db8:ffff::9"
LAN = {"GRAPEVINE_LAN": "on", "GRAPEVINE_PORT_MAPPING": "off"}
KINDS = {"fd12:3456::": "a home's own", "2001:db8:1:2::": "a provider's", "": "the link's alone"}


@pytest.fixture(params=KINDS, ids=lambda kind: KINDS[kind].replace(" ", "-"))
def machines(request: pytest.FixtureRequest) -> Iterator[list[Machine]]:
    with home(six=request.param) as found:
        yield found


def play(machine: Machine, homes: Path, *arguments: str) -> AbstractAsyncContextManager[Program]:
    return grapevine(*arguments, inside=machine.inside, home=homes / machine.namespace, env=LAN)


async def test_the_demo_works_with_no_option(machines: list[Machine], tmp_path: Path) -> None:
    here, there, _ = machines
    async with play(here, tmp_path, "share", "fibonacci") as worker:
        await worker.event("grape")
        async with play(there, tmp_path, "consume", "fibonacci", "--once") as consumer:
            up = await consumer.event("listening")
            reply = await consumer.event("reply")
            assert reply["data"] == FIBONACCI
            assert reply["from"].startswith(f"[{here.host}")
            assert await consumer.wait() == 0
            print(f"{here.host}: {reply['at'] - up['at']:.2f} s to the first reply")  # noqa: T201
        await worker.event("grape", lambda event: "1 other Grapevine is on this network." in event["message"])


async def test_friends_meet_at_once_and_by_kept_places_where_multicast_is_blocked(
    machines: list[Machine], tmp_path: Path
) -> None:
    anna, bert, _ = machines
    (tmp_path / "photos").mkdir()
    share = "share", str(tmp_path / "photos"), "--name", "photos"
    async with play(anna, tmp_path, *share) as sharing:
        await sharing.event("shared")
        async with play(anna, tmp_path, "invite", "Bert", "photos", "--as", "Anna") as inviting:
            link = (await inviting.event("invited"))["link"]
        async with play(bert, tmp_path, "join", link, "--timeout", "30") as joining:
            assert (await joining.event("joined"))["services"] == ["photos"]
            assert await joining.wait() == 0
        await offers(bert, tmp_path)
        sharing.send_signal(signal.SIGTERM)
        await sharing.wait()
    for machine in (anna, bert):
        machine.filter("ip6 daddr ff02::fb drop\nudp dport { 5353, 20000-20020 } drop\n")
    async with play(anna, tmp_path, *share) as sharing:
        await sharing.event("shared")
        await offers(bert, tmp_path)


async def offers(machine: Machine, homes: Path) -> None:
    """Ask Anna what she shares."""
    async with play(machine, homes, "offers", "anna", "--timeout", "20") as asking:
        told = await asking.event("offers")
        assert [each["name"] for each in told["offers"]] == ["photos"]
        assert await asking.wait() == 0


async def test_a_firewall_that_lets_in_answers_only_is_no_hindrance_and_a_closed_one_is_said(
    machines: list[Machine], tmp_path: Path
) -> None:
    here, there, _ = machines
    for machine in (here, there):
        machine.filter("ct state established,related accept\nudp dport 5353 accept\nudp dport 1-65535 drop")
    async with play(here, tmp_path, "share", "fibonacci"), play(there, tmp_path, "consume", "fibonacci") as consumer:
        assert (await consumer.event("reply"))["data"] == FIBONACCI
    for machine in (here, there):
        machine.filter("udp dport 20000-20020 drop")
    async with play(here, tmp_path, "share", "fibonacci") as worker, play(there, tmp_path, "share", "fibonacci"):
        said = await worker.event("grape", lambda event: "does not answer" in event["message"])
        assert "UDP port 20001" in said["message"]


async def test_somebody_hostile_makes_us_send_nothing_to_others(
    machines: list[Machine], tmp_path: Path, sealed: Seal
) -> None:
    here, there, hostile = machines
    beside = f"{hostile.host.rpartition(':')[0]}:77"
    configure(hostile.namespace, f"addr add {beside}/64 dev eth0 nodad", "route add default dev eth0")
    configure(here.namespace, "route add default via fe80::fe dev eth0")
    configure(here.namespace, "neigh add fe80::fe lladdr 02:00:00:00:00:fe dev eth0")
    tap = Tap(here)
    async with play(here, tmp_path, "share", "fibonacci") as worker:
        await worker.event("grape", lambda event: "No other Grapevine" in event["message"])
        shout = (sys.executable, "-m", "tests.lan.hostile", "fe80::3", beside, FAR)
        async with running("hostile", [*hostile.inside, *shout]) as shouting:
            await asyncio.sleep(3.0)
            async with play(there, tmp_path, "consume", "fibonacci", "--once", "--timeout", "30") as consumer:
                assert (await consumer.event("reply"))["data"] == FIBONACCI
                assert await consumer.wait() == 0
            assert (await shouting.event("done"))["sent"] > 1000
        sent = tap.sent()
        ours = {MDNS_6, here.host, there.host, hostile.host, beside, *(f"fe80::{each}" for each in (1, 2, 3))}
        assert {host for host in sent if not systems_own(host)} <= ours, sent
        assert sent[beside] <= 24, sent
        assert sent[MDNS_6] < 400, sent
        assert not [line for line in worker.stderr.splitlines() if "Traceback" in line]
    tap.close()
    assert sealed.escaped() == []
