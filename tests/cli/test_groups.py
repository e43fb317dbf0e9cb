"""`grapevine people group`, and `share --to @GROUP`, as people type them, beside a running peer."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import RunCli
from tests.streams_real import own, pair
from tests.support.process import grapevine, until
from tests.trust.people import ANN, BOB

pytestmark = pytest.mark.asyncio


async def test_a_group_is_made_shown_changed_and_removed(cli: RunCli) -> None:
    for who, name in ((ANN, "Ann"), (BOB, "Bob")):
        await cli("trust", "add", str(who), "--name", name, "--service", "lamp")
    assert (await cli("people", "groups")).out.startswith("there is no group")
    made = await cli("people", "group", "family", "+", "ann", str(BOB), "--open", "web")
    assert (made.code, made.out) == (0, "family  Ann, Bob  may call web\n")
    assert (await cli("people", "group", "@Family")).out == made.out
    assert (await cli("people", "groups")).out == made.out
    assert "  lamp  in family  since" in (await cli("people")).out
    left = json.loads((await cli("people", "group", "family", "-", "ann", "--json")).out)
    assert left["group"] == {"name": "family", "members": [str(BOB)], "services": ["web"]}
    closed = await cli("people", "group", "family", "--close", "web")
    assert closed.out == "family  Bob  may call no service\n"
    await cli("people", "remove", "Bob")
    assert (await cli("people", "groups")).out == "family  nobody yet  may call no service\n"
    assert (await cli("people", "group", "family", "--remove")).out == "the group family is removed\n"


async def test_what_cannot_be_is_said(cli: RunCli) -> None:
    for who, name in ((ANN, "Ann"), (BOB, "Bob")):
        await cli("trust", "add", str(who), "--name", name)
    await cli("people", "group", "family", "+", "ann")
    for command, code, said in (
        (("group", "famly"), 1, "there is no group 'famly'; your groups: family"),
        (("group", "bob", "+", "ann"), 1, "'bob' is somebody that you know: give the group another name"),
        (("group", "family", "+", "carl"), 3, "you know nobody named 'carl'"),
        (("group", "family", "-", "bob"), 1, "Bob is not in the group family"),
        (("group", "family", "ann"), 2, "say + or - and then who"),
        (("group", "family", "+"), 2, "say + or - and then who"),
        (("group", "family", "--remove", "+", "ann"), 2, "--remove stands alone"),
        (("name", "ann", "Bob"), 1, "'Bob' is somebody else in your list: give another name"),
        (("name", "ann", "Family"), 1, "'family' is a group of yours: give the peer another name"),
    ):
        done = await cli("people", *command)
        assert (done.code, said in done.err) == (code, True), done
    assert (await cli("people", "name", "ann", "ann")).code == 0, "in other letters, and hers already"
    last = await cli("people", "group", "family", "-", "ann")
    assert last.out == "nobody is left in family, and nothing is open to it: it is gone\n"
    both = await cli("share", "fibonacci", "--to", "@family", "--audience", "anyone")
    assert (both.code, "--to says who may use it" in both.err) == (2, True)


async def test_a_share_for_a_group_is_for_its_people_and_no_longer_for_who_leaves(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    async with pair(tmp_path) as two:
        for act in (["remove", two.bert_id], ["add", two.bert_id, "--name", "bert", "--service", "nothing"]):
            assert (await own(two.anna, "trust", *act)).code == 0
        unknown = await own(two.anna, "share", str(folder), "--to", "@family", "--bootstrap", "")
        assert (unknown.code, "there is no group '@family'" in unknown.err) == (1, True), unknown
        assert (await own(two.anna, "people", "group", "family", "+", "bert")).code == 0
        async with two.share(str(folder), "--to", "@family") as (_, told):
            assert (told["audience"], told["groups"]) == ("trusted", ["family"])
            assert (await two.ask("offers", "anna")).out.decode() == "anna/photos  folder  a folder\n"
            assert (await own(two.anna, "people", "group", "family", "-", "bert")).code == 0

            async def closed() -> bool:
                return b"photos" not in (await two.ask("offers", "anna")).out

            await until(closed, "Bert may use it no longer")


async def test_the_demo_for_a_group_is_for_nobody_else(home: Path, cli: RunCli) -> None:
    await cli("trust", "add", str(ANN), "--name", "Ann", "--service", "x")
    await cli("people", "group", "family", "+", "Ann")
    async with grapevine("share", "fibonacci", "--to", "@family", "--bootstrap", "", home=home) as program:
        await program.event("trust", lambda event: event["message"] == "fibonacci: only peers I trust")
        await program.event("trust", lambda event: event["message"] == "the group family may call fibonacci")
