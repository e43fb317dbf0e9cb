# ruff: noqa: ASYNC240 - the files of a test are small, and nothing else waits for the loop
"""The list of known peers on disk: it lasts, is bounded, survives damage, and is shared between programs."""

import asyncio
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from core.errors import LocalError
from core.trust.book import MAX_PEERS, MAX_PENDING, MAX_PENDING_PER_HOST, Book
from core.trust.entries import EVERY, MAX_NAME, MAX_SERVICES, KnownPeer, Pending, clean_name
from core.trust.store import NOT_AGAIN, ONCE_HOLDS, SEEN_EVERY, Change, TrustStore
from core.values import Address
from tests.trust.people import ANN, BOB, EVE, HERE, NOW, WEATHER, opened, peer_id

pytestmark = pytest.mark.asyncio


async def test_everything_comes_back(path: Path) -> None:
    store = await opened(path)
    await store.trust(ANN, "Ann", WEATHER, NOW)
    await store.trust(BOB, "Bob", EVERY, NOW + 1)
    await store.block(EVE, NOW + 2)
    store.ask((peer_id(7), "clock"), HERE, NOW + 3)
    store.ask((peer_id(7), "clock"), HERE, NOW + 4)
    store.see(ANN, NOW + 5)
    await store.flush(NOW + 6)
    again = await opened(path)
    assert again.peers() == (
        KnownPeer(ANN, "Ann", NOW, NOW + 5, WEATHER),
        KnownPeer(BOB, "Bob", NOW + 1, None, EVERY),
        KnownPeer(EVE, "", NOW + 2, None, frozenset(), blocked=True),
    )
    assert again.pending() == (Pending(peer_id(7), "clock", HERE, NOW + 3, NOW + 4, 2),)
    assert again.problem is None


async def test_the_file_is_private_and_alone(path: Path) -> None:
    store = await opened(path)
    await store.trust(ANN, "Ann", WEATHER, NOW)
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "default.trust.copy.json", "default.trust.json", "default.trust.lock",
    ]  # fmt: skip
    assert all(each.stat().st_mode & 0o077 == 0 for each in path.parent.iterdir())


