"""Sharing and using as people type it: two command lines and a grape."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from core.profile.settings import SettingsStore
from core.profile.shares import kept_shares, kept_uses
from tests.streams_real import own, pair
from tests.support.ports import free_port
from tests.support.process import grapevine, until

pytestmark = pytest.mark.asyncio

COUNT = f'{sys.executable} -c "import time\nfor n in range(10**6): print(n, flush=True); time.sleep(0.1)"'


@pytest.mark.slow
async def test_a_folder_is_offered_fetched_and_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "Holiday in Rome"
    folder.mkdir()
    data = os.urandom(3_000_000)
    (folder / "a.jpg").write_bytes(data)
    async with pair(tmp_path) as two, two.share(str(folder)) as (_, told):
        assert (told["ok"], told["name"], told["audience"], told["warnings"]) == (True, folder.name, "trusted", [])
        assert told["command"] == f"grapevine open '{two.anna_id}/{folder.name}'"
        offers = await two.ask("offers", "anna")
        assert offers.out.decode() == "anna/Holiday in Rome  folder  a folder\n"
        here = tmp_path / "here"
        here.mkdir()
        done = await two.ask("fetch", f"anna/{folder.name}/a.jpg", cwd=here)
        assert (done.code, (here / "a.jpg").read_bytes() == data) == (0, True)
        again = await two.ask("fetch", f"anna/{folder.name}/a.jpg", cwd=here)
        assert (again.code, "is there already" in again.err) == (1, True)
        missing = await two.ask("fetch", f"{two.anna_id}/{folder.name}/b.jpg", "-o", str(here / "b"), "--json")
        error = json.loads(missing.out.splitlines()[-1])
        assert (missing.code, error["error"]) == (4, "ERR_NOT_FOUND")
        assert error["message"] == "There is no file 'b.jpg' here"
        for wrong in (f"anna/{folder.name}", f"anna/{folder.name}/"):
            assert (await two.ask("fetch", wrong)).code == 1


@pytest.mark.slow
async def test_a_port_through_standard_input_and_output(tmp_path: Path) -> None:
    """A program that answers only when it has heard the end: half-close both ways, and 5 MB against back-pressure."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = await reader.read(-1)
        writer.write(heard[::-1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    data = os.urandom(5_000_000)
    async with server, pair(tmp_path) as two, two.share("--tcp", str(port), "--name", "mirror") as (_, told):
        assert told["check"].startswith("Something answers on")
        done = await two.ask("connect", "anna/mirror", "--stdio", said=data)
        assert (done.code, done.err, done.out == data[::-1]) == (0, "", True)
        none = await two.ask("connect", "anna/other", "--stdio", "--timeout", "20")
        assert (none.code, none.out) == (4, b"")
        assert "ERR_SERVICE_UNKNOWN" in none.err


@pytest.mark.slow
async def test_values_go_on_when_the_other_side_comes_back(tmp_path: Path) -> None:
    async with pair(tmp_path) as two, two.share("--watch", COUNT, "--name", "temp") as (anna, _):
        once = await two.ask("watch", "anna/temp", "--once")
        assert once.out.decode().strip().isdigit()
        async with grapevine("watch", "anna/temp", "--grape", two.grape, home=two.bert) as bert:
            await bert.event("value")
            anna.send_signal(signal.SIGTERM)
            await anna.wait()
            seen = bert.count("value")
            async with two.share("--watch", COUNT, "--name", "temp"):

                async def more() -> bool:
                    return bert.count("value") > seen

                await until(more, "values go on")


@pytest.mark.slow
async def test_what_is_permanent_is_shared_again_and_followed(tmp_path: Path) -> None:
    port = free_port()
    async with pair(tmp_path) as two:
        nothing = await own(two.anna, "share", "--all", "--grape", two.grape)
        assert (nothing.code, "--permanent" in nothing.err) == (1, True)
        async with two.share(str(port), "--name", "garden", "--permanent") as (_, told):
            assert (told["ok"], told["permanent"]) == (False, True)
            assert "No web page answers" in told["check"]
        assert [share.name for share in kept_shares(SettingsStore(root=two.anna / "grapevine").load()).shares] == [
            "garden"
        ]
        listed = await own(two.anna, "shares")
        assert listed.out.decode() == f"garden  http  {port}  only peers I trust  on\n"
        assert (await own(two.anna, "shares", "check", "garden")).code == 1
        async with two.share("--all") as (anna, _):
            async with two.open("garden", "--permanent") as (bert, where):
                assert where.startswith("http://garden.anna.localhost:")
                assert [use.service for use in kept_uses(SettingsStore(root=two.bert / "grapevine").load())] == [
                    "garden"
                ]
                assert (await own(two.anna, "shares", "off", "garden")).code == 0
                assert (await anna.event("unshared"))["name"] == "garden"
                gone = await bert.event("presence")
                assert (gone["here"], "does not share garden" in gone["message"]) == (False, True)
                assert (await own(two.anna, "shares", "on", "garden")).code == 0
                await bert.event("presence", lambda event: event["here"])
            assert (await own(two.anna, "shares", "remove", "garden")).code == 0
        assert (await own(two.anna, "shares", "remove", "garden")).code == 1


async def test_a_friend_is_trusted_with_this_share_and_no_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as two:
        await own(two.anna, "trust", "remove", two.bert_id)
        async with two.share("--command", "cat", "--name", "echo") as (_, _told):
            refused = await two.ask("request", "anna/echo", "{}")
            assert (refused.code, "ERR_NOT_TRUSTED" in refused.err) == (4, True)
        async with two.share("--command", "cat", "--name", "echo", "--for", two.bert_id):
            assert (await two.ask("request", "anna/echo", '{"a": 1}')).out == b'{"a":1}\n'
        assert b"echo" in (await own(two.anna, "trust", "list")).out


async def test_nobody_is_asked_for_a_name_that_is_not_known(tmp_path: Path) -> None:
    for command in (["offers", "carl"], ["open", "carl/x"], ["request", "carl/x", "{}"], ["watch", "carl/x"]):
        done = await own(tmp_path, *command, "--bootstrap", "")
        assert (done.code, "ERR_PEER_UNKNOWN" in done.err, "Traceback" in done.err) == (3, True, False)
