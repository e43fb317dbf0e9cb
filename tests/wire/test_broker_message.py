"""Registrations and listings: as PROTOCOL section 7 has them, and what ours say more."""

from dataclasses import replace

import pytest

from core.errors import PayloadError
from core.values import Address, JsonValue
from core.wire.broker_message import (
    WAIT_MAX,
    Listed,
    Listing,
    Registration,
    entry_key,
    listing_document,
    looks_like_registration,
    parse_listing,
    parse_registration,
    registration_document,
)

SERVICE = "fibonacci_worker"
ENTRY = Listed(SERVICE, True, Address("192.0.2.7", 4000))


def test_a_plain_registration_has_two_members() -> None:
    assert registration_document(Registration(SERVICE, True)) == {"service": SERVICE, "server": True}
    told_by_mistake = Registration(SERVICE, True, local=Address("192.168.1.7", 4000))
    assert registration_document(told_by_mistake) == {"service": SERVICE, "server": True}, (
        "a plain broker learns nothing else"
    )


def test_what_ours_say_more_comes_back() -> None:
    said = Registration(SERVICE, False, 2.0, 7, Address("192.168.1.7", 4000))
    assert parse_registration(registration_document(said)) == said
    assert parse_registration(registration_document(replace(said, away=0.04))).away == 0.04


@pytest.mark.parametrize(
    ("member", "value", "read"),
    [
        ("wait", 99, Registration(SERVICE, True, WAIT_MAX)),
        ("wait", -1, Registration(SERVICE, True)),
        ("wait", True, Registration(SERVICE, True)),
        ("seen", "7", Registration(SERVICE, True)),
        ("local", "nowhere", Registration(SERVICE, True)),
        ("local", ["192.168.1.7:4000"], Registration(SERVICE, True)),
        ("local", "9" * 100, Registration(SERVICE, True)),
        ("away", 0.04, Registration(SERVICE, True, away=0.04)),
        ("away", -1, Registration(SERVICE, True)),
        ("away", 60, Registration(SERVICE, True)),
        ("away", True, Registration(SERVICE, True)),
        ("away", "far", Registration(SERVICE, True)),
        ("more", {}, Registration(SERVICE, True)),
    ],
)
def test_members_that_make_no_sense_are_ignored(member: str, value: JsonValue, read: Registration) -> None:
    assert parse_registration({"service": SERVICE, "server": True, member: value}) == read


@pytest.mark.parametrize(
    "payload",
    [
        None, [], "x", {}, {"service": SERVICE}, {"server": True}, {"service": SERVICE, "server": 1},
        {"service": "", "server": True}, {"service": " ", "server": True}, {"service": "a\nb", "server": True},
        {"service": "x" * 129, "server": True}, {"service": "\ud800", "server": True},
        {"service": SERVICE, "server": True, **{str(number): 0 for number in range(15)}},
    ],
)  # fmt: skip
def test_what_is_no_registration_is_refused_in_words(payload: JsonValue) -> None:
    with pytest.raises(PayloadError):
        parse_registration(payload)


def test_who_calls_by_address_is_told_apart_by_what_it_sends() -> None:
    assert looks_like_registration({"service": SERVICE, "server": False})
    assert not looks_like_registration({"length": 10})
    assert not looks_like_registration([SERVICE, True])


def test_an_entry_is_named_by_the_md5_of_what_node_writes() -> None:
    """`JSON.stringify({service, server, address, port})`, hashed by Node."""
    assert entry_key(ENTRY) == "8855ad81444656d452520dfa17963134"


def test_a_listing_comes_back_and_keeps_to_its_size() -> None:
    many = [Listed(SERVICE, True, Address("192.0.2.7", 4000 + number)) for number in range(200)]
    document = listing_document(SERVICE, many, limit=1300)
    told = parse_listing(document, SERVICE)
    assert 0 < len(told.entries) < 12
    assert told.entries == tuple(many[: len(told.entries)])
    ours = listing_document(SERVICE, [ENTRY], limit=1300, you=Address("198.51.100.9", 5000), seen=3)
    assert parse_listing(ours, SERVICE) == Listing((ENTRY,), 0, Address("198.51.100.9", 5000), 3)