async def test_nothing_is_made_by_looking(path: Path) -> None:
    store = await opened(path)
    await store.refresh(NOW)
    await store.flush(NOW)
    assert not path.parent.exists()
    assert store.problem is None


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b'{"schema": 2}',
        b'{"schema": 1}',
        b"[" * 100_000,
        b'{"schema": 1, "dropped": 0, "peers": [{"id": "nobody"}], "pending": [], "grants": [], "refused": []}',
        b'{"schema": 1, "dropped": 0, "peers": [7], "pending": [], "grants": [], "refused": []}',
        b'{"schema": 1, "dropped": NaN, "peers": [], "pending": [], "grants": [], "refused": []}',
        b'{"schema": 1, "dropped": 0, "peers": {}, "pending": [], "grants": 5, "refused": []}',
        b'{"schema": 1, "dropped": 0, "pending": [], "refused": [], "peers": [], "grants": '
        b'[{"id": "%s", "service": "x", "until": 1%s}]}' % (str(ANN).encode(), b"0" * 400),
        b'{"schema": 1, "dropped": true, "peers": [], "pending": [], "grants": [], "refused": []}',
    ],
)
async def test_a_damaged_file_is_kept_and_said_and_nobody_is_trusted(path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    store = await opened(path)
    assert (store.peers(), store.pending()) == ((), ())
    assert store.problem is not None
    assert "nobody is trusted" in store.problem
    with pytest.raises(LocalError, match="until you have looked"):
        await store.trust(ANN, "Ann", WEATHER, NOW)
    assert path.read_bytes() == damage
    assert (await opened(path)).closed, "reading moves nothing"
    await store.confirm(NOW)
    assert not store.closed
    assert [peer.name for peer in (await opened(path)).peers()] == ["Ann"], "what was asked for meanwhile is done"
    assert [each.read_bytes() for each in path.parent.glob("default.trust.json.damaged-*")] == [damage]


async def test_a_file_that_is_far_too_large_is_not_even_parsed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await (await opened(path)).trust(ANN, "Ann", WEATHER, NOW)
    monkeypatch.setattr("core.trust.file.MAX_BYTES", path.stat().st_size)
    assert len((await opened(path)).peers()) == 1
    monkeypatch.setattr("core.trust.file.MAX_BYTES", path.stat().st_size - 1)
    store = await opened(path)
    assert store.peers() == ()
    assert "too large" in (store.problem or "")


async def test_one_flipped_field_trusts_nobody_by_half(path: Path) -> None:
    store = await opened(path)
    await store.trust(ANN, "Ann", WEATHER, NOW)
    await store.trust(BOB, "Bob", WEATHER, NOW)
    document = json.loads(path.read_text())
    document["peers"][1]["blocked"] = "no"
    path.write_text(json.dumps(document))
    await store.refresh(NOW)
    assert store.peers() == ()
    assert store.problem is not None


async def test_a_file_that_cannot_be_read_is_not_overwritten(path: Path) -> None:
    path.mkdir(parents=True)  # a folder of that name: no user may read it as a file, not even an administrator
    store = await opened(path)
    assert store.problem is not None
    assert str(path) in store.problem
    with pytest.raises(LocalError, match="cannot be used"):
        await store.trust(ANN, "Ann", WEATHER, NOW)
    assert path.is_dir()
    path.rmdir()
    await store.refresh(NOW)
    await store.flush(NOW)
    assert [peer.name for peer in (await opened(path)).peers()] == ["Ann"], "kept until the disk takes it"


async def test_changes_of_another_program_are_noticed_and_told(path: Path) -> None:
    ours, theirs = await opened(path), await opened(path, serving=False)
    told: list[Change] = []
    ours.listen(told.append)
    await ours.trust(ANN, "Ann", WEATHER, NOW)
    await theirs.refresh(NOW)
    await theirs.block(ANN, NOW)
    ours.ask((peer_id(7), "clock"), HERE, NOW)  # not written yet: it must not be lost
    told.clear()
    await ours.refresh(NOW)
    known = ours.find(ANN)
    assert known is not None
    assert known.blocked
    assert [each.key for each in ours.pending()] == [(peer_id(7), "clock")]
    assert told == [Change.FOUND]
    await theirs.refresh(NOW)
    assert [each.key for each in theirs.pending()] == [(peer_id(7), "clock")]
    told.clear()
    await ours.refresh(NOW)
    assert told == [], "what it wrote itself is no news"


async def test_what_comes_while_the_file_is_written_is_kept(path: Path) -> None:
    store = await opened(path)
    writing = asyncio.get_running_loop().create_task(store.trust(ANN, "Ann", WEATHER, NOW))
    await asyncio.sleep(0)  # it has begun, and goes on in a thread
    store.ask((BOB, "clock"), HERE, NOW)
    await writing
    assert [each.key for each in store.pending()] == [(BOB, "clock")]
    assert "clock" not in path.read_text()
    await store.flush(NOW)
    assert [each.key for each in (await opened(path)).pending()] == [(BOB, "clock")]


async def test_what_is_answered_elsewhere_is_not_pending_here(path: Path) -> None:
    ours, theirs = await opened(path), await opened(path, serving=False)
    for service in ("weather", "clock", "lamp"):
        ours.ask((peer_id(7), service), HERE, NOW)
    await ours.flush(NOW)
    await theirs.refresh(NOW)
    await theirs.accept_always((peer_id(7), "weather"), NOW)
    await theirs.refuse((peer_id(7), "clock"), NOW)
    await theirs.accept_once((peer_id(7), "lamp"), NOW)
    for service in ("weather", "clock"):
        ours.ask((peer_id(7), service), HERE, NOW + 1)  # before it has looked
    await ours.refresh(NOW + 1)
    assert ours.pending() == ()
    assert not ours.ask((peer_id(7), "clock"), HERE, NOW + NOT_AGAIN - 1)
    assert ours.ask((peer_id(7), "clock"), HERE, NOW + NOT_AGAIN + 1)
    assert ours.granted((peer_id(7), "lamp"), NOW + 2)
    assert not ours.granted((peer_id(7), "lamp"), NOW + 2)


async def test_a_grant_of_another_program_is_taken_by_one_only(path: Path) -> None:
    first, second, theirs = await opened(path), await opened(path), await opened(path, serving=False)
    key = (peer_id(7), "lamp")
    first.ask(key, HERE, NOW)
    await first.flush(NOW)
    await theirs.refresh(NOW)
    await theirs.accept_once(key, NOW)
    await asyncio.gather(first.refresh(NOW), second.refresh(NOW))
    assert sorted([first.granted(key, NOW), second.granted(key, NOW)]) == [False, True]
    assert not (await opened(path)).granted(key, NOW)


async def test_a_grant_nobody_takes_runs_out(path: Path) -> None:
    ours, theirs = await opened(path), await opened(path, serving=False)
    key = (peer_id(7), "lamp")
    ours.ask(key, HERE, NOW)
    await ours.flush(NOW)
    await theirs.refresh(NOW)
    await theirs.accept_once(key, NOW)
    late = TrustStore(path)
    await late.open(NOW + ONCE_HOLDS)
    assert not late.granted(key, NOW)


def add_many(path: Path, first: int, count: int) -> None:
    """Run in a process of its own: add peers one by one."""

    async def work() -> None:
        store = await opened(path, serving=False)
        for number in range(first, first + count):
            await store.trust(peer_id(number), str(number), WEATHER, NOW)

    asyncio.run(work())


async def test_two_processes_at_once_lose_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=add_many, args=(path, first, 40)) for first in (1000, 2000)]
    for worker in workers:
        worker.start()
    ours = await opened(path)
    for number in range(3000, 3040):
        await ours.trust(peer_id(number), str(number), WEATHER, NOW)
    for worker in workers:
        await asyncio.to_thread(worker.join, 60)
        assert worker.exitcode == 0
    await ours.refresh(NOW)
    wanted = {peer_id(first + number) for first in (1000, 2000, 3000) for number in range(40)}
    assert {peer.peer_id for peer in ours.peers()} == wanted
    assert {peer.peer_id for peer in (await opened(path)).peers()} == wanted


