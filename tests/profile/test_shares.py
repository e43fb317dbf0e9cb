"""Shares and openings in the settings: they come back, and nothing that cannot be read is run or opened."""

import json
from pathlib import Path

import pytest

from core.errors import LocalError
from core.grenache.config import Tls, WebConfig
from core.kinds.share import MAX_SHARES, Share
from core.profile.config import PeerConfig
from core.profile.settings import Settings, SettingsStore
from core.profile.shares import (
    KeptUse,
    kept_shares,
    kept_uses,
    switched,
    with_share,
    with_use,
    without_share,
    without_use,
)
from core.profile.web import web_config, with_web
from core.trust.audience import Audience
from core.values import JsonValue
from tests.secure.sides import ANNA, BERT

SSH = Share("ssh", "tcp", {"target": "22"}, Audience.IDENTIFIED)
BOX = Share("box", "folder", {"path": "/srv/box", "drop": True}, on=False)


def write(store: SettingsStore, shares: JsonValue) -> None:
    store.path.write_text(json.dumps({"schema": 1, "shares": shares}))


def test_shares_and_openings_come_back_as_saved(tmp_path: Path) -> None:
    store, use = SettingsStore(root=tmp_path), KeptUse(ANNA.peer_id, "printer", "tcp", 2222)
    store.change(lambda settings: with_share(with_share(settings, SSH), BOX))
    store.change(lambda settings: with_use(settings, use))
    found = SettingsStore(root=tmp_path).load()
    assert kept_shares(found) == ((SSH, BOX), ())
    assert kept_uses(found) == (use,)
    found = switched(found, "box", True)
    assert [share.on for share in kept_shares(found).shares] == [True, True]
    assert kept_shares(without_share(found, "ssh")).shares[0].name == "box"
    assert kept_uses(without_use(found, BERT.peer_id, "printer")) == (use,)
    assert kept_uses(without_use(found, ANNA.peer_id, "printer")) == ()


def test_one_of_the_same_name_is_replaced_in_its_place(tmp_path: Path) -> None:
    settings = with_share(with_share(Settings(), SSH), BOX)
    settings = with_share(settings, Share("ssh", "tcp", {"target": "2222"}))
    assert [share.options.get("target") for share in kept_shares(settings).shares] == ["2222", None]
    with pytest.raises(LocalError, match="ssh, box"):
        without_share(settings, "camera")


@pytest.mark.parametrize(
    "wrong",
    [None, 7, "ssh", {}, {"name": "a/b", "kind": "tcp"}, {"name": "x", "kind": 1},
     {"name": "x", "kind": "tcp", "options": []},
     {"name": "x", "kind": "folder", "options": {"path": "/srv", "\ufffd": None}}, {"name": "x", "kind": "t\ufffd"}],
)  # fmt: skip
def test_what_cannot_be_read_is_kept_and_not_run(tmp_path: Path, wrong: JsonValue) -> None:
    store = SettingsStore(root=tmp_path)
    write(store, [wrong, SSH.to_json()])
    settings = store.load()
    assert store.problem is None
    found = kept_shares(settings)
    assert found.shares == (SSH,)
    assert "Share 1" in found.problems[0]
    store.save(with_share(settings, BOX))
    assert json.loads(store.path.read_text())["shares"][0] == wrong


@pytest.mark.parametrize("audience", [None, 1, "everybody", "trusted ", "ANYONE", ["anyone"]])
def test_an_audience_that_cannot_be_read_is_off(tmp_path: Path, audience: JsonValue) -> None:
    store = SettingsStore(root=tmp_path)
    write(store, [SSH.to_json() | {"audience": audience}])
    assert kept_shares(store.load()).shares[0].audience is Audience.OFF


def test_two_of_one_name_are_both_left_out(tmp_path: Path) -> None:
    store = SettingsStore(root=tmp_path)
    write(store, [SSH.to_json(), BOX.to_json(), SSH.to_json() | {"audience": "anyone"}])
    found = kept_shares(store.load())
    assert found.shares == (BOX,)
    assert "twice" in found.problems[0]


@pytest.mark.parametrize(
    "shares", [{}, "ssh", 5, None, [{}] * (MAX_SHARES + 1), [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]
)
def test_a_list_that_cannot_be_one_closes_the_profile_until_its_owner_has_looked(
    tmp_path: Path, shares: JsonValue
) -> None:
    store = SettingsStore(root=tmp_path)
    write(store, shares)
    assert kept_shares(store.load()) == ((), ())
    assert store.problem
    before = store.path.read_bytes()
    with pytest.raises(LocalError, match="settings confirm"):
        store.change(lambda settings: with_share(settings, SSH))
    assert store.path.read_bytes() == before


def test_a_cut_file_runs_no_share_and_loses_none(tmp_path: Path) -> None:
    store = SettingsStore(root=tmp_path)
    store.change(lambda settings: with_share(settings, SSH))
    whole = store.path.read_text()
    store.path.write_text(whole[: whole.rindex('"uses"')])
    assert store.load().shares == ()
    assert kept_shares(store.confirm()).shares == (SSH,)


@pytest.mark.parametrize(
    "wrong",
    [None, {}, {"peer_id": "x", "service": "y"}, {"peer_id": str(ANNA.peer_id), "service": ""},
     {"peer_id": str(ANNA.peer_id), "service": "s", "port": True},
     {"peer_id": str(ANNA.peer_id), "service": "s", "port": 65536}],
)  # fmt: skip
def test_an_opening_that_cannot_be_read_is_kept_and_not_opened(tmp_path: Path, wrong: JsonValue) -> None:
    settings = with_use(Settings(uses=(wrong,)), KeptUse(BERT.peer_id, "temp"))
    assert [use.service for use in kept_uses(settings)] == ["temp"]
    assert settings.uses[0] == wrong
    assert KeptUse.from_json({"peer_id": str(ANNA.peer_id), "service": "s", "at_login": 1}).at_login is False


def test_where_services_are_opened_is_kept_and_comes_back(tmp_path: Path) -> None:
    store = SettingsStore(root=tmp_path)
    assert PeerConfig.from_settings(store.load()).web == WebConfig()
    web = WebConfig(
        "0.0.0.0", 1337, Tls(tmp_path / "a.pem", tmp_path / "a.key", None, True), ("https://a.example",), True
    )
    store.change(lambda settings: with_web(settings, web))
    assert PeerConfig.from_settings(SettingsStore(root=tmp_path).load()).web == web
    store.change(lambda settings: with_web(settings, WebConfig()))
    assert PeerConfig.from_settings(store.load()).web == WebConfig()


@pytest.mark.parametrize(
    "half",
    [Settings(web_certificate="/a.pem"), Settings(web_key="/a.key"), Settings(web_authority="/ca.pem")],
)
def test_half_of_what_tls_needs_is_not_taken_for_no_tls(half: Settings) -> None:
    assert web_config(half).tls is not None


@pytest.mark.parametrize(("name", "value"), [("web_listen", "nowhere"), ("web_origins", ["not an origin"])])
def test_a_place_that_is_none_is_told(tmp_path: Path, name: str, value: JsonValue) -> None:
    store = SettingsStore(root=tmp_path)
    store.path.write_text(json.dumps({"schema": 1, name: value}))
    assert web_config(store.load()) == WebConfig()
    assert any(name in notice for notice in (*store.notices, store.problem or ""))
