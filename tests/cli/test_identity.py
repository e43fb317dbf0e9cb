"""`grapevine id`, and two programs that talk encrypted."""

import json
from pathlib import Path

import pytest

from core.peer_id import PeerId
from tests.cli.conftest import RunCli
from tests.support.ports import free_port
from tests.support.process import grapevine

pytestmark = pytest.mark.asyncio


async def test_the_id_is_the_same_every_time_and_short_when_asked(cli: RunCli, home: Path) -> None:
    first, second, short = await cli("id"), await cli("id", "--json"), await cli("id", "--short")
    shown = PeerId.parse(first.out)
    assert "which only you can read" in first.err
    fields = json.loads(second.out)
    assert (fields["event"], fields["peer_id"], fields["kept"]) == ("id", str(shown), "file")
    assert short.out.strip() == shown.short
    assert (home / "grapevine" / "default.key").stat().st_mode & 0o777 == 0o600


async def test_a_qr_code_stands_above_the_id(cli: RunCli) -> None:
    plain, drawn = await cli("id"), await cli("id", "--qr")
    *picture, text = drawn.out.splitlines()
    assert text == plain.out.strip()
    assert len(picture) > 10
    assert len({len(line) for line in picture}) == 1, "a square"


async def test_an_exported_identity_is_the_same_elsewhere(cli: RunCli, cli_env: dict[str, str], tmp_path: Path) -> None:
    cli_env["GRAPEVINE_PASSPHRASE"] = "correct horse battery"
    file = tmp_path / "me.pem"
    own = (await cli("id")).out
    assert (await cli("id", "export", str(file))).code == 0
    assert b"ENCRYPTED" in file.read_bytes()
    other = await cli("id", "renew", "--yes", "--json")
    assert json.loads(other.out)["peer_id"] != own.strip()
    assert (await cli("id", "import", str(file), "--yes")).code == 0
    assert (await cli("id")).out == own
    cli_env["GRAPEVINE_PASSPHRASE"] = "wrong horse battery"
    refused = await cli("id", "import", str(file), "--yes")
    assert refused.code == 1
    assert "ERR_PASSPHRASE" in refused.err


async def test_nobody_becomes_another_peer_without_a_yes(cli: RunCli) -> None:
    own = (await cli("id")).out
    refused = await cli("id", "renew")  # nobody is there to answer
    assert refused.code == 1
    assert (await cli("id")).out == own


async def test_two_programs_know_each_other(tmp_path: Path) -> None:
    """Both print who the other is: it was encrypted."""
    homes = [tmp_path / name for name in ("worker", "caller")]
    for home in homes:
        (home / "grapevine").mkdir(parents=True)
        settings = {"schema": 1, "dht_port": free_port(), "api_port": free_port()}
        (home / "grapevine" / "default.json").write_text(json.dumps(settings))
    async with grapevine("share", "fibonacci", "--bootstrap", "", home=homes[0]) as worker:
        node = await worker.event("grape", lambda event: event["dht_port"])
        boot = f"127.0.0.1:{node['dht_port']}"
        async with grapevine("consume", "fibonacci", "--bootstrap", boot, home=homes[1]) as caller:
            reply = await caller.event("reply")
            served = await worker.event("request-served")
    ids = [json.loads((home / "grapevine" / "default.identity.json").read_text())["peer_id"] for home in homes]
    assert [reply["peer_id"], served["peer_id"]] == ids
