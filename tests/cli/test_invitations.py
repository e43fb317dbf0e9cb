"""Invitations as people type them: two profiles that do not know each other, and a grape."""

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.invitations.link import VERSION
from core.peer_id import PeerId
from tests.invitations.test_link import LINK, made
from tests.streams_real import own
from tests.support.process import Finished, grapevine

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def strangers(folder: Path) -> AsyncIterator[tuple[Path, Path, str]]:
    """Two settings folders, and the URL of a grape."""
    async with grapevine("grape", "--dp", "0", "--aph", "0", "--bn", "", "-b", "127.0.0.1", home=folder) as program:
        yield folder / "anna", folder / "bert", (await program.event("listening"))["api"]


def told(done: Finished) -> dict[str, object]:
    found: dict[str, object] = json.loads(done.out.splitlines()[-1])
    return found


@pytest.mark.slow
async def test_a_link_from_one_command_line_to_another_and_what_came_of_it(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"a picture")
    async with strangers(tmp_path) as (anna, bert, grape):
        made = await own(anna, "invite", "Bert", "photos", "--as", "Anna", "--days", "2")
        link = made.out.decode().strip()
        assert (made.code, link.startswith("grapevine:i/"), "invitations withdraw 1" in made.err) == (0, True, True)
        listed = await own(anna, "invitations")
        assert listed.out.decode().startswith("1  Bert  photos  not yet here, until 20")
        network = ("--grape", grape)
        waiting = await own(bert, "join", link, "--timeout", "2", *network)
        assert (waiting.code, "ERR_TIMEOUT" in waiting.err, "is away" in waiting.err) == (5, True, True)
        async with grapevine("share", str(tmp_path / "photos"), *network, home=anna) as sharing:
            await sharing.event("shared")
            joined = await own(bert, "join", link, "--timeout", "60", *network)
            assert joined.code == 0, joined.err
            assert joined.out.decode().startswith("Anna  ")
            assert joined.out.decode().endswith("You may use: photos\n")
            for stage in ("Looking for", "Found", "Opening a way", "Connected to", "Anna and you know each other now."):
                assert stage in joined.err
            accepted = await sharing.event("invitation-accepted")
            assert (accepted["name"], accepted["services"], accepted["number"]) == ("Bert", ["photos"], 1)
            offers = await own(bert, "offers", "anna", "--timeout", "60", *network)
            assert offers.out.decode() == "Anna/photos  folder  a folder\n"
            again = told(await own(bert, "join", link, "--json", "--timeout", "60", *network))
            assert (again["event"], again["name"], again["services"]) == ("joined", "Anna", ["photos"])
            used = await own(tmp_path / "eve", "join", link, "--timeout", "60", *network)
            assert (used.code, "ERR_INVITATION: this invitation does not hold" in used.err) == (4, True)
            second = told(await own(anna, "invite", "Carl", "--json"))
            withdrawn = await own(anna, "invitations", "withdraw", "2")
            assert withdrawn.out == b"2  Carl  no share  withdrawn\n"
            gone = await own(tmp_path / "eve", "join", str(second["link"]), "--timeout", "60", *network)
            assert gone.code == 4
            sharing.send_signal(signal.SIGTERM)
            await sharing.wait()
        rows = told(await own(anna, "invitations", "--json"))["invitations"]
        assert isinstance(rows, list)
        assert [(row["name"], row["state"], len(row["joined"])) for row in rows] == [
            ("Bert", "accepted", 1), ("Carl", "withdrawn", 0),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("link", "name", "words"),
    [
        (made(bytes([VERSION + 1]) + bytes(60)), "ERR_LINK_VERSION", "version"),
        (str(LINK)[:-1], "ERR_LINK_CUT", "whole link"),
        (str(LINK) * 2, "ERR_LINK_DOUBLED", "two links"),
        (str(PeerId(bytes(range(32)))), "ERR_LINK_FOREIGN", "grapevine:i/"),
        ("grapevine:i/" + "a" * 10_240, "ERR_LINK_FOREIGN", "10,252"),
        ("x" * 10_240, "ERR_LINK_FOREIGN", "10,240"),
    ],
    ids=["future version", "cut", "doubled", "a Peer ID", "10 kB that begin as a link", "10 kB"],
)
async def test_a_link_that_is_none_is_named_and_nothing_is_looked_for(
    link: str, name: str, words: str, tmp_path: Path
) -> None:
    done = await own(tmp_path, "join", link)
    assert (done.code, name in done.err, words in done.err, "Traceback" in done.err) == (2, True, True, False), done.err


@pytest.mark.slow
async def test_what_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    done = await own(tmp_path, "invite", "Bert", "--qr")
    *code, link = done.out.decode().splitlines()
    (tmp_path / "invitation.txt").write_text(f"Open this with Grapevine:\n{link}\n")
    mine = await own(tmp_path, "join", str(tmp_path / "invitation.txt"))
    assert "ERR_INVITATION_OWN" in mine.err  # so it was read
    assert (done.code, len(code) > 10) == (0, True)
    for wrong, name in (
        (link[:-1], "ERR_LINK_CUT"),
        (link * 2, "ERR_LINK_DOUBLED"),
        ("https://a.b", "ERR_LINK_FOREIGN"),
    ):
        done = await own(tmp_path, "join", wrong)
        assert (done.code, name in done.err, "Traceback" in done.err) == (2, True, False)
    mine = await own(tmp_path, "join", link, "--bootstrap", "")
    assert (mine.code, "ERR_INVITATION_OWN" in mine.err) == (1, True)
    assert (await own(tmp_path, "invite", "Bert", "--once", "--uses", "3")).code == 2
    assert (await own(tmp_path, "invite", "Bert", "--days", "0")).code == 2
    unknown = await own(tmp_path, "invitations", "withdraw", "9")
    assert (unknown.code, "ERR_INVITATION_UNKNOWN" in unknown.err) == (1, True)
    book = tmp_path / "grapevine" / "default.invitations.json"
    assert link.removeprefix("grapevine:i/")[60:80] not in book.read_text()
    book.write_text("{")
    for command in (["invite", "Bert"], ["invitations", "withdraw", "1"]):
        refused = await own(tmp_path, *command)
        assert (refused.code, "invitations reset" in refused.err) == (1, True)
    assert "cannot be used" in (await own(tmp_path, "invitations")).err
    assert b"is kept as" in (await own(tmp_path, "invitations", "reset")).out
    assert (await own(tmp_path, "invitations")).out == b"you have invited nobody yet\n"


async def test_people_are_listed_named_and_removed(tmp_path: Path) -> None:
    who = (await own(tmp_path / "other", "id")).out.decode().strip()
    assert (await own(tmp_path, "people")).out == b"nobody is known yet\n"
    await own(tmp_path, "trust", "add", who, "--name", "Bert", "--service", "photos")
    assert (await own(tmp_path, "people", "name", "bert", "Bertie B")).code == 0
    listed = told(await own(tmp_path, "people", "--json"))["peers"]
    assert isinstance(listed, list)
    assert [(row["name"], row["services"]) for row in listed] == [("Bertie B", ["photos"])]
    nobody = await own(tmp_path, "people", "remove", "Carl")
    assert (nobody.code, "ERR_PEER_UNKNOWN" in nobody.err) == (3, True)
    assert (await own(tmp_path, "people", "remove", who)).code == 0
    assert (await own(tmp_path, "people")).out == b"nobody is known yet\n"
