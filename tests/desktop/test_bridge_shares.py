"""The bridge's parts for shares: verbs reach the peer, tickets are answered once, the next peer has what there was."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from PySide6.QtWidgets import QApplication

from core.errors import LocalError, TransportClosed
from core.kinds.share import Share
from core.profile.config import PeerConfig
from core.profile.settings import Settings, SettingsStore
from core.profile.shares import KeptUse, kept_shares, kept_uses, with_share, with_use
from core.services.fibonacci import FibonacciService
from core.services.service import Registry
from core.trust.audience import Audience
from desktop.bridge import Bridge
from desktop.bridge.session import NOT_OPEN
from desktop.bridge.tickets import CLOSED, MAX_ASKED, TOO_MANY
from desktop.choices import Choices
from desktop.keeper import Keeper
from desktop.kept import NOT_KEPT, Kept, with_switches
from desktop.models.values import MOST
from desktop.resume import resume
from tests.desktop.core_double import ScriptedPeer
from tests.desktop.fake_peer import ALICE, shares_snapshot
from tests.desktop.polling import until

pytestmark = pytest.mark.asyncio
GARDEN = Share("garden", "tcp", {"target": "8080"})
CLUB = Share("club", "tcp", {"target": "8081"}, permanent=False)


class Scene:
    """A bridge over a scripted peer, and all that it said."""

    def __init__(self) -> None:
        self.bridge, self.peer = Bridge(), ScriptedPeer()
        self.told: list[tuple[object, ...]] = []
        self.failures: list[str] = []
        sharing, using = self.bridge.sharing, self.bridge.using
        for name, signal in (
            ("done", sharing.done), ("looked", sharing.looked), ("found", sharing.found), ("kept", sharing.kept),
            ("dropped", sharing.dropped), ("offered", using.offered), ("opened", using.opened),
            ("values", using.values), ("ended", using.ended), ("use kept", using.kept), ("use dropped", using.dropped),
        ):  # fmt: skip
            signal.connect(lambda *arguments, name=name: self.told.append((name, *arguments)))
        self.bridge.failed.connect(self.failures.append)

    def attach(self) -> None:
        self.bridge.attach(self.peer)  # type: ignore[arg-type]

    async def hear(self, name: str) -> tuple[object, ...]:
        """Return the first thing of a name that was told, and forget it."""
        await until(lambda: any(each[0] == name for each in self.told))
        found = next(each for each in self.told if each[0] == name)
        self.told.remove(found)
        return found[1:]


@pytest_asyncio.fixture
async def scene(qapp: QApplication) -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.bridge.aclose()


# -- shares ------------------------------------------------------------------------------------------------------------


async def test_what_is_shared_is_remembered_as_far_as_it_is_permanent(scene: Scene) -> None:
    scene.attach()
    sharing = scene.bridge.sharing
    ticket = sharing.add(GARDEN)
    assert scene.told == []  # never before the ticket is there
    assert await scene.hear("done") == (ticket, "")
    assert await scene.hear("kept") == (GARDEN,)
    ticket = sharing.add(CLUB)
    assert await scene.hear("done") == (ticket, "")
    sharing.switch("garden", False)
    kept = await scene.hear("kept")
    assert isinstance(kept[0], Share)
    assert not kept[0].on
    sharing.remove("garden")
    assert await scene.hear("dropped") == ("garden",)
    sharing.remove("club")
    await until(lambda: not scene.peer.held)
    assert scene.told == []


async def test_what_cannot_be_is_said_to_who_asked_or_in_the_window(scene: Scene) -> None:
    ticket = scene.bridge.sharing.add(GARDEN)
    assert await scene.hear("done") == (ticket, NOT_OPEN)
    scene.attach()
    scene.peer.refusal = LocalError("64 shares are the most: remove one first")
    ticket = scene.bridge.sharing.add(GARDEN)
    assert await scene.hear("done") == (ticket, "64 shares are the most: remove one first.")
    scene.bridge.sharing.switch("garden", True)
    await until(lambda: scene.failures == ["64 shares are the most: remove one first."])


async def test_the_next_peer_has_the_shares_also_the_temporary_ones(scene: Scene) -> None:
    scene.attach()
    for share in (GARDEN, CLUB):
        scene.bridge.sharing.add(share)
        await scene.hear("done")
    await scene.bridge.detach()
    scene.peer = ScriptedPeer()
    scene.attach()
    await until(lambda: list(scene.peer.held.values()) == [GARDEN, CLUB])


async def test_a_share_added_before_the_others_are_back_costs_none_of_them(scene: Scene) -> None:
    scene.bridge.sharing.hold((GARDEN, Share("shed", "tcp", {"target": "1"})))
    scene.peer.room = asyncio.Event()  # for a share that was kept
    scene.attach()
    scene.bridge.sharing.add(CLUB)
    await scene.hear("done")
    ticket = scene.bridge.sharing.add(GARDEN)
    assert (await scene.hear("done"))[0] == ticket
    assert scene.peer.held == {"club": CLUB}
    scene.bridge.sharing.add(Share("porch", "tcp", {"target": "2"}))
    assert await scene.hear("kept") == (Share("porch", "tcp", {"target": "2"}),)
    scene.peer.room.set()
    await until(lambda: set(scene.peer.held) == {"club", "garden", "shed", "porch"})
    assert [each[0] for each in scene.told] == ["done"]


async def test_a_share_that_a_peer_has_no_room_for_is_given_to_the_next(scene: Scene) -> None:
    scene.peer.most = 1
    scene.bridge.sharing.hold((GARDEN, CLUB))
    scene.attach()
    await until(lambda: scene.peer.held)
    scene.bridge.sharing.switch("garden", False)
    await scene.hear("kept")
    assert list(scene.peer.held) == ["garden"]
    await scene.bridge.detach()
    scene.peer = ScriptedPeer()
    scene.attach()
    await until(lambda: [share.on for share in scene.peer.held.values()] == [False, True])
    assert scene.told == []


async def test_shares_are_looked_at_and_ports_found_without_the_window_waiting(scene: Scene) -> None:
    scene.attach()
    ticket = scene.bridge.sharing.look(Share("x", "folder", {"path": "/"}))
    number, look = await scene.hear("looked")
    assert (number, look.possible, "whole disk" in look.warnings[0]) == (ticket, True, True)  # type: ignore[attr-defined]
    ticket = scene.bridge.sharing.check("garden")
    number, look = await scene.hear("looked")
    assert (number, look.sentence) == (ticket, "garden is there.")  # type: ignore[attr-defined]
    scene.peer.held["off"] = Share("off", "python", {"target": "/nowhere/garden.py:handle"}, on=False)
    row = replace(shares_snapshot().shares[0], name="off", on=False)
    scene.peer.become(shares=(row,))
    ticket = scene.bridge.sharing.check("off")
    number, look = await scene.hear("looked")
    assert (number, look.sentence) == (ticket, "There is no file /nowhere/garden.py.")  # type: ignore[attr-defined]
    ticket = scene.bridge.sharing.find()
    assert (await scene.hear("found"))[0] == ticket


async def test_another_setting_leaves_the_audience_of_a_share(scene: Scene) -> None:
    registry = Registry(FibonacciService())
    keeper = Keeper(scene.bridge, PeerConfig(), registry)
    scene.peer.held["fibonacci"] = Share("fibonacci", "tcp", {}, Audience.OFF)
    keeper._open = scene.peer  # type: ignore[assignment]
    keeper.use(PeerConfig(audiences={"x": Audience.ANYONE}))
    assert scene.peer.audiences == {}
    scene.peer.held.clear()
    keeper.use(PeerConfig())
    assert scene.peer.audiences == {"fibonacci": Audience.ANYONE}


# -- what is used ------------------------------------------------------------------------------------------------------


async def test_offers_are_asked_for_and_a_cancelled_question_says_nothing(scene: Scene) -> None:
    scene.attach()
    scene.peer.gate.clear()
    cancelled = scene.bridge.using.ask(ALICE)
    await until(lambda: scene.peer.calls)
    scene.bridge.using.cancel(cancelled)
    scene.peer.gate.set()
    ticket = scene.bridge.using.ask(ALICE)
    number, offers, words = await scene.hear("offered")
    assert (number, len(offers), words) == (ticket, 1, "")  # type: ignore[arg-type]
    scene.peer.refusal = TransportClosed("peer A4DQOBY is away")
    ticket = scene.bridge.using.ask(ALICE)
    assert await scene.hear("offered") == (ticket, (), "Peer A4DQOBY is away.")
    assert scene.told == []


async def test_what_is_under_way_is_bounded_and_ends_with_the_peer(scene: Scene) -> None:
    scene.attach()
    scene.peer.gate.clear()
    for _ in range(MAX_ASKED + 1):
        scene.bridge.using.ask(ALICE)
    assert (await scene.hear("offered"))[2] == TOO_MANY
    await scene.bridge.detach()
    assert [each[3] for each in scene.told if each[0] == "offered"] == [CLOSED] * MAX_ASKED


async def test_what_is_open_is_open_in_the_next_peer_at_the_same_port_or_another(scene: Scene) -> None:
    scene.attach()
    using = scene.bridge.using
    using.open(ALICE, "ssh", "tcp")
    assert (await scene.hear("opened"))[1:] == ("127.0.0.1:4001", "")
    (row,) = scene.peer.snapshot().uses
    using.keep(row, True)
    assert await scene.hear("use kept") == (KeptUse(ALICE, "ssh", "tcp", 4001),)
    assert using.is_kept(row)
    await scene.bridge.detach()
    scene.peer = ScriptedPeer()
    scene.peer.port_taken = True
    scene.attach()
    await until(lambda: scene.peer.calls == ["use ssh tcp 4001", "use ssh tcp 0"])
    (row,) = scene.peer.snapshot().uses
    using.close(row.where)
    assert await scene.hear("use dropped") == (ALICE, "ssh")
    await until(lambda: not scene.peer.snapshot().uses)
    assert scene.failures == []


async def test_values_come_in_batches_and_one_bad_line_costs_no_other(scene: Scene) -> None:
    scene.attach()
    ticket = scene.bridge.using.watch(ALICE, "temperature")
    burst = b"".join(json.dumps([1000.0 + at, at]).encode() + b"\n" for at in range(5000))
    scene.peer.stream.arriving.put_nowait(burst + b'nonsense\n[1,NaN]\n["x",1]\n[2000,"war')
    scene.peer.stream.arriving.put_nowait(b'm"]\n')
    scene.peer.stream.arriving.put_nowait(TransportClosed("temperature is no longer shared"))
    number, rows = await scene.hear("values")
    assert (number, rows[-1].text) == (ticket, "warm")  # type: ignore[index]
    assert len(rows) <= MOST  # type: ignore[arg-type]
    assert await scene.hear("ended") == (ticket, "Temperature is no longer shared.")
    assert scene.peer.stream.given_up


async def test_a_line_without_end_ends_the_watching(scene: Scene) -> None:
    scene.attach()
    scene.bridge.using.watch(ALICE, "temperature")
    for _ in range(6):
        scene.peer.stream.arriving.put_nowait(b"9" * 65536)
    assert "too long" in str((await scene.hear("ended"))[1])
    assert scene.peer.stream.given_up


# -- what lasts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: object) -> SettingsStore:
    return SettingsStore(root=tmp_path)  # type: ignore[arg-type]


async def test_the_settings_keep_what_the_window_changes_and_what_they_cannot_read(
    scene: Scene, store: SettingsStore
) -> None:
    settings = Settings(shares=({"name": "future", "kind": "tcp", "options": 7},))
    store.save(settings)
    choices = Choices(store, store.start())
    said: list[str] = []
    Kept(scene.bridge, store, choices, said.append)
    scene.attach()
    scene.bridge.sharing.add(GARDEN)
    await scene.hear("done")
    scene.bridge.using.open(ALICE, "ssh", "tcp")
    await scene.hear("opened")
    scene.bridge.using.keep(scene.peer.snapshot().uses[0], True)
    await until(lambda: len(store.load().uses) == 1)
    assert kept_shares(store.load()).shares == (GARDEN,)
    assert store.load().shares[0] == settings.shares[0]
    scene.bridge.sharing.remove("garden")
    await until(lambda: store.load().shares == settings.shares)
    assert said == []
    await choices.aclose(Settings().window)


async def test_at_the_next_start_it_is_shared_and_open_again(scene: Scene) -> None:
    settings = with_use(with_share(Settings(), GARDEN), KeptUse(ALICE, "ssh", "tcp", 4001))
    settings = with_use(settings, KeptUse(ALICE, "seldom", "tcp", 4002, at_login=False))
    resume(scene.bridge, settings)
    scene.attach()
    await until(lambda: scene.peer.held and scene.peer.calls == ["use ssh tcp 4001"])
    assert scene.bridge.using.is_kept(scene.peer.snapshot().uses[0])
    assert scene.told == []  # nothing has changed


async def test_damaged_settings_are_not_written_over_by_a_new_share(scene: Scene, store: SettingsStore) -> None:
    store.save(with_share(Settings(), GARDEN))
    damaged = store.path.read_text().replace('"dht_port": 20001', '"dht_port": "x"')
    store.path.write_text(damaged)
    choices = Choices(store, store.start())
    assert choices.current.shares == ()  # closed, as long as nobody has looked
    said: list[str] = []
    Kept(scene.bridge, store, choices, said.append)
    scene.attach()
    scene.bridge.sharing.add(Share("new", "tcp", {"target": "1"}))
    await until(lambda: said == [NOT_KEPT])
    assert store.path.read_text() == damaged
    resume(scene.bridge, store.confirm())
    await until(lambda: set(scene.peer.held) == {"new", "garden"})
    await choices.aclose(Settings().window)


async def test_a_dialog_that_was_open_long_takes_no_share_back() -> None:
    chosen, current = Settings(notify_new_peers=False), with_share(Settings(sharing=("fibonacci",)), GARDEN)
    both = with_switches(chosen, current)
    assert (both.notify_new_peers, both.shares, both.sharing) == (False, current.shares, ("fibonacci",))
    assert kept_uses(both) == ()
