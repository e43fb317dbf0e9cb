"""Somebody hostile is called by its Peer ID, again and again: what it and a broker name gets little.

Its record is signed, so it may name anybody, and another port each time. Whole peer, virtual time, some minutes.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from core.dht.items import signed_bytes
from core.directory.records.check import SALT
from core.errors import PeerError
from core.values import Address, JsonValue
from core.wire.peer_record import PeerRecord
from tests.rendezvous.hostile import Scene
from tests.rendezvous.test_third_parties import RATE, ROW, TIMES, VICTIM, at
from tests.secure.sides import BERT, MALLORY
from tests.support.samples import some
from tests.support.virtual_time import run

MINUTES = 4.0


async def at_once(function: Callable[..., Any], *given: Any) -> Any:  # noqa: ANN401
    return function(*given)


class Records:
    """A new record at each look, eight other ports of the bystander in it."""

    def __init__(self, *, ports: int) -> None:
        self.looks = 0
        self._ports = ports

    def __call__(self) -> dict[str, JsonValue]:
        self.looks += 1
        issued = int(time.time())
        named: list[Address] = [at(VICTIM, (self.looks * 8 + each) % self._ports) for each in range(8)]
        value = PeerRecord.fitting(MALLORY.peer_id, ["lamp"], named, issued, issued + 1800).value()
        sequence = issued + self.looks
        signature = MALLORY.sign(signed_bytes(value, sequence, SALT))
        return {"v": value.decode(), "k": MALLORY.peer_id.key.hex(), "sig": signature.hex(), "seq": sequence}


@pytest.mark.parametrize(("ports", "brokers"), some([(60_000, True), (60_000, False), (4, False), (4, True)], 2))
def test_who_is_called_by_its_id_has_a_bystander_sent_little(
    ports: int, brokers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio, "to_thread", at_once)  # virtual time knows no threads
    scene, records = Scene(), Records(ports=ports)
    scene.grape.records = records

    async def call(peer_id: str, peer: object) -> None:
        while True:
            with contextlib.suppress(PeerError):
                await peer.request(f"{peer_id}/lamp", {}, timeout=5.0)  # type: ignore[attr-defined]
            await asyncio.sleep(0.5)

    async def scenario() -> None:
        if brokers:
            scene.broker()
            scene.named = lambda number: [at(VICTIM, number * 3 + each) for each in range(3)]
        async with scene.peer(use_broker=brokers, identity=BERT) as peer:
            calls = [asyncio.get_running_loop().create_task(call(str(MALLORY.peer_id), peer)) for _ in range(4)]
            await asyncio.sleep(60 * MINUTES)
            for each in calls:
                each.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    run(scenario())
    assert records.looks > 10
    got = scene.wire.got[VICTIM]
    assert got, "the attack does nothing at all"
    assert scene.wire.worst(RATE)[VICTIM] <= ROW
    assert len(got) / (60 * MINUTES) < RATE
    assert scene.wire.bytes_to(VICTIM) <= TIMES * scene.wire.spent
