"""The ways to others, as a terminal shows them."""

from core.cli.path_lines import attempt_lines, best_of, path_fields, path_line
from core.news.seen import Attempt, Outcome, PathRow, Step, Via
from core.peer_id import PeerId
from core.values import Address

ANNA = PeerId(bytes([7]) * 32)
FAR = Address("203.0.113.5", 40817)
WORDS = ("No way was found.", "Open a port.")
RELAYED = PathRow(FAR, Via.RELAYED, "", "Bert", ANNA, 0.0382, 0.025, 1000.0, 1010.0, *WORDS)


def test_a_way_is_a_sentence_with_its_reason() -> None:
    said = path_line(RELAYED, "anna")
    assert said == "anna at 203.0.113.5:40817: relayed by Bert, 38.2 ms, 2.5% lost. No way was found. Open a port."
    plain = path_line(PathRow(FAR, Via.PUNCHED, "birthday", reason="Both\x1b[2J sent."))
    assert plain.startswith("203.0.113.5:40817: punched (birthday). Both")
    assert "\x1b" not in plain


def test_a_way_has_stable_fields() -> None:
    fields = path_fields(RELAYED)
    assert (fields["path"], fields["relay"], fields["peer_id"]) == ("relayed", "Bert", str(ANNA))
    assert (fields["round_trip"], fields["loss"], fields["since"]) == (0.0382, 0.025, 1000.0)


def test_the_steps_of_an_attempt_have_their_times() -> None:
    steps = (Step(5.0, "punch", "punching"), Step(5.4, "outcome", "open"))
    attempt = Attempt(1, None, FAR, 5.0, 5.4, 6, 1, 1, Outcome.OPEN, "open", steps=steps)
    assert attempt_lines(attempt) == ["  0.00 s  punching", "  0.40 s  open", "          6 punches sent"]


def test_of_two_ways_the_one_heard_last_is_told() -> None:
    newer = PathRow(Address("192.168.1.9", 5), Via.LAN, peer_id=ANNA, last_seen=1011.0)
    assert best_of((RELAYED, newer, PathRow(FAR, Via.DIRECT, last_seen=2000.0)), ANNA) is newer
    assert best_of((), ANNA) is None
