# ruff: noqa: ASYNC240 - the files of a test are small, and nothing else waits for the loop
"""Groups of people: who is in one may call what is open to it, until they leave; names are told apart in words."""

import json
from pathlib import Path

import pytest

from core.errors import LocalError
from core.trust.book import Book
from core.trust.entries import EVERY, MAX_GROUP, MAX_GROUPS, MAX_SERVICES, Group
from core.trust.permissions import BLOCKED, NOT_TRUSTED, Permissions
from core.trust.store import TrustStore
from core.values import Caller
from tests.trust.people import ANN, BOB, EVE, HERE, NOW, WEATHER, opened, peer_id

pytestmark = pytest.mark.asyncio
NONE: frozenset[str] = frozenset()


async def family(path: Path) -> TrustStore:
    """Have Ann and Bob in a group to which the photos are open, and Eve in none."""
    store = await opened(path)
    await store.trust(ANN, "Ann", WEATHER, NOW)
    for who, name in ((BOB, "Bob"), (EVE, "Eve")):
        await store.trust(who, name, NONE, NOW)
    await store.regroup("@family", [ANN, BOB], now=NOW)
    await store.open_to("family", ["photos"], now=NOW)
    return store


def may(store: TrustStore, service: str = "photos") -> set[str]:
    """Return who may call a service."""
    permissions = Permissions(store)
    return {peer.name for peer in store.peers() if permissions.refusal(service, Caller(HERE, peer.peer_id)) is None}


async def test_who_is_in_a_group_may_call_what_is_open_to_it_and_it_comes_back(path: Path) -> None:
    store = await family(path)
    assert may(store) == {"Ann", "Bob"}
    assert may(store, "weather") == {"Ann"}
    again = await opened(path)
    assert again.problem is None
    assert again.groups() == (Group("family", frozenset({"photos"})),)
    assert may(again) == {"Ann", "Bob"}
    refusal = Permissions(again).refusal("photos", Caller(HERE, EVE))
    assert refusal is not None
    assert refusal.name == NOT_TRUSTED
    await again.open_to("family", ["lamp"], ["photos"], now=NOW)
    assert (may(again), may(again, "lamp")) == (set(), {"Ann", "Bob"})


@pytest.mark.parametrize("end", ["leaves", "is removed", "is blocked", "the group is removed"])
async def test_who_is_in_a_group_no_longer_may_call_no_longer_and_comes_back_without_it(path: Path, end: str) -> None:
    store = await family(path)
    if end == "leaves":
        await store.regroup("family", leave=[BOB], now=NOW)
    elif end == "is removed":
        await store.untrust(BOB, NOW)
        await store.trust(BOB, "Bob", NONE, NOW)
    elif end == "is blocked":
        await store.block(BOB, NOW)
        refusal = Permissions(store).refusal("photos", Caller(HERE, BOB))
        assert refusal is not None
        assert refusal.name == BLOCKED
        await store.trust(BOB, "Bob", NONE, NOW)  # unblocked
    else:
        await store.ungroup("family", NOW)
    for each in (store, await opened(path)):
        assert may(each) == (set() if "group" in end else {"Ann"})
        known = each.find(BOB)
        assert known is not None
        assert not known.in_group("family")


async def test_what_the_owner_says_of_a_person_leaves_the_groups_alone(path: Path) -> None:
    store = await family(path)
    await store.trust(BOB, "Robert", NONE, NOW)
    assert may(store) == {"Ann", "Robert"}
    await store.trust(EVE, "Eve", EVERY, NOW)
    assert may(store) == {"Ann", "Robert", "Eve"}, "every service is every service"


async def test_a_file_of_an_earlier_version_is_read_and_one_without_groups_is_written_as_before(path: Path) -> None:
    store = await opened(path)
    await store.trust(ANN, "Ann", WEATHER, NOW)
    for file in (path, path.with_name("default.trust.copy.json")):
        document = json.loads(file.read_bytes())
        assert "groups" not in document
        assert set(document["peers"][0]) <= {"id", "name", "since", "last_seen", "services", "blocked"}
    again = await opened(path)
    assert (again.problem, again.groups(), may(again, "weather")) == (None, (), {"Ann"})


async def test_an_earlier_version_that_writes_the_list_opens_nothing(path: Path) -> None:
    """It knows no groups: what was open to them is closed, and nobody else is let in."""
    await family(path)
    document = json.loads(path.read_bytes())
    del document["groups"]
    for row in document["peers"]:
        row.pop("groups", None)
    path.write_text(json.dumps(document))
    again = await opened(path)
    assert (again.problem, may(again), may(again, "weather")) == (None, set(), {"Ann"})


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("groups", 7),
        ("groups", [{"group": "family"}]),
        ("groups", [{"group": "family", "services": "photos"}]),
        ("groups", [{"group": "", "services": []}]),
        ("groups", [{"group": "a/b", "services": []}]),
        ("groups", [{"group": "family", "services": []}, {"group": "Family", "services": ["photos"]}]),
        ("groups", [{"group": "family", "services": [""]}]),
        ("groups", [{"group": "family", "services": [str(each) for each in range(MAX_SERVICES + 1)]}]),
        ("groups", [{"group": str(each), "services": []} for each in range(MAX_GROUPS + 1)]),
        ("groups", []),  # and Ann is in one that there is not
    ],
)
async def test_damage_closes_everything_until_the_owner_has_looked(path: Path, what: str, value: object) -> None:
    await family(path)
    document = json.loads(path.read_bytes())
    document[what] = value
    path.write_text(json.dumps(document))
    store = await opened(path)
    assert store.closed
    assert may(store) == may(store, "weather") == set()
    await store.confirm(NOW)
    assert may(store) == {"Ann", "Bob"}, "the copy was whole"


