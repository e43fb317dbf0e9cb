"""`grapevine trust` and `share --audience` as people and scripts meet them, beside a running peer."""

import json
import time
from pathlib import Path

import pytest

from core.trust.store import TrustStore
from tests.cli.conftest import RunCli
from tests.support.process import grapevine, until
from tests.trust.people import ANN, BOB, HERE, peer_id

pytestmark = pytest.mark.asyncio


def list_of(home: Path) -> Path:
    return home / "grapevine" / "default.trust.json"


async def asked(home: Path) -> None:
    """Leave what a running peer leaves when Bob has asked for the lamp."""
    store = TrustStore(list_of(home))
    await store.open(time.time())
    for _ in range(2):
        store.ask((BOB, "lamp"), HERE, time.time())
    await store.flush(time.time())


async def test_add_list_block_and_remove(cli: RunCli) -> None:
    assert (await cli("trust", "list")).out == "nobody is known yet\n"
    added = await cli("trust", "add", str(ANN).lower(), "--name", "Ann\x1b[2J", "--service", "lamp", "--json")
    assert (added.code, added.err) == (0, "")
    line = json.loads(added.out)
    assert (line["event"], line["id"], line["message"]) == ("trust", str(ANN), f"{ANN.short} may call lamp")
    assert (line["peer"]["name"], line["peer"]["services"], line["peer"]["blocked"]) == ("Ann [2J", ["lamp"], False)
    assert (await cli("trust", "add", str(ANN))).out == f"{ANN.short} may call every service\n"
    listed = await cli("trust", "list")
    assert listed.out.startswith(f"{ANN}  Ann [2J  every service  since 20")
    assert "last seen never" in listed.out
    assert (await cli("trust", "block", str(ANN))).out == f"{ANN.short} is blocked\n"
    (peer,) = json.loads((await cli("trust", "list", "--json")).out)["peers"]
    assert (peer["blocked"], peer["services"]) == (True, [])
    assert (await cli("--profile", "other", "trust", "list")).out == "nobody is known yet\n"
    assert (await cli("trust", "remove", str(ANN))).code == 0
    again = await cli("trust", "remove", str(ANN), "--json")
    assert again.code == 1
    assert json.loads(again.out)["error"] == "ERR_NOT_KNOWN"


async def test_a_mistyped_id_is_refused_and_said_where(cli: RunCli, home: Path) -> None:
    mistyped = str(ANN).replace("Q7", "R7")
    for command in (["add"], ["remove"], ["block"], ["accept", "lamp"], ["refuse", "lamp"]):
        done = await cli("trust", command[0], mistyped, *command[1:])
        assert done.code == 2
        assert "mistyped in AAAAAAA-AAAAAR7" in done.err
    assert not list_of(home).exists()


async def test_who_asked_a_peer_is_answered_by_another_program(cli: RunCli, home: Path) -> None:
    assert (await cli("trust", "pending")).out == "nobody waits for an answer\n"
    await asked(home)
    waiting = await cli("trust", "pending")
    assert waiting.out.startswith(f"{BOB}  lamp  from {HERE}, 2 times since 20")
    (row,) = json.loads((await cli("trust", "pending", "--json")).out)["requests"]
    assert (row["id"], row["service"], row["from"], row["times"]) == (str(BOB), "lamp", str(HERE), 2)
    assert (await cli("trust", "accept", str(BOB), "lamp", "--once")).out == f"{BOB.short} may call lamp once\n"
    assert (await cli("trust", "pending")).out == "nobody waits for an answer\n"
    assert (await cli("trust", "list")).out == "nobody is known yet\n"
    done = await cli("trust", "accept", str(BOB), "lamp")
    assert (done.code, done.err) == (1, f"ERR_NOT_PENDING: {BOB.short} does not wait for an answer about lamp\n")
    await asked(home)
    assert (await cli("trust", "accept", str(BOB), "lamp")).out == f"{BOB.short} may call lamp\n"
    assert "lamp" in (await cli("trust", "list")).out


async def test_a_damaged_list_is_said_and_kept_until_it_is_confirmed(cli: RunCli, home: Path) -> None:
    await cli("trust", "add", str(peer_id(7)), "--name", "Seven")
    list_of(home).write_text("{")
    done = await cli("trust", "list")
    assert done.code == 0
    assert "nobody is known yet" in done.out
    assert "Seven" in done.out.partition("grapevine trust confirm")[2]
    assert "until you have looked" in done.err
    assert list_of(home).read_text() == "{", "what only reads changes nothing"
    for verb in (["add", str(peer_id(8))], ["block", str(peer_id(7))]):
        refused = await cli("trust", *verb)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith("ERR_TRUST: ")
        assert "grapevine trust confirm" in refused.err
    assert "Seven" in (await cli("trust", "confirm")).out
    assert "Seven" in (await cli("trust", "list")).out
    assert "nothing to confirm" in (await cli("trust", "confirm")).out
    (kept,) = list_of(home).parent.glob("*.damaged-*")
    assert kept.read_text() == "{"


