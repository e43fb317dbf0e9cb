"""A proof is worth something once, from one peer, to one peer; and what both say survives nonsense."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RemoteError
from core.invitations.link import Link
from core.invitations.proof import Terms, prove, proves, verifier
from core.invitations.talk import (
    JOIN,
    LOOK,
    Ask,
    Hello,
    Offer,
    pack_ask,
    pack_hello,
    pack_offer,
    parse_ask,
    parse_hello,
    parse_nonce,
    parse_offer,
)
from tests.trust.people import ANN, BOB, EVE

LINK = Link(ANN, bytes(16))
OURS, THEIRS = bytes([1]) * 16, bytes([2]) * 16
SESSION = bytes([3]) * 32  # as TLS exports it


def test_a_proof_holds_for_what_it_names_and_nothing_else() -> None:
    kept, terms = verifier(LINK), Terms(ANN, BOB, JOIN, SESSION, OURS, THEIRS)
    proof = prove(LINK, terms)
    assert proves(proof, kept, terms)
    others = {"inviter": EVE, "joiner": EVE, "act": LOOK, "binding": bytes(32), "inviters": THEIRS, "joiners": OURS}
    for name, wrong in others.items():
        assert not proves(proof, kept, terms._replace(**{name: wrong})), name  # type: ignore[arg-type]
    assert not proves(bytes(64), kept, terms)
    assert not proves(proof, verifier(replace(LINK, secret=bytes([1]) * 16)), terms)
    assert not proves(b"", kept, terms)
    assert not proves(proof, b"", terms)


def test_without_a_session_there_is_no_proof() -> None:
    terms = Terms(ANN, BOB, JOIN, b"", OURS, THEIRS)
    assert not proves(prove(LINK, terms), verifier(LINK), terms)


def test_the_same_secret_of_another_inviter_is_another_key() -> None:
    assert verifier(LINK) != verifier(replace(LINK, peer_id=EVE))
    assert LINK.secret not in verifier(LINK)


def test_what_is_said_is_read_back() -> None:
    hello, ask, offer = Hello(bytes(32), OURS), Ask(JOIN, bytes(64)), Offer("Ann", ("photos", "ssh"))
    assert parse_hello(pack_hello(hello)) == hello
    assert parse_ask(pack_ask(ask)) == ask
    assert parse_offer(pack_offer(offer)) == offer
    assert parse_offer(b'{"called": "A\\u202en\\nn", "services": ["a", 3, "b\\n"]}') == Offer("A n n", ("a",))


@given(st.binary(max_size=300) | st.sampled_from([b"[" * 100_000, b"{}", b'{"do": 1}', b'{"do": "look", "p": "xyz"}']))
def test_nonsense_is_the_other_sides_error(data: bytes) -> None:
    for parse in (parse_ask, parse_offer):
        with pytest.raises(RemoteError):
            parse(data)


@given(
    st.dictionaries(st.sampled_from("knx"), st.none() | st.integers() | st.sampled_from(["", "ab", "xyz", "0" * 63]))
)
def test_nonsense_in_an_opening_too(details: dict[str, object]) -> None:
    for parse in (parse_hello, parse_nonce):
        with pytest.raises(RemoteError):
            parse(details)  # type: ignore[arg-type]