async def test_a_lock_that_is_held_is_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr("core.files.lock.WAIT", 0.05)
    store = await opened(path)
    await store.trust(ANN, "Ann", WEATHER, NOW)
    held = os.open(path.with_suffix(".lock"), os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with pytest.raises(LocalError, match="another program holds"):
            await store.block(ANN, NOW)
    finally:
        os.close(held)
    await store.flush(NOW)
    known = (await opened(path)).find(ANN)
    assert known is not None
    assert known.blocked


async def test_last_seen_reaches_the_disk_late_and_a_new_request_soon(path: Path) -> None:
    store = await opened(path)
    await store.trust(ANN, "Ann", WEATHER, NOW)
    before = path.read_bytes()
    store.see(ANN, NOW + 1)
    await store.refresh(NOW + 1)
    assert path.read_bytes() == before
    await store.refresh(NOW + SEEN_EVERY)
    assert path.read_bytes() != before
    store.ask((BOB, "clock"), HERE, NOW + SEEN_EVERY)
    await store.refresh(NOW + SEEN_EVERY + 1)
    assert "clock" in path.read_text()
    before = path.read_bytes()
    store.ask((BOB, "clock"), HERE, NOW + SEEN_EVERY + 2)
    await store.refresh(NOW + SEEN_EVERY + 2)
    assert path.read_bytes() == before


async def test_ten_thousand_peers_and_not_one_more(path: Path) -> None:
    book = Book()
    for number in range(MAX_PEERS):
        book.keep(KnownPeer(peer_id(number), f"n{number}", NOW, None, WEATHER))
    path.parent.mkdir()
    path.write_bytes(book.dump())
    store = await opened(path)
    assert len(store.peers()) == MAX_PEERS
    for verb in (store.trust(peer_id(MAX_PEERS), "", WEATHER, NOW), store.block(peer_id(MAX_PEERS), NOW)):
        with pytest.raises(LocalError, match="remove some"):
            await verb
    await store.untrust(peer_id(5), NOW)
    await store.trust(peer_id(MAX_PEERS), "last", WEATHER, NOW)
    assert store.peers()[-1].name == "last"


async def test_the_oldest_pending_request_makes_room_and_is_counted() -> None:
    store = TrustStore()
    for number in range(MAX_PENDING):
        store.ask((peer_id(number), "weather"), Address(f"192.0.2.{number}", 5), NOW + number)
    store.ask((peer_id(0), "weather"), Address("192.0.2.0", 5), NOW + 200)  # no longer the oldest
    store.ask((peer_id(500), "weather"), Address("192.0.2.200", 5), NOW + 201)
    waiting = [each.peer_id for each in store.pending()]
    assert len(waiting) == MAX_PENDING
    assert peer_id(1) not in waiting
    assert waiting[-2:] == [peer_id(0), peer_id(500)]
    assert store.dropped == 1


async def test_new_ids_of_one_host_push_out_only_each_other() -> None:
    store = TrustStore()
    assert store.ask((ANN, "weather"), Address("198.51.100.1", 5), NOW)
    shown = [store.ask((peer_id(n), "weather"), Address("192.0.2.66", n), NOW + 1) for n in range(1000, 2000)]
    assert sum(shown) == MAX_PENDING_PER_HOST, "nobody looks at more of them"
    assert store.ask((BOB, "weather"), Address("198.51.100.2", 5), NOW + 2)
    assert store.ask((peer_id(5), "weather"), Address("192.0.2.66", 5), NOW + 1 + NOT_AGAIN)
    assert store.pending()[0].peer_id == ANN
    assert len(store.pending()) == 2 + MAX_PENDING_PER_HOST


async def test_many_hosts_together_show_no_more_than_waits() -> None:
    store = TrustStore()
    shown = [store.ask((peer_id(n), "lamp"), Address(f"192.0.{n // 200}.{n % 200}", 5), NOW) for n in range(1000)]
    assert sum(shown) == MAX_PENDING


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Ann \n\t B.", "Ann B."),
        ("\x1b[31mroot\x00", "[31mroot"),
        ("a\u202eb\u2066c\u200d", "a b c"),
        ("\r\n", ""),
        ("x" * 10_000, "x" * MAX_NAME),
        ("\ud800lone", "lone"),
        ("Zoë 🍇", "Zoë 🍇"),
    ],
)
async def test_names_cannot_hide_or_forge_anything(path: Path, given: str, kept: str) -> None:
    assert clean_name(given) == kept
    store = await opened(path)
    await store.trust(ANN, given, WEATHER, NOW)
    assert [peer.name for peer in (await opened(path)).peers()] == [kept]


