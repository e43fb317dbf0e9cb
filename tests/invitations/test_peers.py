"""Two whole peers on loopback around one grape: one invites, the other joins, and who may not does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import LocalError, PeerError, RefusedError, RequestTimeout
from core.identity.identity import Identity
from core.invitations.inviter import Inviter
from core.invitations.link import Link
from core.invitations.proof import Terms, prove, verifier
from core.invitations.talk import JOIN, Ask, Hello, Offer, pack_ask, pack_hello, parse_nonce
from core.invitations.tries import PER_PEER
from core.news.events import RequestServed
from core.news.joins import InvitationAccepted, JoinProgress
from core.peer import Peer, PeerConfig, open_peer
from core.peer_id import PeerId
from core.trust.entries import EVERY, KnownPeer
from core.tunnel.stream import ByteStream
from core.wire.stream_opening import INVITATION, parse_details
from tests.peer.ears import Ears
from tests.peer.test_by_id import grape, look
from tests.secure.sides import ANNA, BERT, MALLORY
from tests.support.process import until

pytestmark = pytest.mark.asyncio
PHOTOS = frozenset({"photos"})
DOES_NOT_HOLD = "does not hold"


@asynccontextmanager
async def whole(identity: Identity, url: str, folder: Path | None = None) -> AsyncIterator[tuple[Peer, Ears]]:
    """Open a peer; what it keeps is in a folder of its own."""
    ears = Ears()
    config = PeerConfig(grapes=(url,), dht_port=0, api_port=0, bind="127.0.0.1", identity=identity)
    if folder is not None:
        config = replace(config, trust_file=folder / "t.trust.json", invitations_file=folder / "t.invitations.json")
    async with open_peer(config, ears) as opened:
        yield opened, ears


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Peer, Ears, Peer, Ears, str]]:
    """Anna, who invites, and Bert; strangers to each other around one grape."""
    async with (
        grape() as (opened, _),
        whole(ANNA, opened.url) as (anna, heard),
        whole(BERT, opened.url) as (bert, ears),
    ):
        yield anna, heard, bert, ears, opened.url


def known(peer: Peer) -> dict[PeerId, tuple[str, frozenset[str]]]:
    return {each.peer_id: (each.name, each.services) for each in peer.known_peers() if not each.blocked}


async def refused(peer: Peer, link: object) -> None:
    with pytest.raises(RefusedError, match=DOES_NOT_HOLD) as caught:
        await peer.join(str(link), timeout=60.0)
    assert caught.value.name == "ERR_INVITATION"
    assert known(peer) == {}


async def test_a_link_makes_two_strangers_know_each_other_for_what_was_named() -> None:
    async with two() as (anna, heard, bert, ears, url):
        link, row = await anna.invite("Bert", PHOTOS, called="Anna")
        assert (row.state, row.number, anna.invitations()) == ("open", 1, (row,))
        assert await bert.look_at_invitation(str(link), timeout=60.0) == Offer("Anna", ("photos",))
        assert (known(anna), known(bert), anna.invitations()) == ({}, {}, (row,))
        joined = await bert.join(str(link).upper(), timeout=60.0)
        assert joined == (ANNA.peer_id, "Anna", ("photos",))
        assert known(anna) == {BERT.peer_id: ("Bert", PHOTOS)}
        assert known(bert) == {ANNA.peer_id: ("Anna", frozenset())}
        told = await heard.hear(InvitationAccepted)
        assert (told.number, told.peer_id, told.name, told.services) == (1, BERT.peer_id, "Bert", ("photos",))
        (after,) = anna.snapshot().invitations.rows
        assert (after.state, [who for who, _ in after.joined]) == ("accepted", [BERT.peer_id])
        stages = [event.stage for event in ears.of(JoinProgress) if event.stage != "waiting"]
        assert stages[-5:] == ["looking", "found", "opening", "connected", "accepted"]
        assert heard.of(RequestServed) == []  # joining is no use of a share

        async def gone() -> bool:
            return await look(url, ANNA) is None

        await until(gone, "who waits for nobody is found by nobody")


async def test_a_spent_link_is_worth_nothing_to_another_and_the_same_to_who_used_it() -> None:
    async with two() as (anna, _, bert, _, url), whole(MALLORY, url) as (mallory, _):
        await anna.invite("nobody yet")  # keeps her there to be found
        link, _ = await anna.invite("Bert", PHOTOS)
        await bert.join(str(link), name="Anna B", timeout=60.0)
        await refused(mallory, link)
        assert (await bert.join(str(link), timeout=60.0)).name == "Anna B"  # its answer might have been lost
        assert len(known(anna)) == 1
        await anna.untrust(BERT.peer_id)
        with pytest.raises(RefusedError, match=DOES_NOT_HOLD):  # not a second time into the list
            await bert.join(str(link), timeout=60.0)
        assert known(anna) == {}


async def test_wrong_expired_and_withdrawn_links_get_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two() as (anna, _, bert, _, _):
        await anna.invite("nobody yet")
        withdrawn, row = await anna.invite("Bert", PHOTOS)
        assert (await anna.withdraw(row.number)).state == "withdrawn"
        expired, _ = await anna.invite("Bert", PHOTOS, days=1e-9)
        for link in (withdrawn, expired, Link(ANNA.peer_id, bytes(16))):
            await refused(bert, link)
        assert known(anna) == {}


async def test_a_link_that_two_open_at_once_lets_in_one() -> None:
    async with two() as (anna, _, bert, _, url), whole(MALLORY, url) as (mallory, _):
        await anna.invite("nobody yet")
        link, _ = await anna.invite("Bert", PHOTOS)
        outcomes = await asyncio.gather(
            *(each.join(str(link), timeout=60.0) for each in (bert, mallory)), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in outcomes) == ["Joined", "RefusedError"]
        assert len(known(anna)) == 1


async def test_a_secret_with_the_peer_id_of_somebody_else_opens_nothing_at_either() -> None:
    async with two() as (anna, _, bert, _, url), whole(MALLORY, url) as (mallory, _):
        await mallory.invite("nobody yet")
        link, row = await anna.invite("Bert", PHOTOS)
        await refused(bert, Link(MALLORY.peer_id, link.secret))
        assert (known(anna), known(mallory), anna.invitations()) == ({}, {}, (row,))
        assert (await bert.join(str(link), timeout=60.0)).services == ("photos",), "the right one holds all the same"


async def test_an_invitation_for_two_gives_each_a_name_of_its_own() -> None:
    async with two() as (anna, _, bert, _, url), whole(MALLORY, url) as (mallory, _):
        link, _ = await anna.invite("Band", frozenset(), uses=2)
        await bert.join(str(link), timeout=60.0)
        await mallory.join(str(link), name="Anna", timeout=60.0)
        assert {name for name, _ in known(anna).values()} == {"Band", f"Band ({MALLORY.peer_id.short})"}
        assert known(bert)[ANNA.peer_id] == (ANNA.peer_id.short, frozenset())


async def test_a_friends_name_that_is_somebody_elses_is_said() -> None:
    async with two() as (anna, _, bert, ears, _):
        await bert.trust(MALLORY.peer_id, "Anna", frozenset())
        link, _ = await anna.invite("Bert", PHOTOS, called="anna")
        joined = await bert.join(str(link), timeout=60.0)
        assert joined.name == f"anna ({ANNA.peer_id.short})"
        told = await ears.hear(JoinProgress, lambda event: event.stage == "accepted")
        assert "another anna is in your list already" in told.message


async def test_two_devices_with_one_identity_are_one_peer() -> None:
    async with two() as (anna, _, bert, _, url), whole(BERT, url) as (other, _):
        await anna.invite("nobody yet")
        link, _ = await anna.invite("Bert", PHOTOS)
        for device in (bert, other):
            assert (await device.join(str(link), name="Anna", timeout=60.0)).services == ("photos",)
        assert known(anna) == {BERT.peer_id: ("Bert", PHOTOS)}


async def test_what_one_may_already_is_not_taken_away_and_a_block_holds() -> None:
    async with two() as (anna, _, bert, _, url), whole(MALLORY, url) as (mallory, _):
        await anna.trust(BERT.peer_id, "Bertie", frozenset({"ssh"}))
        await anna.block(MALLORY.peer_id)
        for_two, _ = await anna.invite("Bert", PHOTOS, uses=2)
        await bert.join(str(for_two), timeout=60.0)
        assert known(anna) == {BERT.peer_id: ("Bertie", frozenset({"ssh", "photos"}))}
        with pytest.raises(PeerError):
            await mallory.join(str(for_two), timeout=5.0)
        every, _ = await anna.invite("Bert", EVERY)
        await bert.join(str(every), timeout=60.0)
        assert known(anna) == {BERT.peer_id: ("Bertie", EVERY)}


async def test_an_inviter_that_is_away_is_waited_for(tmp_path: Path) -> None:
    async with grape() as (opened, _), whole(BERT, opened.url) as (bert, ears):
        async with whole(ANNA, opened.url, tmp_path) as (anna, _):
            link, _ = await anna.invite("Bert", PHOTOS)
        with pytest.raises(RequestTimeout, match="away"):
            await bert.join(str(link), timeout=2.0)
        async with asyncio.TaskGroup() as tasks:
            joining = tasks.create_task(bert.join(str(link), timeout=90.0))
            told = await ears.hear(JoinProgress, lambda event: event.stage == "waiting")
            assert "goes on when it is there" in told.message
            async with whole(ANNA, opened.url, tmp_path) as (anna, _):
                await joining
                assert known(anna) == {BERT.peer_id: ("Bert", PHOTOS)}


async def test_a_peer_that_is_killed_between_spending_and_trusting_loses_and_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(self: Inviter, *_: object) -> None:
        raise LocalError("killed -9 here")

    async with grape() as (opened, _), whole(BERT, opened.url) as (bert, _), whole(MALLORY, opened.url) as (eve, _):
        with monkeypatch.context() as patch:
            patch.setattr(Inviter, "_befriend", killed)
            async with whole(ANNA, opened.url, tmp_path) as (anna, _):
                await anna.invite("nobody yet")
                link, _ = await anna.invite("Bert", PHOTOS)
                with pytest.raises(RequestTimeout, match="try again later"):
                    await bert.join(str(link), timeout=5.0)
                await refused(eve, link)  # it is spent all the same
                assert known(anna) == {}
        async with whole(ANNA, opened.url, tmp_path) as (anna, _):
            assert known(anna) == {BERT.peer_id: ("Bert", PHOTOS)}
            await refused(eve, link)
            await bert.join(str(link), timeout=60.0)
        async with whole(ANNA, opened.url, tmp_path) as (anna, _):
            await anna.untrust(BERT.peer_id)
        async with whole(ANNA, opened.url, tmp_path) as (anna, _):
            assert known(anna) == {}  # what is settled is not done again


async def stream(peer: Peer, link: Link, nonce: bytes = bytes(16)) -> tuple[ByteStream, bytes]:
    opened = await peer.open_stream(link.peer_id, INVITATION, pack_hello(Hello(verifier(link), nonce)), timeout=60.0)
    return opened, parse_nonce(parse_details(await opened.accepted()))


async def found(url: str, who: Identity) -> None:
    async def there() -> bool:
        return await look(url, who) is not None

    await until(there, "the record is on the grapes")


async def test_a_proof_is_worth_nothing_relayed_or_replayed() -> None:
    """Mallory has seen what Bert signs, and even Bert's number, but neither the link nor Bert's key."""
    async with two() as (anna, _, bert, _, url), whole(MALLORY, url) as (mallory, _):
        await anna.invite("nobody yet")
        link, _ = await anna.invite("Bert", PHOTOS)
        await found(url, ANNA)
        ours, number = await stream(bert, link)
        terms = Terms(ANNA.peer_id, BERT.peer_id, JOIN, ours.binding, number, bytes(16))
        assert len(ours.binding) == 32
        ours.reset()
        theirs, number = await stream(mallory, link)
        assert theirs.binding != ours.binding  # each session has its own
        again, other = await stream(bert, link)
        assert (other != number, again.binding) == (True, ours.binding)  # a stream of the same session
        wrong = (
            (theirs, terms._replace(inviters=number, binding=theirs.binding)),  # relayed by another peer
            (again, terms),  # replayed
        )
        for opened, said in wrong:
            await opened.write(pack_ask(Ask(JOIN, prove(link, said))))
            opened.end()
            with pytest.raises(PeerError, match=DOES_NOT_HOLD):
                await opened.read()
        last, number = await stream(bert, link)
        other_session = terms._replace(inviters=number, binding=theirs.binding)
        await last.write(pack_ask(Ask(JOIN, prove(link, other_session))))  # right in all but the session
        last.end()
        with pytest.raises(PeerError, match=DOES_NOT_HOLD):
            await last.read()
        right, number = await stream(bert, link)
        await right.write(pack_ask(Ask(JOIN, prove(link, terms._replace(inviters=number)))))
        right.end()
        assert b"photos" in await right.read()  # and right in all
        assert set(known(anna)) == {BERT.peer_id}


async def test_guessing_and_nonsense_cost_tries_and_harm_nobody() -> None:
    async with two() as (anna, _, bert, _, url), whole(MALLORY, url) as (mallory, _):
        link, _ = await anna.invite("Bert", PHOTOS)
        await found(url, ANNA)
        answers: list[str] = []
        for number in range(int(PER_PEER[1]) + 3):
            wrong = replace(link, secret=number.to_bytes(16, "big"))
            try:
                tried, _ = await stream(mallory, wrong)
                await tried.write(b"[" * 2000 if number % 2 else pack_ask(Ask(JOIN, bytes(64))))
                tried.end()
                await tried.read()
            except PeerError as error:
                answers.append(error.name)
        assert set(answers[: int(PER_PEER[1])]) <= {"ERR_INVITATION", "ERR_REMOTE", "ERR_INTERNAL"}
        assert answers[-1] == "ERR_RATE_LIMITED"
        with pytest.raises(PeerError):
            await mallory.open_stream(ANNA.peer_id, INVITATION, {"k": "zz"}, timeout=10.0)
        assert known(anna) == {}
        await bert.join(str(link), timeout=60.0)


async def test_ones_own_link_and_one_of_somebody_blocked_are_refused_here() -> None:
    async with two() as (anna, _, bert, _, _):
        link, _ = await anna.invite("Bert", PHOTOS)
        with pytest.raises(LocalError, match="of your own"):
            await anna.join(str(link))
        await bert.block(ANNA.peer_id)
        with pytest.raises(LocalError, match="blocked"):
            await bert.join(str(link))
        with pytest.raises(LocalError, match="begins with"):
            await bert.join("https://example.com")
        assert [each for each in bert.known_peers() if not each.blocked] == []


async def test_a_name_that_somebody_else_has_is_told_apart() -> None:
    async with two() as (anna, _, bert, _, _):
        await bert.trust(MALLORY.peer_id, "anna")
        link, _ = await anna.invite("Bert", PHOTOS, called="Anna")
        assert (await bert.join(str(link), timeout=60.0)).name == f"Anna ({ANNA.peer_id.short})"
        row = KnownPeer(ANNA.peer_id, "", 0.0)
        assert row.peer_id in known(bert)
