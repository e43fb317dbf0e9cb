"""The window follows every change of the snapshot, with or without an event, and whether or not somebody counted it."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from PySide6.QtWidgets import QApplication

from core.news.events import (
    BrokerSnapshot,
    BrokerUse,
    GrapeSnapshot,
    GrapeState,
    Holds,
    IdentitySnapshot,
    NatSnapshot,
    OwnAddress,
    PeerSnapshot,
    Traffic,
)
from core.news.invitations import Invitations
from core.news.network import PublicDhtSnapshot
from core.news.relays import RelaysSnapshot
from core.news.seen import Connections, PathRow, Via
from core.trust.entries import Group, KnownPeer, Pending
from core.values import Address
from desktop.bridge import Bridge
from desktop.bridge.feed import LOOK_MS
from tests.desktop.core_double import ADDRESS, FIBONACCI, ScriptedPeer, row
from tests.desktop.fake_peer import ALICE, ANNA, EVE, NOW, OURS, shares_snapshot
from tests.desktop.polling import until

CHANGES: dict[str, Any] = {
    "address": Address("192.0.2.1", 4000),
    "observed": Address("198.51.100.2", 4000),
    "grape": GrapeSnapshot(GrapeState.ALONE, True, "", 0, "Alone"),
    "services": (dataclasses.replace(FIBONACCI, served=7),),
    "peers": (row(7000),),
    "known_peers": (KnownPeer(ALICE, "Anna", NOW),),
    "groups": (Group("family", frozenset({"photos"})),),
    "pending": (Pending(EVE, "fibonacci", ANNA, NOW, NOW),),
    "trust_problem": "The list of known peers is damaged.",
    "connections": Connections((PathRow(Address("203.0.113.5", 4000), Via.DIRECT),)),
    "relays": RelaysSnapshot(ready=("Anna",)),
    "nat": NatSnapshot(network="This network is behind a router."),
    "public_dht": PublicDhtSnapshot(message="As the public DHT is."),
    "trust_recoverable": (KnownPeer(ALICE, "Anna", NOW),),
    "identity": IdentitySnapshot(OURS, "Your key is in this computer's keyring.", True),
    "broker": BrokerSnapshot(True),
    "broker_use": BrokerUse(True),
    "shares": shares_snapshot().shares,
    "uses": shares_snapshot().uses,
    "invitations": Invitations(problem="The file of invitations cannot be read."),
    "addresses": (OwnAddress(Address("192.0.2.1", 4000), Holds.LAN),),
}
BY_THEMSELVES = {"revision", "traffic"}  # the counter itself; and what the traffic line looks at twice a second


@pytest_asyncio.fixture
async def followed(qapp: QApplication) -> AsyncIterator[tuple[Bridge, ScriptedPeer, list[PeerSnapshot]]]:
    bridge, peer = Bridge(), ScriptedPeer()
    told: list[PeerSnapshot] = []
    bridge.snapshot_changed.connect(told.append)
    bridge.attach(peer)  # type: ignore[arg-type]
    await until(lambda: told)
    yield bridge, peer, told
    await bridge.aclose()


def test_every_field_of_a_snapshot_is_tried() -> None:
    fields = {field.name for field in dataclasses.fields(PeerSnapshot)}
    # a field that another part of the program adds is followed like the others; it needs a value here
    assert set(CHANGES) <= fields
    assert not (fields - set(CHANGES) - BY_THEMSELVES), "add a value for the new field"


@pytest.mark.parametrize("field", sorted(CHANGES))
@pytest.mark.asyncio
async def test_a_change_without_an_event_is_shown(
    followed: tuple[Bridge, ScriptedPeer, list[PeerSnapshot]], field: str
) -> None:
    _bridge, peer, told = followed
    peer.become(**{field: CHANGES[field]})  # another revision, and nobody is told
    await until(lambda: getattr(told[-1], field) == CHANGES[field])


@pytest.mark.asyncio
async def test_a_change_that_nobody_counted_is_shown(
    followed: tuple[Bridge, ScriptedPeer, list[PeerSnapshot]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.bridge.feed.WHOLE_EVERY", 2)
    _bridge, peer, told = followed
    peer.state = dataclasses.replace(peer.state, observed=Address("198.51.100.2", 4000))
    await until(lambda: told[-1].observed is not None)


@pytest.mark.asyncio
async def test_nothing_new_is_not_told_and_traffic_alone_is_nothing_new(
    followed: tuple[Bridge, ScriptedPeer, list[PeerSnapshot]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.bridge.feed.WHOLE_EVERY", 1)
    _bridge, peer, told = followed
    before = len(told)
    peer.state = dataclasses.replace(peer.state, traffic=Traffic(received=5))
    await asyncio.sleep(4 * LOOK_MS / 1000)
    assert len(told) == before


@pytest.mark.asyncio
async def test_it_follows_the_next_peer_too(followed: tuple[Bridge, ScriptedPeer, list[PeerSnapshot]]) -> None:
    bridge, _peer, told = followed
    await bridge.detach()
    second = ScriptedPeer()
    bridge.attach(second)  # type: ignore[arg-type]
    await until(lambda: told[-1].address == ADDRESS and told[-1].revision > 1)
    second.become(identity=CHANGES["identity"])
    await until(lambda: told[-1].identity.peer_id == OURS)
