"""What the words of `grapevine share` mean."""

from pathlib import Path

import pytest

from core.cli.wanted import Wanted
from core.errors import LocalError
from core.kinds.share import Share
from core.values import JsonValue


def one(*targets: str, **more: object) -> tuple[str, str, dict[str, JsonValue]]:
    (share,) = Wanted(targets, services=frozenset({"fibonacci"}), **more).shares()  # type: ignore[arg-type]
    return share.name, share.kind, dict(share.options)


def test_ports_pages_and_programs() -> None:
    assert one("8080") == ("page-8080", "http", {"target": "8080"})
    assert one("8080", name="garden") == ("garden", "http", {"target": "8080"})
    assert one("192.168.1.5:80") == ("page-80", "http", {"target": "192.168.1.5:80"})
    assert one("http://192.168.1.5/") == ("192.168.1.5", "http", {"target": "http://192.168.1.5/"})
    assert one("https://[fe80::1]:8443/x") == ("fe80--1-8443", "http", {"target": "https://[fe80::1]:8443/x"})
    assert one(tcp=("22",)) == ("ssh", "tcp", {"target": "22"})
    assert one(tcp=("192.168.1.20:9000",)) == ("tcp-9000", "tcp", {"target": "192.168.1.20:9000"})
    assert one(udp=("51820",)) == ("udp-51820", "udp", {"target": "51820"})
    assert one(commands=("cat -n",), lines=True) == ("cat", "json", {"command": "cat -n", "lines": True})
    assert one(watches=("/opt/temp.sh --every 5",)) == ("temp", "values", {"command": "/opt/temp.sh --every 5"})


def test_what_is_kept_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holiday").mkdir()
    (tmp_path / "garden.py").touch()
    assert one("holiday") == ("holiday", "folder", {"path": str(tmp_path / "holiday")})
    assert one("./holiday/", drop=True) == ("holiday", "folder", {"path": str(tmp_path / "holiday"), "drop": True})
    assert one(".") == (tmp_path.name, "folder", {"path": str(tmp_path)})
    assert one("./garden.py:handle") == ("garden", "python", {"target": f"{tmp_path}/garden.py:handle"})
    assert one("json.tool:main") == ("tool", "python", {"target": "json.tool:main"})
    assert one(commands=("./read temp",))[2] == {"command": f"{tmp_path}/read temp"}
    assert one("/")[:2] == ("disk", "folder")
    with pytest.raises(LocalError, match="is a file"):
        one("./garden.py")


def test_the_own_service_and_what_is_kept_are_no_new_shares() -> None:
    wanted = Wanted(("fibonacci", "garden", "8080"), services=frozenset({"fibonacci"}))
    assert wanted.own() == ["fibonacci"]
    assert [share.name for share in wanted.shares(lambda name: name == "garden")] == ["page-8080"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(("weather",)), "nothing that can be shared"),
        (Wanted(("8080", "8081"), name="x"), "--name names one"),
        (Wanted(("8080",), tcp=("22",), name="x"), "--name names one"),
        (Wanted(("8080",), drop=True), "--drop"),
        (Wanted(("8080", "127.0.0.1:8080")), "two shares"),
        (Wanted(("8080",), name="*"), "every service"),
        (Wanted(("8080",), name="a/b"), "no name of a service"),
        (Wanted(("http://x:99999/",)), "no http"),
    ],
)
def test_what_cannot_be_meant_is_said(wanted: Wanted, said: str) -> None:
    with pytest.raises(LocalError, match=said):
        wanted.shares()


@pytest.mark.parametrize(
    "wanted",
    [Wanted(tcp=("ssh",)), Wanted(udp=("0",)), Wanted(tcp=("x:70000",)), Wanted(commands=("'",)), Wanted(lines=True)],
)
def test_contradictions_are_found_before_anything_starts(wanted: Wanted) -> None:
    with pytest.raises(LocalError):
        wanted.check()


def test_a_folder_of_any_name_gets_a_name_that_a_service_can_have(tmp_path: Path) -> None:
    for name in ("a:b", "x" * 200, "\u00e4" * 100, " . ", "\x1b[31m"):
        folder = tmp_path / name
        folder.mkdir()
        share = Wanted((str(folder),)).shares()[0]
        assert Share(share.name, "folder").name
