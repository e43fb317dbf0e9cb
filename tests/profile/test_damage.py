"""A damaged settings file never opens what was closed, keeps what can be read, and is never lost."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import LocalError
from core.files.kept import MOST
from core.profile.fields import CLOSED
from core.profile.settings import Settings, SettingsStore
from core.trust.audience import Audience, audience_of

TRUSTED = Settings(audiences={"fibonacci": Audience.TRUSTED}, sharing=("fibonacci",), udp_port=1337, act_as_broker=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound file, in which the demo is for trusted peers."""
    store = SettingsStore(root=tmp_path)
    store.save(TRUSTED)
    return store.path


def with_field(path: Path, name: str, value: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))


def text_of(change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda path: path.write_text(change(path.read_text()))


def gone(path: Path) -> None:
    path.unlink()
    path.with_name("default.trust.json").write_text("{}")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere.json"))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "comma": text_of(lambda text: text.replace("\n}", ",\n}")),
    "comma inside": text_of(lambda text: text.replace('"trusted"', '"trusted",')),
    "two commas": text_of(lambda text: text.replace(",", ",,", 1)),
    "newer": text_of(lambda text: text.replace('"schema": 1', '"schema": 2')),
    "unrelated": lambda path: with_field(path, "close_action", "explode"),
    "type": lambda path: with_field(path, "udp_port", "1337"),
    "bad audience": lambda path: with_field(path, "audiences", {"fibonacci": "friends"}),
    "bad audiences": lambda path: with_field(path, "audiences", ["fibonacci"]),
    "cut": text_of(lambda text: text[: len(text) // 2]),
    "cut in the audience": text_of(lambda text: text[: text.index("trusted")]),
    "null": lambda path: with_field(path, "audiences", None),
    "null inside": lambda path: with_field(path, "audiences", {"fibonacci": None}),
    "twice": text_of(lambda text: text.replace("\n}", ',\n  "audiences": {"fibonacci": "anyone"}\n}')),
    "twice inside": text_of(lambda text: text.replace('"trusted"', '"trusted", "fibonacci": "anyone"')),
    "one letter": text_of(lambda text: text.replace("audiences", "audience")),
    "one bit": text_of(lambda text: text.replace("audiences", "audiencer")),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(500)),
    "list": lambda path: path.write_text("[]"),
    "latin": lambda path: path.write_bytes(path.read_bytes().replace(b"fibonacci", b"fibonacci\xe9")),
    "large": text_of(lambda text: text + " " * (2 << 20)),
    "gone": gone,
    "folder": folder,
    "dangling": dangling,
    **({"fifo": fifo} if hasattr(os, "mkfifo") else {}),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_everything_stays_off_until_its_owner_has_looked(path: Path, how: str) -> None:
    DAMAGES[how](path)
    before = path.read_bytes() if path.is_file() else None
    for _ in range(2):  # reading changes nothing
        store = SettingsStore(root=path.parent)
        settings = store.load()
        assert {name: getattr(settings, name) for name in CLOSED} == dict(CLOSED)
        assert audience_of("fibonacci", settings.audiences) is Audience.OFF
        assert audience_of("anything", settings.audiences) is Audience.OFF
        assert store.problem is not None
        assert str(path) in store.problem
        assert "grapevine settings confirm" in store.problem
        assert len(store.problem) < 800
        assert (path.read_bytes() if path.is_file() else None) == before
    assert not list(path.parent.glob("*damaged*"))


@pytest.mark.parametrize("how", [how for how in DAMAGES if how not in ("folder", "fifo")])
def test_looking_never_opens_more_than_there_was(path: Path, how: str) -> None:
    DAMAGES[how](path)
    before = path.read_bytes() if path.is_file() else None
    store = SettingsStore(root=path.parent)
    store.load()
    settings = store.confirm()
    assert store.problem is None
    assert audience_of("fibonacci", settings.audiences) in (Audience.TRUSTED, Audience.OFF)
    assert SettingsStore(root=path.parent).load() == settings
    kept = [each.read_bytes() for each in sorted(path.parent.glob("default.json.damaged-*"))]
    assert kept == ([] if before is None else [before])


@pytest.mark.parametrize("how", ["comma", "comma inside", "two commas", "newer", "unrelated"])
def test_what_can_be_read_is_kept(path: Path, how: str) -> None:
    DAMAGES[how](path)
    store = SettingsStore(root=path.parent)
    assert store.load().udp_port == 1337
    assert store.confirm() == TRUSTED


def test_a_field_costs_itself_only(path: Path) -> None:
    with_field(path, "grapes", ["nonsense"])
    with_field(path, "audiences", {"fibonacci": "trusted", "lamp": 7, "clock": "anyone"})
    store = SettingsStore(root=path.parent)
    store.load()
    assert "grape's address" in (store.problem or "")
    assert "'lamp'" in (store.problem or "")
    wanted = {"fibonacci": Audience.TRUSTED, "lamp": Audience.OFF, "clock": Audience.ANYONE}
    assert store.confirm() == dataclasses.replace(TRUSTED, audiences=wanted)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"schema": 1, "udp_port": true}',
        '{"schema": 1, "udp_port": 70000}',
        '{"schema": 1, "udp_port": 1e400}',
        '{"schema": 1, "grapes": "http://h:1"}',
        '{"schema": 1, "grapes": ["h:1"]}',
        '{"schema": 1, "window": []}',
        '{"schema": 1, "sharing": ["\\u001b[2J"]}',
        '{"schema": 1, "audiences": {"fibonacci": []}}',
        '{"schema": 1, "unconfirmed": 7}',
        "[" * 100_000,
        '{"schema": 1, "x": ' + "[" * 100_000,
        '{"schema": 1, "udp_port": ' + "1" * 5000 + "}",
    ],
)
def test_whatever_is_in_it_is_a_short_sentence(path: Path, text: str) -> None:
    path.write_text(text)
    store = SettingsStore(root=path.parent)
    assert store.load().audiences == CLOSED["audiences"]
    assert store.problem is not None
    assert len(store.problem) < 800
    assert store.problem.isprintable()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_mark_that_editors_put_first_is_no_damage(path: Path, encoding: str) -> None:
    path.write_bytes(path.read_text().encode(encoding))
    store = SettingsStore(root=path.parent)
    assert store.load() == TRUSTED
    assert store.problem is None


