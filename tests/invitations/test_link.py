"""The link of an invitation: what is written is read back, and whatever else comes is named for what it is."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.invitations import link as links
from core.invitations.link import (
    LINK_MAX,
    SCHEME,
    SECRET_BYTES,
    VERSION,
    ForeignLink,
    Link,
    LinkCut,
    LinkDoubled,
    LinkError,
    LinkVersion,
    parse,
)
from core.peer_id import PeerId

LINK = Link(PeerId(bytes(range(32))), bytes(range(SECRET_BYTES)))
LINKS = st.builds(
    Link,
    st.binary(min_size=32, max_size=32).map(PeerId),
    st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES),
)


def made(body: bytes) -> str:
    """Return a link with a right checksum around anything."""
    return SCHEME + links._encode(body + links._check(body))


@given(LINKS)
def test_what_is_written_is_read_back(link: Link) -> None:
    text = str(link)
    assert len(text) == 99 <= LINK_MAX
    assert parse(text) == link
    assert parse(f"  <{text.upper()}>\n") == link
    assert parse(f"{text[:50]}\r\n   {text[50:]}") == link  # a mail's broken line
    assert set(text) <= set(string.ascii_lowercase + string.digits + ":/")


@given(LINKS, st.data())
def test_a_cut_or_changed_link_is_never_another_one(link: Link, data: st.DataObject) -> None:
    text = str(link)
    at = data.draw(st.integers(len(SCHEME), len(text) - 1))
    with pytest.raises(LinkCut, match="copy the whole link"):
        parse(text[:at])
    other = data.draw(st.sampled_from([each for each in "abcdefghijklmnopqrstuvwxyz234567" if each != text[at]]))
    with pytest.raises(LinkError):
        parse(text[:at] + other + text[at + 1 :])


@given(st.text(max_size=700))
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    for tried in (text, SCHEME + text):
        with pytest.raises(LinkError) as caught:
            parse(tried)
        assert str(caught.value)
        assert caught.value.name.startswith("ERR_LINK_")


def test_each_fault_has_its_name() -> None:
    text = str(LINK)
    body = bytes([VERSION, 1]) + bytes(48)
    for tried, kind in {
        "": ForeignLink,
        str(LINK.peer_id): ForeignLink,
        "https://example.com/" + text[10:]: ForeignLink,
        "grapevine:x/abc": ForeignLink,
        "a" * 10_240: ForeignLink,
        text * 120: ForeignLink,
        SCHEME: LinkCut,
        text[:-1]: LinkCut,
        text + "a": LinkCut,
        text[:60] + "1" + text[61:]: LinkCut,
        text + text: LinkDoubled,
        f"{text} {text}": LinkDoubled,
        made(bytes([VERSION + 1]) + bytes(60)): LinkVersion,
        made(bytes([VERSION + 1])): LinkVersion,
        made(bytes([0]) + body[1:]): LinkVersion,
        made(body + bytes(33)): LinkCut,
    }.items():
        with pytest.raises(kind) as caught:
            parse(tried)
        assert type(caught.value) is kind, tried


def test_a_link_is_found_in_the_message_that_it_came_in() -> None:
    for message in (
        f"I share photos with you. Open this with Grapevine:\n{LINK}\nSee you, Anna",
        f"Hi! ({LINK}).",
        f"Anna wrote: <{str(LINK).upper()}>, good luck",
        f'see "{LINK}"',
    ):
        assert parse(message) == LINK, message
    with pytest.raises(LinkCut):
        parse(f"take this: {str(LINK)[:-4]} and more")
    with pytest.raises(LinkDoubled):
        parse(f"take this: {LINK} or that: {LINK}")
    with pytest.raises(ForeignLink, match=r"at most 150 characters, and this has 10,240"):
        parse("x" * 10_240)


def test_room_for_a_later_version_is_left_alone() -> None:
    body = bytes([VERSION, 0x82]) + LINK.peer_id.key + LINK.secret
    longest = made(body + bytes(32))
    assert len(longest) <= LINK_MAX
    assert parse(longest) == LINK


def test_the_secret_is_in_no_log() -> None:
    assert "secret" not in repr(LINK)
    with pytest.raises(ValueError, match="16 bytes"):
        Link(LINK.peer_id, b"short")
