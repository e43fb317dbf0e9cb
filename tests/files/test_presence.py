"""Processes of one profile know of one another, also when one dies without a word."""

from pathlib import Path

from core.files.presence import PLACES, Presence


def test_two_are_not_alone_and_the_last_is(tmp_path: Path) -> None:
    first = Presence(tmp_path / "default.running")
    assert first.alone()
    second = Presence(tmp_path / "default.running")
    assert not first.alone()
    assert not second.alone()
    first.leave()
    first.leave()
    assert second.alone()
    third = Presence(tmp_path / "default.running")  # in the place of the first
    assert not second.alone()
    second.leave()
    assert third.alone()


def test_profiles_are_told_apart(tmp_path: Path) -> None:
    first, other = Presence(tmp_path / "default.running"), Presence(tmp_path / "other.running")
    assert first.alone()
    assert other.alone()


def test_where_no_file_can_be_made_we_count_as_alone(tmp_path: Path) -> None:
    presence = Presence(tmp_path / "not there" / "default.running")
    assert presence.alone()
    presence.leave()


def test_more_than_there_are_places_for_do_no_harm(tmp_path: Path) -> None:
    many = [Presence(tmp_path / "default.running") for _ in range(PLACES + 1)]
    assert not many[0].alone()
    for presence in many:
        presence.leave()