def test_saving_by_the_way_confirms_nothing_and_loses_nothing(path: Path) -> None:
    """The window saves where it was when it closes, though nobody has looked."""
    DAMAGES["comma"](path)
    damaged = path.read_bytes()
    for width in ("A", "B"):
        store = SettingsStore(root=path.parent)
        settings = store.load()
        assert audience_of("fibonacci", settings.audiences) is Audience.OFF
        store.save(dataclasses.replace(settings, udp_port=5, close_action="tray"))
        assert store.problem is not None, width
    store = SettingsStore(root=path.parent)
    assert store.load().sharing == ()
    assert "comma too many" in (store.problem or "")
    assert store.confirm() == dataclasses.replace(TRUSTED, udp_port=5, close_action="tray")
    assert [each.read_bytes() for each in path.parent.glob("*.damaged-*")] == [damaged]
    assert SettingsStore(root=path.parent).load() == store.recovered


def test_what_is_opened_by_hand_meanwhile_is_opened(path: Path) -> None:
    DAMAGES["cut in the audience"](path)
    store = SettingsStore(root=path.parent)
    settings = store.load()
    store.save(dataclasses.replace(settings, audiences={**settings.audiences, "fibonacci": Audience.ANYONE}))
    store = SettingsStore(root=path.parent)
    store.load()
    assert audience_of("fibonacci", store.confirm().audiences) is Audience.ANYONE
    assert audience_of("lamp", store.recovered.audiences) is Audience.OFF