async def test_without_a_whole_copy_people_come_back_in_no_group(path: Path) -> None:
    await family(path)
    copy = path.with_name("default.trust.copy.json")
    copy.write_bytes(copy.read_bytes().replace(b'"photos"', b'"lamp"'))
    path.write_bytes(path.read_bytes()[:-40])
    store = await opened(path)
    assert store.closed
    await store.confirm(NOW)
    assert store.groups() == ()
    assert (may(store), may(store, "lamp"), may(store, "weather")) == (set(), set(), {"Ann"})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Bob", "is somebody that you know"),
        ("@bob", "is somebody that you know"),
        ("", "is no name for a group"),
        ("  @ ", "is no name for a group"),
        ("a/b", "is no name for a group"),
        ("a,b", "is no name for a group"),
        ("+friends", "is no name for a group"),
        ("x" * (MAX_GROUP + 1), "is no name for a group"),
    ],
)
async def test_a_name_that_a_group_cannot_have_is_refused_in_words(path: Path, name: str, said: str) -> None:
    store = await family(path)
    with pytest.raises(LocalError, match=said):
        await store.regroup(name, [EVE], now=NOW)
    assert [group.name for group in store.groups()] == ["family"]


async def test_a_name_in_other_letters_is_the_same_group_and_no_person_gets_it(path: Path) -> None:
    store = await family(path)
    assert await store.regroup("FAMILY", [EVE], now=NOW) == "family"
    assert may(store) == {"Ann", "Bob", "Eve"}
    with pytest.raises(LocalError, match="is a group of yours"):
        await store.trust(peer_id(9), "Family", NONE, NOW)
    assert store.find(peer_id(9)) is None


async def test_who_is_not_known_or_blocked_joins_nothing(path: Path) -> None:
    store = await family(path)
    with pytest.raises(LocalError, match="not known"):
        await store.regroup("family", [peer_id(9)], now=NOW)
    await store.block(EVE, NOW)
    with pytest.raises(LocalError, match="is blocked"):
        await store.regroup("family", [EVE], now=NOW)
    for act in (store.regroup("work", now=NOW), store.open_to("work", ["x"], now=NOW), store.ungroup("work", NOW)):
        with pytest.raises(LocalError, match="your groups: family"):
            await act
    with pytest.raises(LocalError, match="a service has a name"):
        await store.open_to("family", ["*"], now=NOW)


async def test_groups_and_what_is_open_to_one_are_bounded(path: Path) -> None:
    store = await opened(path)
    await store.trust(ANN, "Ann", NONE, NOW)
    for number in range(MAX_GROUPS):
        await store.regroup(f"group {number}", [ANN], now=NOW)
    with pytest.raises(LocalError, match=f"{MAX_GROUPS} groups"):
        await store.regroup("one more", [ANN], now=NOW)
    await store.open_to("group 1", map(str, range(MAX_SERVICES)), now=NOW)
    with pytest.raises(LocalError, match=f"{MAX_SERVICES} services"):
        await store.open_to("group 1", ["one more"], now=NOW)
    assert (await opened(path)).groups() == store.groups()


async def test_a_group_that_nobody_needs_is_gone_and_one_that_a_share_needs_stays(path: Path) -> None:
    store = await family(path)
    await store.regroup("work", [EVE], now=NOW)
    await store.regroup("work", leave=[EVE], now=NOW)
    await store.regroup("family", leave=[ANN, BOB], now=NOW)
    assert store.groups() == (Group("family", frozenset({"photos"})),)
    assert may(store) == set()


async def test_who_asked_waits_no_longer_once_a_group_lets_them_in(path: Path) -> None:
    store = await family(path)
    store.ask((EVE, "photos"), HERE, NOW)
    store.ask((EVE, "lamp"), HERE, NOW)
    await store.regroup("family", [EVE], now=NOW)
    assert [each.service for each in store.pending()] == ["lamp"]
    await store.open_to("family", ["lamp"], now=NOW)
    assert store.pending() == ()


async def test_what_was_accepted_once_goes_with_the_group(path: Path) -> None:
    store = await family(path)
    store.ask((BOB, "lamp"), HERE, NOW)
    await store.accept_once((BOB, "lamp"), NOW)
    await store.regroup("family", leave=[BOB], now=NOW)
    assert not store.granted((BOB, "lamp"), NOW + 1)


async def test_another_program_changes_a_group_meanwhile(path: Path) -> None:
    store, other = await family(path), await opened(path, serving=False)
    await other.regroup("family", leave=[BOB], now=NOW)
    await store.refresh(NOW)
    assert may(store) == {"Ann"}
    await other.untrust(ANN, NOW)
    await store.open_to("family", ["lamp"], now=NOW)
    assert (may(store, "lamp"), may(await opened(path), "lamp")) == (set(), set())


async def test_a_book_reads_back_as_it_was_written(path: Path) -> None:
    await family(path)
    book = Book.load(path.read_bytes())
    assert Book.load(book.dump()) == book
    assert len(book.groups) == 1
