"""Texts that peers leave for one another: shown to the one they are for, and bounded."""

from core.broker.registry import BrokerRegistry
from core.peer_id import PeerId
from core.values import Address, JsonValue
from core.wire.broker_message import (
    MAIL_BYTES,
    MAIL_MAX,
    Registration,
    listing_document,
    parse_listing,
    parse_registration,
    registration_document,
)

NAME = "fibonacci_worker"
ANNA, BERT, EVE = (PeerId(bytes([number]) * 32) for number in (1, 2, 3))
AT = {ANNA: Address("198.51.100.1", 4000), BERT: Address("203.0.113.7", 4000), EVE: Address("192.0.2.6", 4000)}


def said(server: bool, mail: dict[PeerId, str] | None) -> Registration:
    return Registration(NAME, server, 0.0, None, None, mail)


def test_a_text_reaches_the_one_it_is_for_and_wakes_who_waits() -> None:
    registry = BrokerRegistry()
    registry.register(said(True, {}), AT[ANNA], ANNA, 0.0)
    registry.register(said(False, {}), AT[BERT], BERT, 0.0)
    news = registry.news(NAME)
    registry.register(said(True, {BERT: "for Bert"}), AT[ANNA], ANNA, 0.1)
    assert registry.news(NAME) != news
    assert registry.mail(said(False, {}), BERT) == {ANNA: "for Bert"}
    assert registry.mail(said(False, {}), EVE) == {}
    assert registry.mail(said(True, {}), BERT) == {}  # of its own role
    assert registry.mail(said(False, None), BERT) == {}
    news = registry.news(NAME)
    registry.register(said(True, {BERT: "for Bert"}), AT[ANNA], ANNA, 0.2)
    assert registry.news(NAME) == news  # nothing new


def test_peer_ids_are_shown_among_those_of_a_ladder_only() -> None:
    registry = BrokerRegistry()
    registry.register(said(True, {}), AT[ANNA], ANNA, 0.0)
    registry.register(said(True, None), AT[EVE], EVE, 0.0)

    def shown(mail: dict[PeerId, str] | None) -> set[PeerId | None]:
        listed = registry.listing(said(False, mail), AT[BERT], 0.0, lambda peer: peer)
        return {each.peer_id for each in listed}

    assert shown({}) == {ANNA, None}
    assert shown(None) == {None}


def test_it_crosses_the_wire_and_plain_peers_see_nothing_of_it() -> None:
    wanted = said(False, {ANNA: "text"})
    assert parse_registration(registration_document(wanted)) == wanted
    document = listing_document(NAME, [], limit=10_000, you=AT[BERT], seen=3, mail={ANNA: "text"})
    assert parse_listing(document, NAME).mail == {ANNA: "text"}
    assert "mail" not in registration_document(Registration(NAME, False))


def test_what_makes_no_sense_or_is_too_much_is_left_out() -> None:
    def read(mail: JsonValue) -> object:
        return parse_registration({"service": NAME, "server": True, "wait": 0, "mail": mail}).mail

    assert read(None) == {}
    assert read([1, 2]) == {}
    assert read({"nobody": "x", str(ANNA): 5, str(BERT): "x" * (MAIL_BYTES + 1), str(EVE): "ok"}) == {EVE: "ok"}
    many: JsonValue = {str(PeerId(bytes([number]) * 32)): "x" for number in range(100)}
    found = read(many)
    assert isinstance(found, dict)
    assert len(found) == MAIL_MAX
