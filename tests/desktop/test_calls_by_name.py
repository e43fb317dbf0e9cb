"""A search of calls finds the names that the page shows: the record has Peer IDs, the list of peers has the names."""

import asyncio
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from core.ledger.ledger import Ledger
from core.ledger.record import CallRecord
from core.trust.entries import KnownPeer
from desktop.bridge import Bridge
from desktop.bridge.records import MAX_NAMED
from tests.desktop.core_double import ScriptedPeer
from tests.desktop.fake_peer import ALICE, BOB, NOW
from tests.desktop.polling import until


class Recording(ScriptedPeer):
    """A peer with a record of calls."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        del self.__dict__["calls"]  # what it was told; here it is the verb of the same name
        self._ledger = ledger

    async def calls(self, **wanted: object) -> list[CallRecord]:  # type: ignore[override]
        return await self._ledger.query(**wanted)  # type: ignore[arg-type]

    async def export_calls(self, path: Path, **wanted: object) -> int:
        return await self._ledger.export_csv(path, **wanted)  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_a_name_an_id_and_an_address_find_their_calls(qapp: QApplication, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "calls.sqlite3")
    now = time.time()
    for who, address in ((str(ALICE), "192.0.2.1:1"), (str(BOB), "192.0.2.2:2"), (None, "192.0.2.3:3")):
        ledger.add(CallRecord(now, who, address, "fibonacci", 1, 1, 0.1, "ok"))
    peer, bridge = Recording(ledger), Bridge()
    peer.become(known_peers=(KnownPeer(ALICE, "Anna's greenhouse", NOW),))
    found: dict[int, list[str | None]] = {}
    said: list[str] = []
    bridge.calls_found.connect(lambda ticket, calls: found.update({ticket: [call.peer_id for call in calls]}))
    bridge.calls_said.connect(said.append)
    bridge.attach(peer)  # type: ignore[arg-type]
    await until(lambda: bridge.snapshot() is not None)
    for text, wanted in (
        ("GREENHOUSE", [str(ALICE)]),
        ("anna", [str(ALICE)]),
        (ALICE.short.lower(), [str(ALICE)]),
        ("192.0.2.2", [str(BOB)]),
        ("nobody", []),
        ("", [None, str(BOB), str(ALICE)]),
    ):
        ticket = bridge.ask_calls(text, "", None, 200)
        await until(partial(found.__contains__, ticket))
        assert found[ticket] == wanted, text
    ticket = bridge.ask_calls("anna", "ERR_BLOCKED", None, 200)
    await until(lambda: ticket in found)
    assert found[ticket] == []  # the outcome holds for names too
    bridge.export_calls(str(tmp_path / "calls.csv"), "anna", "")
    await until(lambda: said)
    exported = await asyncio.to_thread((tmp_path / "calls.csv").read_text)
    assert str(ALICE) in exported
    assert str(BOB) not in exported
    await bridge.aclose()
    await ledger.close()


@pytest.mark.asyncio
async def test_a_name_of_thousands_is_bounded(qapp: QApplication) -> None:
    asked: list[dict[str, object]] = []

    class Counting(ScriptedPeer):
        def __init__(self) -> None:
            super().__init__()
            del self.__dict__["calls"]

        async def calls(self, **wanted: object) -> list[CallRecord]:  # type: ignore[override]
            asked.append(wanted)
            return []

    peer, bridge = Counting(), Bridge()
    many = tuple(replace(KnownPeer(ALICE, f"phone {number}", NOW)) for number in range(3 * MAX_NAMED))
    peer.become(known_peers=many)
    bridge.attach(peer)  # type: ignore[arg-type]
    await until(lambda: bridge.snapshot() is not None)
    bridge.ask_calls("phone", "", None, 200)
    await until(lambda: asked)
    callers = asked[0]["callers"]
    assert isinstance(callers, tuple)
    assert len(callers) == MAX_NAMED
    await bridge.aclose()
