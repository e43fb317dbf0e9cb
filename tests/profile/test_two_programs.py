"""The window and a command line of one profile write its settings at once: what each of them changed stays."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import LocalError
from core.kinds.share import MAX_SHARES, Share
from core.profile.merge import merge
from core.profile.settings import Settings, SettingsStore
from core.profile.shares import kept_shares, with_share, without_share
from core.trust.audience import Audience
from core.values import JsonValue
from tests.support.tools import ROOT

SSH, WEB, BOX = (Share(name, "tcp", {"target": "22"}) for name in ("ssh", "web", "box"))
EACH = 10  # shares that each of two programs adds
ADD = """
import sys
from pathlib import Path
from core.kinds.share import Share
from core.profile.settings import SettingsStore
from core.profile.shares import with_share
store, name = SettingsStore(root=Path(sys.argv[1])), sys.argv[2]
for number in range(int(sys.argv[3])):
    store.change(lambda found: with_share(found, Share(f"{name}-{number}", "tcp", {"target": "22"})))
"""


def names(settings: Settings) -> list[str]:
    return [share.name for share in kept_shares(settings).shares]


def test_what_the_command_line_changed_stays_when_the_window_writes(tmp_path: Path) -> None:
    window, line = SettingsStore(root=tmp_path), SettingsStore(root=tmp_path)
    base = with_share(with_share(window.load(), SSH), WEB)
    window.save(base)
    line.change(lambda found: with_share(without_share(found, "ssh"), BOX))
    ours = dataclasses.replace(with_share(base, dataclasses.replace(WEB, on=False)), close_action="tray")
    written = window.save(ours, base)
    assert written == SettingsStore(root=tmp_path).load()
    assert names(written) == ["web", "box"]
    assert not kept_shares(written).shares[0].on
    assert written.close_action == "tray"


def test_without_a_base_all_is_written(tmp_path: Path) -> None:
    store = SettingsStore(root=tmp_path)
    store.change(lambda found: with_share(found, SSH))
    store.save(Settings())
    assert names(store.load()) == []


def test_what_both_changed_is_as_the_newer_wrote_it() -> None:
    base = Settings(audiences={"a": Audience.OFF, "b": Audience.OFF, "c": Audience.OFF}, sharing=("one", "two"))
    ours = dataclasses.replace(base, audiences={"a": Audience.ANYONE, "b": Audience.OFF}, sharing=("two", "three"))
    theirs = dataclasses.replace(
        base, audiences={**base.audiences, "b": Audience.TRUSTED, "d": Audience.OFF}, sharing=("one", "two", "four")
    )
    found = merge(base, ours, theirs)
    assert found.audiences == {"a": Audience.ANYONE, "b": Audience.TRUSTED, "d": Audience.OFF}
    assert found.sharing == ("two", "four", "three")
    assert merge(base, base, theirs) == theirs
    assert merge(base, ours, base) == ours


def test_entries_that_cannot_be_read_are_kept_all_the_same() -> None:
    odd: tuple[JsonValue, ...] = (7, "x", {"name": "ssh"}, {"name": "ssh"})
    assert merge(Settings(), with_share(Settings(), WEB), Settings(shares=odd)).shares[:4] == odd


def test_a_file_that_is_damaged_meanwhile_is_kept_beside(tmp_path: Path) -> None:
    store = SettingsStore(root=tmp_path)
    base = store.save(Settings())
    store.path.write_text("{")
    store.save(with_share(base, SSH), base)
    assert names(store.load()) == ["ssh"]
    assert [path for path in tmp_path.iterdir() if "damaged" in path.name]


def test_too_many_of_both_are_refused_and_cost_nothing(tmp_path: Path) -> None:
    store, base = SettingsStore(root=tmp_path), Settings()
    many = base
    for number in range(MAX_SHARES):
        many = with_share(many, Share(f"s{number}", "tcp", {"target": "22"}))
    store.save(many)
    with pytest.raises(LocalError):
        with_share(many, WEB)
    with pytest.raises(LocalError, match="more than"):
        store.save(with_share(base, WEB), base)
    assert len(names(store.load())) == MAX_SHARES


def test_two_programs_at_once_lose_nothing(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", ADD, str(tmp_path), name, str(EACH)] for name in ("a", "b")]
    programs = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    assert [program.wait(60) for program in programs] == [0, 0]
    expected = {f"{name}-{number}" for name in "ab" for number in range(EACH)}
    assert set(names(SettingsStore(root=tmp_path).load())) == expected