async def test_a_running_peer_of_the_profile_follows_within_a_moment(home: Path, cli: RunCli) -> None:
    async with grapevine("share", "fibonacci", "--audience", "trusted", "--bootstrap", "", home=home) as worker:
        first = await worker.event("trust")
        assert first["message"] == "fibonacci: only peers I trust"
        await cli("trust", "add", str(peer_id(7)), "--name", "Seven")
        event = await worker.event("trust", lambda event: event["known"] == 1, timeout=5.0)
        assert "another program" in event["message"]


@pytest.mark.parametrize(
    ("audience", "sentence"), [("identified", "anyone with an ID"), ("anyone", "anyone, plain Grenache peers too")]
)
async def test_an_audience_is_for_this_run_only(home: Path, audience: str, sentence: str) -> None:
    settings = home / "grapevine" / "default.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "audiences": {"fibonacci": "off"}}))
    async with grapevine("share", "fibonacci", "--audience", audience, "--bootstrap", "", home=home) as worker:
        assert (await worker.event("trust"))["message"] == f"fibonacci: {sentence}"
    assert json.loads(settings.read_text())["audiences"] == {"fibonacci": "off"}


async def test_an_audience_that_there_is_not(cli: RunCli) -> None:
    done = await cli("share", "fibonacci", "--audience", "friends")
    assert done.code == 2
    assert "identified" in done.err


async def test_a_stranger_waits_and_is_let_in_by_another_program_once(home: Path, cli: RunCli, tmp_path: Path) -> None:
    """Two identities, encrypted; the worker runs, and its owner answers by `grapevine trust`."""
    async with grapevine("share", "fibonacci", "--audience", "trusted", "--bootstrap", "", home=home) as worker:
        url, port = (await worker.event("grape"))["url"], (await worker.event("listening"))["port"]

        async def request() -> tuple[int, object]:
            arguments = ("request", f"127.0.0.1:{port}", '{"length": 3}', "--grape", url)
            async with grapevine(*arguments, home=tmp_path / "caller") as caller:
                code = await caller.wait()
                end = caller.events[-1] if code else next(e for e in caller.events if e["event"] == "reply")
                return code, end["error"] if code else end["data"]

        assert await request() == (4, "ERR_NOT_TRUSTED")
        waiting = await worker.event("pending")
        assert (waiting["service"], waiting["name"], waiting["times"]) == ("fibonacci", "", 1)

        async def persisted() -> bool:
            rows = json.loads((await cli("trust", "pending", "--json")).out)["requests"]
            return [row["id"] for row in rows] == [waiting["id"]]

        await until(persisted, "another program sees who waits", timeout=5.0)
        assert (await cli("trust", "accept", waiting["id"], "fibonacci", "--once")).code == 0
        await worker.event("trust", lambda event: "another program" in event["message"], timeout=5.0)
        assert await request() == (0, [1, 1, 2])
        assert await request() == (4, "ERR_NOT_TRUSTED")
        assert (await cli("trust", "add", waiting["id"], "--name", "Caller")).code == 0
        await worker.event("trust", lambda event: event["known"] == 1, timeout=5.0)
        assert await request() == (0, [1, 1, 2])
        assert await request() == (0, [1, 1, 2])
        assert (await cli("trust", "block", waiting["id"])).code == 0

        async def blocked() -> bool:
            return await request() == (4, "ERR_BLOCKED")

        await until(blocked, "the running peer refuses it", timeout=10.0)


async def test_damaged_settings_let_nobody_in_and_stay_until_they_are_confirmed(home: Path, cli: RunCli) -> None:
    path = home / "grapevine" / "default.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "audiences": {"fibonacci": "trusted"}}))
    path.write_text(path.read_text().replace("}}", "},}"))
    damaged = path.read_text()
    for command in ("id", "settings", "trust list", "lookup x --bootstrap ''", "calls"):
        done = await cli(*command.replace("''", "").split(), *([""] if command.endswith("''") else []))
        assert path.read_text() == damaged, command
        assert "Traceback" not in done.err
    async with grapevine("share", "fibonacci", "--bootstrap", "", home=home) as worker:
        url, port = (await worker.event("grape"))["url"], (await worker.event("listening"))["port"]
        refused = await cli("request", f"127.0.0.1:{port}", '{"length": 3}', "--grape", url, "--profile", "other")
        assert (refused.code, refused.out) == (4, "")
        assert refused.err.splitlines()[-1].startswith("ERR_SERVICE_OFF: ")
        assert "a comma too many" in worker.stderr
        assert "grapevine settings confirm" in worker.stderr
    assert path.read_text() == damaged
    confirmed = await cli("settings", "confirm")
    assert "fibonacci: trusted" in confirmed.out
    assert path.with_name("default.json.damaged-1").read_text() == damaged
    assert json.loads((await cli("settings", "--json")).out)["audiences"] == {"fibonacci": "trusted"}
