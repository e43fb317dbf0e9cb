"""Whole peers on loopback: shares of one, used by another that is trusted, and by nobody else."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import LocalError, PeerError, RefusedError, TransportClosed
from core.kinds.share import MAX_SHARES, Share
from core.news.events import RequestServed
from core.peer import Peer
from core.services.personal import personal_name
from core.trust.audience import Audience
from core.using.offers import OfferRow
from core.values import JsonValue
from tests.peer.ears import Ears, peer
from tests.peer.test_by_id import grape, look, published
from tests.secure.sides import ANNA, BERT, MALLORY
from tests.support.process import until

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Peer, Ears, Peer, str]]:
    """Bert, who trusts Anna with everything, and Anna, around one grape, whose URL is the last."""
    async with (
        grape() as (opened, _),
        peer(identity=BERT, grapes=(opened.url,)) as (bert, ears),
        peer(identity=ANNA, grapes=(opened.url,)) as (anna, _),
    ):
        await bert.trust(ANNA.peer_id, "Anna")
        yield bert, ears, anna, opened.url


async def test_a_port_is_shared_found_by_id_listed_and_used() -> None:
    async with echo() as port, two() as (bert, ears, anna, url):
        await bert.add_share(Share("ssh", "tcp", {"target": str(port)}))
        await published(url, BERT)
        assert await anna.offered_by(BERT.peer_id) == (OfferRow("ssh", "tcp", f"a TCP port ({port})"),)
        where = await anna.use(BERT.peer_id, "ssh")
        assert await anna.use(BERT.peer_id, "ssh") == where
        host, _, local = where.partition(":")
        reader, writer = await asyncio.open_connection(host, int(local))
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        (row,) = bert.snapshot().shares
        assert (row.users, row.streams, row.received, row.on) == ((ANNA.peer_id,), 1, 5, True)
        assert [use.service for use in anna.snapshot().uses] == ["ssh"]
        writer.close()
        served = await ears.hear(RequestServed)
        assert (served.service, served.peer_id, served.error) == ("ssh_worker", ANNA.peer_id, None)
        await anna.stop_using(where)
        assert anna.snapshot().uses == ()


async def test_what_is_for_trusted_peers_is_named_to_nobody_else() -> None:
    async with echo() as port, two() as (bert, _, _, url):
        await bert.add_share(Share("secret-camera", "tcp", {"target": str(port)}))
        record = await published(url, BERT)
        assert record.services == (personal_name(BERT.peer_id),)
        async with peer(identity=MALLORY, grapes=(url,)) as (stranger, _):
            assert await stranger.offered_by(BERT.peer_id) == ()
            with pytest.raises(RefusedError) as caught:
                await stranger.open_stream(BERT.peer_id, "secret-camera")
            assert caught.value.name == "ERR_NOT_TRUSTED"
        await bert.remove_share("secret-camera")

        async def gone() -> bool:
            return await look(url, BERT) is None

        await until(gone, "the record is withdrawn")


async def test_a_share_is_changed_in_its_place() -> None:
    async with echo() as port, two() as (bert, _, anna, url):
        ssh, web = (Share(name, "tcp", {"target": str(port)}) for name in ("ssh", "web"))
        await bert.add_share(ssh)
        await bert.add_share(web)
        await published(url, BERT)
        stream = await anna.open_stream(BERT.peer_id, "ssh")
        await bert.change_share("ssh", replace(ssh, permanent=False, audience=Audience.IDENTIFIED))
        await stream.write(b"goes on")
        assert await stream.read() == b"goes on"
        with pytest.raises(LocalError, match="shared already"):
            await bert.change_share("ssh", replace(ssh, name="web"))
        with pytest.raises(LocalError):
            await bert.change_share("ssh", replace(ssh, options={"target": "none"}))
        assert [share.name for share in bert.shares()] == ["ssh", "web"]
        await bert.change_share("ssh", replace(ssh, name="shell"))
        with pytest.raises(TransportClosed):
            await stream.read()
        assert [share.name for share in bert.shares()] == ["shell", "web"]
        await anna.open_stream(BERT.peer_id, "shell")


async def test_a_change_of_audience_and_a_block_end_open_streams_at_once() -> None:
    async with echo() as port, two() as (bert, _, anna, url):
        await bert.add_share(Share("ssh", "tcp", {"target": str(port)}))
        await published(url, BERT)
        stream = await anna.open_stream(BERT.peer_id, "ssh")
        bert.set_audience("ssh", Audience.OFF)
        with pytest.raises(TransportClosed, match="switched off"):
            await stream.read()
        bert.set_audience("ssh", Audience.TRUSTED)
        stream = await anna.open_stream(BERT.peer_id, "ssh")
        await bert.block(ANNA.peer_id)
        with pytest.raises(TransportClosed):
            await stream.read()
        with pytest.raises(PeerError):
            await anna.open_stream(BERT.peer_id, "ssh")


async def test_a_program_answers_requests_by_id_and_may_be_switched_off_and_on(tmp_path: Path) -> None:
    program = tmp_path / "double"
    program.write_text(f"#!{sys.executable}\nimport json, sys; print(json.load(sys.stdin) * 2)\n")
    program.chmod(0o755)
    async with two() as (bert, _, anna, url):
        await bert.add_share(Share("double", "json", {"command": str(program)}))
        await published(url, BERT)
        assert (await anna.request(f"{BERT.peer_id}/double", 21)).data == 42
        assert (await bert.switch_share("double", False)).on is False
        with pytest.raises(PeerError):
            await anna.request(f"{BERT.peer_id}/double", 21, timeout=3.0)
        await bert.switch_share("double", True)
        await published(url, BERT)
        assert (await anna.request(f"{BERT.peer_id}/double", 4)).data == 8


async def test_shares_that_cannot_be_say_why_and_one_that_was_kept_is_kept(tmp_path: Path) -> None:
    async with two() as (bert, _, _, _url):
        for share in (Share("fibonacci", "tcp", {"target": "1"}), Share("x", "nothing"), Share("x", "tcp")):
            with pytest.raises(LocalError):
                await bert.add_share(share)
        assert bert.shares() == ()
        gone = Share("photos", "folder", {"path": str(tmp_path / "gone")})
        await bert.restore_shares([gone])
        assert bert.shares() == (gone,)
        (row,) = bert.snapshot().shares
        assert not row.on
        assert "is not there" in row.problem
        assert (await bert.check_share("photos")).ok is False


async def test_a_share_survives_its_own_json() -> None:
    share = Share("a", "tcp", {"target": "22"}, Audience.IDENTIFIED)
    kept: JsonValue = json.loads(json.dumps(share.to_json()))
    assert Share.from_json(kept) == share
    options: JsonValue = []
    wrong: list[JsonValue] = [None, {}, {"name": "a/b", "kind": "tcp"}, {"name": 1, "kind": "tcp"}]
    wrong.append({"name": "a", "kind": "tcp", "options": options})
    for bad in wrong:
        with pytest.raises(LocalError):
            Share.from_json(bad)
    assert Share.from_json({"name": "a", "kind": "tcp", "audience": "everybody"}).audience is Audience.OFF


async def test_there_are_so_many_shares_and_one_more_is_refused() -> None:
    async with grape() as (opened, _), peer(identity=BERT, grapes=(opened.url,)) as (bert, _):
        for number in range(MAX_SHARES):
            await bert.add_share(Share(f"port-{number}", "tcp", {"target": "22"}, on=False))
        with pytest.raises(LocalError, match="remove one first") as caught:
            await bert.add_share(Share("one-more", "tcp", {"target": "22"}, on=False))
        assert caught.value.name == "ERR_SHARE"
        await bert.remove_share("port-0")
        await bert.add_share(Share("one-more", "tcp", {"target": "22"}, on=False))


async def test_a_file_that_takes_long_to_load_holds_nothing_up(tmp_path: Path) -> None:
    file = tmp_path / "slow.py"
    file.write_text("import time\ntime.sleep(0.4)\ndef handle(payload):\n    return payload\n")
    loop = asyncio.get_running_loop()
    async with two() as (bert, _, _, _):
        adding = loop.create_task(bert.add_share(Share("slow", "python", {"target": f"{file}:handle"})))
        turns = 0
        while not adding.done():
            await asyncio.sleep(0.001)
            turns += 1
        await adding
        assert turns > 50, "the loop stood still while the file was loaded"
