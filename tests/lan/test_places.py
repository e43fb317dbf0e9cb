"""Which people recognise each other on a network, and what of it is kept for the next run."""

import json
from pathlib import Path
from random import Random

import pytest

from core.lan.instance import Instance, Offer, read
from core.lan.kept import MOST_GRAPES, MOST_PEOPLE, Kept
from core.lan.places import MOST_ADDRESSES, MOST_INSTANCES, Places
from core.lan.tags import MOST_TAGS, TAG_BYTES, pack, tag, unpack
from core.values import Address
from tests.trust.people import ANN, BOB, EVE, peer_id

SECRET, OTHER = b"s" * 32, b"o" * 32
NAME = "a" * 20
HOST, VIA = "192.168.1.9", "192.168.1.2"
HERE = Address(HOST, 41000)


def told(*secrets: bytes, name: str = NAME, host: str = HOST) -> Instance:
    """Return an instance as others read it from what it publishes."""
    offer = Offer(name, host, 41000, 20001, pack(secrets, name, Random(1)))
    found = read(name, 41000, {**offer.properties()}, [host])
    assert found is not None
    return found


def test_who_shares_the_secret_recognises_and_nobody_else() -> None:
    places = Places()
    places.know({BOB: SECRET, EVE: OTHER})
    places.add(told(SECRET), VIA)
    assert (places.here(BOB), places.here(EVE), places.present()) == ([HERE], [], [BOB])
    places.remove(NAME, VIA)
    assert places.here(BOB) == []


def test_a_tag_is_worth_nothing_under_another_name() -> None:
    places = Places()
    places.know({BOB: SECRET})
    copied = Instance("b" * 20, told(SECRET).grapes, 41000, told(SECRET).tags)
    places.add(copied, VIA)
    assert places.here(BOB) == []


def test_a_stranger_learns_neither_how_many_people_one_knows_nor_that_two_days_are_one_peer() -> None:
    shown = {len(pack([bytes([each])] * 1 + [bytes([each, 1])] * (each % 3), NAME, Random(each))) for each in range(9)}
    assert shown == {12 * TAG_BYTES}
    today, tomorrow = (unpack(pack([SECRET], name, Random(1))) for name in (NAME, "b" * 20))
    assert tag(SECRET, NAME) in today
    assert tag(SECRET, NAME) not in tomorrow
    many = pack([bytes([each]) for each in range(200)], NAME, Random(1))
    assert len(many) == MOST_TAGS * TAG_BYTES
    assert len(b"f=" + many) <= 255  # RFC 6763 section 6.1


@pytest.mark.parametrize("data", [b"", b"abc", b"x" * 244, b"y" * 5])
def test_nonsense_has_no_tags(data: bytes) -> None:
    assert unpack(data) == frozenset()


def test_who_becomes_known_later_is_recognised_then_and_an_expected_one_for_a_while() -> None:
    places = Places()
    places.add(told(SECRET), VIA)
    assert places.here(BOB) == []
    with places.expecting(BOB, SECRET):
        assert places.here(BOB) == [HERE]
    places.know({})
    assert places.here(BOB) == []
    places.know({BOB: SECRET})
    assert places.here(BOB) == [HERE]


def test_two_devices_with_one_identity_are_both_found_and_a_crowd_that_claims_it_is_bounded() -> None:
    places = Places()
    places.know({BOB: SECRET})
    for number in range(2):
        places.add(told(SECRET, name=f"{number:020x}", host=f"192.168.1.{number}"), VIA)
    assert places.here(BOB) == [Address("192.168.1.1", 41000), Address("192.168.1.0", 41000)]
    for number in range(2 * MOST_INSTANCES):
        places.add(told(SECRET, name=f"{number:020x}", host=f"192.168.1.{number % 256}"), VIA)
    assert len(places.here(BOB)) == MOST_ADDRESSES
    places.leave(VIA)
    assert places.here(BOB) == []


@pytest.mark.asyncio
async def test_what_was_kept_comes_back_and_is_named_after_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "p.places.json"
    kept = Kept(file)
    await kept.open()
    for number in range(MOST_PEOPLE + 1):
        kept.met(peer_id(number + 10), HERE)
    for port in range(2000, 2009):
        kept.met(BOB, Address(HOST, port))
    kept.answered(Address(HOST, 20001))
    kept.use_port(40123)
    await kept.aclose()
    assert file.stat().st_mode & 0o077 == 0
    again = Kept(file)
    await again.open()
    assert again.of(BOB) == [Address(HOST, port) for port in (2008, 2007, 2006, 2005)]
    assert again.of(peer_id(10)) == []  # who was met longest ago
    assert (again.grapes, again.port) == ([Address(HOST, 20001)], 40123)
    places = Places(again)
    places.know({BOB: SECRET})
    assert places.before(BOB) == again.of(BOB)
    again.met(BOB, HERE)
    places.add(told(SECRET), VIA)
    assert (places.here(BOB), HERE in places.before(BOB)) == ([HERE], False)
    await again.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "data", [b"", b"[" * 9999, b"{}", b'{"schema": 1}', b"\xff" * 99, b"x" * 300_000], ids=range(6)
)
async def test_a_damaged_file_is_written_new(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "p.places.json"
    file.write_bytes(data)
    kept = Kept(file)
    await kept.open()
    assert (kept.grapes, kept.port, kept.of(ANN)) == ([], 0, [])
    for number in range(2 * MOST_GRAPES):
        kept.answered(Address(HOST, 20000 + number))
    await kept.aclose()
    assert len(json.loads(file.read_bytes())["grapes"]) == MOST_GRAPES
