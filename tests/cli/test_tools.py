"""What grenache-cli's tools do, at a grape of the test's own: the same output where scripts read it."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from core.cli import tool_jobs
from core.cli.output import Output
from core.dht.items import mutable_target
from core.errors import LocalError, LookupEmpty
from core.grape.config import GrapeConfig
from core.grape.grape import Grape, open_grape
from core.profile.config import PeerConfig

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def grape() -> AsyncIterator[Grape]:
    async with open_grape(GrapeConfig(dht_port=0, api_port=0, bind="127.0.0.1")) as opened:
        yield opened


def config(grape: Grape) -> PeerConfig:
    return PeerConfig(grapes=(grape.url,), bind="127.0.0.1")


OUTPUT = Output(as_json=False, quiet=True)


async def test_lookup_prints_all_or_one(grape: Grape, capsys: pytest.CaptureFixture[str]) -> None:
    for port in (4001, 4002):
        await tool_jobs.announce(config(grape), OUTPUT, "rest:net:util", port)
    assert capsys.readouterr().out.split() == ["1", "1"]
    await tool_jobs.lookup(config(grape), OUTPUT, "rest:net:util", None)
    listed = sorted(capsys.readouterr().out.split())
    assert listed == ["127.0.0.1:4001", "127.0.0.1:4002"]
    for which in ("first", "last", "random"):
        await tool_jobs.lookup(config(grape), OUTPUT, "rest:net:util", which)
        assert capsys.readouterr().out.strip() in listed
    with pytest.raises(LookupEmpty):
        await tool_jobs.lookup(config(grape), OUTPUT, "nobody", "random")


async def test_what_is_put_is_got(grape: Grape, capsys: pytest.CaptureFixture[str]) -> None:
    await tool_jobs.put(config(grape), OUTPUT, "foo")
    digest = capsys.readouterr().out.strip()
    assert digest == hashlib.sha1(b"3:foo", usedforsecurity=False).hexdigest()
    await tool_jobs.get(config(grape), OUTPUT, [digest, digest], "", None)
    assert capsys.readouterr().out == "foo\nfoo\n"
    await tool_jobs.get(config(grape), OUTPUT, [digest], "", "id")
    assert len(capsys.readouterr().out.strip()) == 40
    await tool_jobs.get(config(grape), OUTPUT, [digest], "", "raw")
    assert '"v":"foo"' in capsys.readouterr().out.replace(" ", "")


async def test_a_signed_value_can_be_changed_under_its_hash(
    grape: Grape, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key = tmp_path / "mine.key"
    tool_jobs.make_key(key, force=False)
    public = bytes.fromhex((tmp_path / "mine.key.pub").read_text())
    for number, value in ((1, "first"), (2, "second")):
        await tool_jobs.put_mutable(config(grape), OUTPUT, value, key, "mem", number, None)
        digest = capsys.readouterr().out.strip()
        assert digest == mutable_target(public, b"mem").hex()
        await tool_jobs.get(config(grape), OUTPUT, [digest], "mem", None)
        assert capsys.readouterr().out == f"{value}\n"


async def test_keys_are_private_and_not_written_over(tmp_path: Path) -> None:
    key = tmp_path / "mine.key"
    tool_jobs.make_key(key, force=False)
    before = key.read_bytes()
    assert len(bytes.fromhex(before.decode())) == 32
    assert key.stat().st_mode & 0o077 == 0
    with pytest.raises(LocalError, match="-f writes over it"):
        tool_jobs.make_key(key, force=False)
    tool_jobs.make_key(key, force=True)
    assert key.read_bytes() != before
    for wrong in (tmp_path / "none", tmp_path / "mine.key.pub.pub"):
        with pytest.raises(LocalError, match="keygen"):
            tool_jobs.read_key(wrong)
    (tmp_path / "odd").write_text("zz")
    with pytest.raises(LocalError, match="is no key"):
        tool_jobs.read_key(tmp_path / "odd")
