"""The whole program: a share of the settings is on at the start, is turned off, and is off at the next start."""

import sys
from pathlib import Path

import pytest

from core.kinds.share import Share
from core.profile.settings import Settings, SettingsStore
from core.profile.shares import kept_shares, with_share
from tests.desktop.xvfb import app, offscreen


@pytest.mark.skipif(sys.platform == "win32", reason="the driven program is POSIX's")
def test_shares_come_back_at_the_next_start_as_they_were_left(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    store = SettingsStore("a", root=tmp_path / "config" / "grapevine")
    settings = Settings(bootstrap=("127.0.0.1:9",), dht_port=0, api_port=0)
    settings = with_share(settings, Share("pictures", "folder", {"path": str(folder)}))
    store.save(with_share(settings, Share("gone", "folder", {"path": str(tmp_path / "gone")})))
    with app("a", env=offscreen(tmp_path)) as program:
        program.until(shares={"pictures": True, "gone": False})
        program.ask("turn first share")
        program.until(shares={"pictures": False, "gone": False})
        assert program.end()[0] == 0
    assert [(share.name, share.on) for share in kept_shares(store.load()).shares] == [
        ("pictures", False), ("gone", True),
    ]  # fmt: skip
