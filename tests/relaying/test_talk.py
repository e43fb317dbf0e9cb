"""What a relay and its users say: there and back, and what is malformed is refused."""

import pytest

from core.errors import RemoteError
from core.relaying.talk import LINE_MAX, Failed, Given, Join, Leave, Lines, Over, Ring, Said, Take, pack, parse
from tests.relaying.three import ANN

SALT, SLOT = b"s" * 16, b"12345678"


@pytest.mark.parametrize(
    "said",
    [
        Join(ANN.peer_id, 7, SALT), Ring(ANN.peer_id, SALT, SLOT), Take(SLOT, SALT), Given(7, SLOT, SALT),
        Failed(7, "ERR_RELAY_FULL", "no room"), Leave(SLOT), Over(SLOT, "idle"),
    ],
    ids=lambda said: type(said).__name__,
)  # fmt: skip
def test_each_comes_back(said: Said) -> None:
    line = pack(said)
    assert Lines().take(line) == [line[:-1]]
    assert parse(line) == said


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"{", b'{"to": "x", "n": 1, "salt": ""}', b'{"n": -1, "slot": "00", "salt": "00"}', b'{"leave": 5}',
     b'{"error": 5, "n": 1}', b'{"take": "zz"}', b"[" * 900],
)  # fmt: skip
def test_what_is_malformed_is_refused(line: bytes) -> None:
    with pytest.raises(RemoteError):
        parse(line)


def test_what_a_newer_peer_says_is_ignored_and_no_line_is_endless() -> None:
    assert parse(b'{"weather": "fine"}') is None
    with pytest.raises(RemoteError):
        Lines().take(b"x" * (LINE_MAX + 1))


def test_a_sentence_of_the_other_side_is_plain() -> None:
    over = parse(b'{"over": "3132333435363738", "why": "a\\u001b[31mb"}')
    assert over == Over(SLOT, "a [31mb")