async def test_hostile_names_in_the_file_are_cleaned_too(path: Path) -> None:
    store = await opened(path)
    await store.trust(ANN, "Ann", WEATHER, NOW)
    path.write_text(path.read_text().replace('"Ann"', '"\\u001b[2J\\u202eAnn"'))
    assert [peer.name for peer in (await opened(path)).peers()] == ["[2J Ann"]


async def test_services_are_bounded_whoever_adds_them(path: Path) -> None:
    store = await opened(path)
    for services in (
        frozenset({""}),
        frozenset({"x" * 1000}),
        frozenset({"\ud800"}),
        frozenset(map(str, range(MAX_SERVICES + 1))),
    ):
        with pytest.raises(LocalError):
            await store.trust(ANN, "Ann", services, NOW)
    with pytest.raises(LocalError, match="alone"):
        await store.trust(ANN, "Ann", frozenset({"*", "weather"}), NOW)
    await store.trust(ANN, "Ann", frozenset(map(str, range(MAX_SERVICES))), NOW)
    store.ask((ANN, "weather"), HERE, NOW)
    with pytest.raises(LocalError, match="64 services"):
        await store.accept_always((ANN, "weather"), NOW)
    assert (await opened(path)).problem is None


async def test_verbs_about_nobody_are_sentences() -> None:
    store = TrustStore()
    with pytest.raises(LocalError, match="not known"):
        await store.untrust(ANN, NOW)
    for verb in (store.refuse, store.accept_once, store.accept_always):
        with pytest.raises(LocalError, match="does not wait"):
            await verb((ANN, "weather"), NOW)


async def test_trusting_answers_what_waits_and_unblocks(path: Path) -> None:
    store = await opened(path)
    for service in ("weather", "clock"):
        store.ask((ANN, service), HERE, NOW)
    await store.trust(ANN, "Ann", WEATHER, NOW)
    assert [each.service for each in store.pending()] == ["clock"]
    await store.block(ANN, NOW)
    assert store.pending() == ()
    await store.trust(ANN, "", WEATHER, NOW)
    (known,) = store.peers()
    assert (known.name, known.blocked, known.services) == ("Ann", False, WEATHER)
    store.ask((ANN, "clock"), HERE, NOW)
    await store.untrust(ANN, NOW)
    assert store.pending() == (), "with a peer goes what it asked"
    assert (await opened(path)).peers() == ()
