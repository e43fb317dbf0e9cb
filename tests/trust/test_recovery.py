# ruff: noqa: ASYNC240 - the files of a test are small, and nothing else waits for the loop
"""Blocks outlive damage; whatever else was in the list waits, closed, until its owner has looked."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import core.trust.file
from core.errors import LocalError
from core.files.private import write_private
from core.trust.audience import Audience
from core.trust.entries import EVERY
from core.trust.permissions import BLOCKED, SERVICE_OFF, Permissions
from core.trust.store import ONCE_HOLDS, Change, TrustStore
from core.values import Caller
from tests.trust.people import ANN, BOB, EVE, HERE, NOW, WEATHER, opened, peer_id

pytestmark = pytest.mark.asyncio


async def filled(path: Path) -> TrustStore:
    store = await opened(path)
    await store.trust(ANN, "Ann", WEATHER, NOW)
    await store.trust(BOB, "Bob", EVERY, NOW)
    await store.block(EVE, NOW)
    return store


def refusals(store: TrustStore) -> dict[str, str | None]:
    """What each is told about a service that is open to anyone."""
    permissions = Permissions(store, {"weather": Audience.ANYONE})
    found = {}
    for name, who in {"Ann": ANN, "Eve": EVE, "a stranger": peer_id(99)}.items():
        refusal = permissions.refusal("weather", Caller(HERE, who))
        found[name] = None if refusal is None else refusal.name
    refusal = permissions.refusal("weather", Caller(HERE, None))
    return {**found, "plain": None if refusal is None else refusal.name}


CLOSED = {"Ann": SERVICE_OFF, "Eve": BLOCKED, "a stranger": SERVICE_OFF, "plain": SERVICE_OFF}
OPEN = {"Ann": None, "Eve": BLOCKED, "a stranger": None, "plain": None}


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _without(path: Path) -> None:
    path.unlink()
    path.with_name("default.trust.copy.json").unlink()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:150]),
    "emptied": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(1000)),
    "not UTF-8": lambda path: path.write_bytes(path.read_bytes().replace(b"Ann", b"\xff\xfe\x80")),
    "wrong type": lambda path: path.write_text(path.read_text().replace("true", '"yes"')),
    "newer": lambda path: path.write_text(path.read_text().replace('"schema": 1', '"schema": 9')),
    "object": lambda path: path.write_text("{}"),
    "removed": lambda path: path.unlink(),
    "folder": _folder,
}


@pytest.mark.parametrize("how", DAMAGES)
async def test_blocks_outlive_damage_and_all_is_closed_until_the_owner_has_looked(path: Path, how: str) -> None:
    running = await filled(path)
    assert refusals(running) == OPEN
    told: list[Change] = []
    running.listen(told.append)
    DAMAGES[how](path)
    await running.refresh(NOW)
    assert Change.FOUND in told
    for store in (running, await opened(path), await opened(path, serving=False)):
        assert refusals(store) == CLOSED
        assert store.problem is not None
        assert str(path) in store.problem
        assert "grapevine trust confirm" in store.problem
        assert len(store.problem) < 800
    if how == "folder":
        with pytest.raises(LocalError, match="cannot be used"):
            await running.confirm(NOW)
        return
    await running.confirm(NOW)
    for store in (running, await opened(path)):
        assert refusals(store) == OPEN
        assert {peer.name or "Eve": peer.services for peer in store.peers()} == {
            "Ann": WEATHER, "Bob": EVERY, "Eve": frozenset(),
        }  # fmt: skip


@pytest.mark.parametrize("how", ["cut", "not UTF-8", "wrong type", "newer"])
async def test_without_the_copy_each_line_that_can_be_read_counts(path: Path, how: str) -> None:
    await filled(path)
    path.with_name("default.trust.copy.json").unlink()  # as a version before this one left it
    DAMAGES[how](path)
    store = await opened(path)
    assert store.closed
    blocked = [peer.peer_id for peer in store.peers()]
    assert blocked == ([EVE] if how in ("not UTF-8", "newer") else [])
    await store.confirm(NOW)
    assert BOB in [peer.peer_id for peer in store.peers()] or how == "cut"


async def test_a_sound_list_that_forgot_a_block_blocks_all_the_same(path: Path) -> None:
    await filled(path)
    document = json.loads(path.read_text())
    document["peers"] = []
    path.write_text(json.dumps(document))
    store = await opened(path)
    assert refusals(store)["Eve"] == BLOCKED


async def test_unblocking_is_unblocking(path: Path) -> None:
    store = await filled(path)
    await store.trust(EVE, "Eve", WEATHER, NOW)
    assert refusals(await opened(path))["Eve"] is None
    await store.block(EVE, NOW)
    await store.untrust(EVE, NOW)
    assert refusals(await opened(path))["Eve"] is None


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_block_holds_wherever_its_writing_is_cut_off(
    path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    store = await filled(path)
    left = steps

    def write(to: Path, data: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        write_private(to, data)

    monkeypatch.setattr(core.trust.file, "write_private", write)
    with pytest.raises(LocalError, match="No space left"):
        await store.trust(EVE, "Eve", WEATHER, NOW)
    assert refusals(await opened(path))["Eve"] == BLOCKED, "it is not known yet that the owner meant otherwise"
    left = steps
    store = await opened(path)
    with pytest.raises(LocalError, match="No space left"):
        await store.block(ANN, NOW)
    assert (refusals(await opened(path))["Ann"] == BLOCKED) == (steps > 0)


async def test_both_files_removed_under_a_running_peer_open_nothing(path: Path) -> None:
    store = await filled(path)
    _without(path)
    await store.refresh(NOW)
    assert refusals(store) == CLOSED
    path.with_name("default.trust.lock").unlink()
    path.parent.rmdir()
    await store.refresh(NOW)
    assert refusals(store) == CLOSED
    await store.confirm(NOW)
    assert refusals(await opened(path)) == OPEN


async def test_a_list_that_cannot_be_locked_at_the_start_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(path)
    monkeypatch.setattr("core.files.lock.WAIT", 0.0)
    monkeypatch.setattr("core.files.lock.try_lock", lambda file: False)
    store = await opened(path)
    assert refusals(store)["a stranger"] == SERVICE_OFF
    monkeypatch.undo()
    await store.refresh(NOW)
    assert refusals(store) == OPEN


async def test_a_first_start_is_open_and_silent(path: Path) -> None:
    await filled(path)
    told: list[Change] = []
    store = TrustStore(path)
    store.listen(told.append)
    await store.open(NOW)
    await store.refresh(NOW)
    assert told == [], "nobody changed anything"
    assert not (await opened(path.with_name("other.trust.json"))).closed


@pytest.mark.parametrize("how", ["block", "untrust", "trust with less"])
async def test_accept_once_goes_with_the_trust_whoever_takes_it(path: Path, how: str) -> None:
    ours = await opened(path)
    await ours.trust(ANN, "Ann", WEATHER, NOW)
    ours.ask((ANN, "lamp"), HERE, NOW)
    await ours.flush(NOW)
    await ours.accept_once((ANN, "lamp"), NOW)
    theirs = await opened(path, serving=False)
    if how == "block":
        await theirs.block(ANN, NOW)
    elif how == "untrust":
        await theirs.untrust(ANN, NOW)
    else:
        await theirs.trust(ANN, "", frozenset({"clock"}), NOW)
    await ours.refresh(NOW)
    assert not ours.granted((ANN, "lamp"), NOW + 1)


async def test_a_strangers_accept_once_survives_what_others_do_to_others(path: Path) -> None:
    ours = await filled(path)
    ours.ask((peer_id(7), "lamp"), HERE, NOW)
    await ours.flush(NOW)
    await ours.accept_once((peer_id(7), "lamp"), NOW)
    await (await opened(path, serving=False)).block(ANN, NOW)
    await ours.refresh(NOW)
    assert ours.granted((peer_id(7), "lamp"), NOW + ONCE_HOLDS - 1)


async def test_a_blocked_strangers_accept_once_is_gone(path: Path) -> None:
    ours = await opened(path)
    ours.ask((EVE, "lamp"), HERE, NOW)
    await ours.flush(NOW)
    await ours.accept_once((EVE, "lamp"), NOW)
    await (await opened(path, serving=False)).block(EVE, NOW)
    await ours.refresh(NOW)
    assert not ours.granted((EVE, "lamp"), NOW + 1)
