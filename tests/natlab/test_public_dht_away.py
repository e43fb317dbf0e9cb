"""Networks where the public DHT cannot be reached: one that blocks it, and one with a sign-in page. Others go on."""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.natlab import namespaces as ns
from tests.natlab.friends import known
from tests.natlab.internet import internet
from tests.natlab.kinds import Kind
from tests.natlab.matrix import SEQUENCE
from tests.natlab.test_public_dht import ALONE, captured, mainline
from tests.streams_real import own
from tests.support.process import grapevine

pytestmark = [pytest.mark.natlab, pytest.mark.slow]
NAMES = ("one.example", "two.example", "three.example")
BLOCK = """
table ip block {
  chain forward {
    type filter hook forward priority -10; policy accept;
    udp dport 6881 drop
  }
}
"""
QUIET = 20.0  # seconds in which a peer that repeats itself would say it again
LAN = {"GRAPEVINE_LAN": "on"}


@contextlib.contextmanager
def resolver(namespace: str) -> Iterator[Path]:
    """Have a hosts file of its own in a namespace; iproute2 puts it in the place of the machine's."""
    folder = Path("/etc/netns") / namespace
    folder.mkdir(parents=True)
    try:
        (folder / "hosts").write_text("")
        yield folder / "hosts"
    finally:
        shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


def answers(file: Path, hosts: Mapping[str, str]) -> None:
    file.write_text("127.0.0.1 localhost\n" + "".join(f"{host} {name}\n" for name, host in hosts.items()))


async def signs_in(folder: Path) -> None:
    with internet() as world:
        nodes, site = world.public(40), world.site(Kind.LINUX)
        home = folder / "anna"
        portal = site.local[0].rsplit(".", 1)[0] + ".1"
        await own(home, "id")
        names = [word for name in NAMES for word in ("--bootstrap", f"{name}:6881")]
        assert (await own(home, "settings", "public-dht", "on", *names)).code == 0
        async with mainline(nodes):
            with resolver(site.hosts[0]) as file:
                answers(file, dict.fromkeys(NAMES, portal))
                seen = folder / "seen"
                sharing = grapevine("share", "fibonacci", "--verbose", *ALONE, inside=site.inside, home=home)
                async with captured(site.inside, seen), sharing as sharer:
                    said = await sharer.event("public-dht", lambda event: "sign-in page" in event["message"])
                    assert portal in said["message"]
                    await asyncio.sleep(QUIET)
                    assert len([each for each in sharer.events if "sign-in page" in str(each.get("message"))]) == 1
                    sent = [line.split(" ") for line in seen.read_text().splitlines()]
                    assert [line for line in sent if line[2].startswith("64")] == [], "nothing is sent to the portal"
                    answers(file, dict(zip(NAMES, nodes.addresses, strict=False)))
                    await sharer.event("public-dht", lambda event: event["nodes"] >= 8, timeout=40.0)


async def blocked(folder: Path) -> None:
    with internet() as world:
        nodes, site = world.public(), world.site(Kind.LINUX, hosts=2)
        ns.run(*ns.inside(site.routers[0]), "nft", "-f", "-", stdin=BLOCK)
        ids = await known(folder)
        for name in ("anna", "bert"):
            place = f"{nodes.addresses[0]}:6881"
            assert (await own(folder / name, "settings", "public-dht", "on", "--bootstrap", place)).code == 0
        inside = [ns.inside(host) for host in site.hosts]
        sharing = grapevine("share", "fibonacci", "--verbose", inside=inside[0], home=folder / "anna", env=LAN)
        async with sharing as sharer:
            await sharer.event("public-dht", lambda event: "may block it" in event["message"], timeout=40.0)
            asking = ("request", f"{ids[0]}/fibonacci", '{"length": 10}', "--timeout", "20")
            async with grapevine(*asking, inside=inside[1], home=folder / "bert", env=LAN) as asker:
                assert (await asker.event("reply"))["data"] == SEQUENCE
            await asyncio.sleep(QUIET)
            assert len([each for each in sharer.events if "may block it" in str(each.get("message"))]) == 1


def test_a_sign_in_page_is_recognised_and_after_signing_in_it_goes_on(tmp_path: Path) -> None:
    asyncio.run(signs_in(tmp_path))


def test_where_it_is_blocked_that_is_said_once_and_friends_on_the_network_meet(tmp_path: Path) -> None:
    asyncio.run(blocked(tmp_path))
