# ruff: noqa: ASYNC240 - the files of a test are small, and nothing else waits for the loop
"""What a running peer writes down about those who call it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import RefusedError
from core.ledger.ledger import Ledger
from core.ledger.record import CallRecord
from core.news.events import ErrorRaised
from core.peer import Peer, PeerConfig, open_peer
from core.services.fibonacci import FibonacciService
from core.services.service import Registry
from core.trust.audience import Audience
from tests.peer.ears import Ears
from tests.peer.ears import peer as plain_peer
from tests.secure.sides import ANNA, BERT
from tests.trust.test_peers import Lamp

pytestmark = pytest.mark.asyncio

CONFIG = PeerConfig(
    bootstrap=(), dht_port=0, api_port=0, bind="127.0.0.1", identity=BERT,
    audiences={"lamp": Audience.TRUSTED, "fibonacci": Audience.ANYONE},
)  # fmt: skip


@asynccontextmanager
async def host(path: Path | None, service: str = "fibonacci") -> AsyncIterator[tuple[Peer, Ears]]:
    """Open a peer that shares the lamp with those it trusts, or fibonacci with anyone."""
    ears = Ears()
    config = replace(CONFIG, calls_file=path)
    async with open_peer(config, ears, registry=Registry(Lamp(), FibonacciService())) as opened:
        await opened.share(service)
        yield opened, ears


async def calls(path: Path) -> list[CallRecord]:
    """Return what another program reads, oldest first."""
    ledger = Ledger(path, read_only=True)
    found = await ledger.query()
    await ledger.close()
    return found[::-1]


async def test_who_was_served_is_written_down(tmp_path: Path) -> None:
    path = tmp_path / "a.calls.sqlite3"
    async with host(path) as (peer, _):
        target = str(peer.snapshot().address)
        async with plain_peer() as (client, _):
            await client.request(target, {"length": 3}, timeout=5.0)
            with pytest.raises(RefusedError):
                await client.request(target, {"length": -3}, timeout=5.0)
            plain_port = client.snapshot().address
        async with plain_peer(identity=ANNA) as (client, _):
            with pytest.raises(RefusedError):
                await client.request(target, {"length": "x"}, timeout=5.0)
    served, wrong, hers = await calls(path)
    assert (served.peer_id, served.service, served.outcome) == (None, "fibonacci", "ok")
    assert served.address == str(plain_port)
    assert served.reply_bytes > len("[0,1,1]")
    assert served.request_bytes > len('{"length":3}')
    assert (wrong.outcome, hers.peer_id) == ("ERR_PAYLOAD", str(ANNA.peer_id))


async def test_who_was_not_let_in_is_written_down(tmp_path: Path) -> None:
    path = tmp_path / "a.calls.sqlite3"
    async with host(path, "lamp") as (peer, _):
        for identity in (None, ANNA):
            async with plain_peer(identity=identity) as (client, _):
                with pytest.raises(RefusedError):
                    await client.request(str(peer.snapshot().address), "on", timeout=5.0)
    assert [(call.peer_id, call.service, call.outcome) for call in await calls(path)] == [
        (None, "lamp", "ERR_ENCRYPTION_REQUIRED"),
        (str(ANNA.peer_id), "lamp", "ERR_NOT_TRUSTED"),
    ]


async def test_a_peer_without_a_file_writes_nothing_down(tmp_path: Path) -> None:
    async with host(None) as (peer, _), plain_peer() as (client, _):
        await client.request(str(peer.snapshot().address), {"length": 3}, timeout=5.0)
    assert list(tmp_path.iterdir()) == []


async def test_a_record_that_cannot_be_kept_is_said_and_costs_no_answer(tmp_path: Path) -> None:
    async with host(tmp_path) as (peer, ears), plain_peer() as (client, _):
        reply = await client.request(str(peer.snapshot().address), {"length": 3}, timeout=5.0)
        assert reply.data is not None
        told = await ears.hear(ErrorRaised)
    assert told.error == "ERR_LEDGER"
    assert "cannot be used" in told.message