def test_each_damaged_file_is_kept_and_when_there_are_too_many_nothing_is_written(path: Path) -> None:
    for number in range(MOST):
        path.write_text(f"damage {number}")
        store = SettingsStore(root=path.parent)
        store.load()
        store.confirm()
    kept = [path.with_name(f"default.json.damaged-{number + 1}").read_text() for number in range(MOST)]
    assert kept == [f"damage {number}" for number in range(MOST)]
    path.write_text("one more")
    store = SettingsStore(root=path.parent)
    store.load()
    with pytest.raises(LocalError, match="remove some"):
        store.confirm()
    assert path.read_text() == "one more"
    assert store.problem is not None
    path.write_text("damage 7")  # the same again is kept already
    store.load()
    store.confirm()


def test_a_fresh_start_is_no_damage(tmp_path: Path) -> None:
    store = SettingsStore(root=tmp_path / "new")
    assert store.load() == Settings()
    assert store.problem is None
    assert not (tmp_path / "new").exists()
    assert store.start() == Settings()
    store.trust_file.write_text("{}")
    assert SettingsStore(root=tmp_path / "new").load() == Settings()


def test_members_of_a_later_version_are_written_again(path: Path) -> None:
    with_field(path, "later", {"x": [1]})
    store = SettingsStore(root=path.parent)
    store.save(dataclasses.replace(store.load(), udp_port=7))
    assert json.loads(path.read_text())["later"] == {"x": [1]}


def test_what_was_on_is_read_from_the_old_setting_too(path: Path) -> None:
    path.write_text(json.dumps({"schema": 1, "share_at_start": ["fibonacci"]}))
    assert SettingsStore(root=path.parent).load().sharing == ("fibonacci",)
    path.write_text(json.dumps({"schema": 1, "share_at_start": ["fibonacci"], "sharing": [], "consuming": ["x"]}))
    settings = SettingsStore(root=path.parent).load()
    assert (settings.sharing, settings.consuming) == ((), ("x",))


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_that_others_could_change_is_closed_to_them_and_that_is_said(path: Path) -> None:
    path.chmod(0o666)
    store = SettingsStore(root=path.parent)
    assert store.load() == TRUSTED
    assert store.problem is None
    assert [str(path) in notice and "change" in notice for notice in store.notices] == [True]
    assert path.stat().st_mode & 0o777 == 0o600
    store.load()
    assert store.notices == ()


def test_starting_removes_leftovers_and_changes_nothing_that_is_there(path: Path) -> None:
    leftover = path.with_name(f"default.json.{2**22 + 1}-0.tmp")
    leftover.write_text("half")
    before = path.stat().st_mtime_ns
    assert SettingsStore(root=path.parent).start() == SettingsStore(root=path.parent).load()
    assert path.stat().st_mtime_ns == before
    assert not leftover.exists()
    path.write_text("{")
    SettingsStore(root=path.parent).start()
    assert path.read_text() == "{"
    (path.parent / "file").write_text("")
    assert SettingsStore(root=path.parent / "file").start() == Settings().closed()


def test_what_another_program_has_confirmed_stays_confirmed(path: Path) -> None:
    DAMAGES["comma"](path)
    window, other, third = (SettingsStore(root=path.parent) for _ in range(3))
    closed = window.load()
    third.load()
    other.load()
    other.save(dataclasses.replace(other.confirm(), udp_port=9))
    window.save(dataclasses.replace(closed, close_action="quit"))
    wanted = dataclasses.replace(TRUSTED, udp_port=9, close_action="quit")
    assert SettingsStore(root=path.parent).load() == wanted
    assert third.confirm() == wanted
    assert SettingsStore(root=path.parent).load() == wanted


def test_a_file_that_is_damaged_while_a_program_runs_is_kept_too(path: Path) -> None:
    store = SettingsStore(root=path.parent)
    settings = store.load()
    path.write_text("{ by hand,, }")
    store.save(dataclasses.replace(settings, udp_port=8))
    assert path.with_name("default.json.damaged-1").read_text() == "{ by hand,, }"
    assert SettingsStore(root=path.parent).load().udp_port == 8
