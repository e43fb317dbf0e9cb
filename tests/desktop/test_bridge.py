"""The bridge batches, loses nothing, counts what it drops, and carries out what the user wants, now or later."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PySide6.QtWidgets import QApplication

from core.errors import LocalError, RequestTimeout
from core.news.events import ErrorRaised, GrapeChanged, PeerEvent, PeerSnapshot, PunchSent
from core.values import Address
from desktop.bridge import BACKLOG, CLOSED, MAX_REQUESTS, Bridge, RequestOutcome, Wish
from tests.desktop.core_double import ADDRESS, CONNECTED, FIBONACCI, STARTING, ScriptedPeer, row
from tests.desktop.polling import until

SHARE = Wish("fibonacci", share=True)
PEER = Address("192.0.2.7", 7000)


class Watched:
    """A bridge, and everything it said."""

    def __init__(self) -> None:
        self.bridge = Bridge()
        self.snapshots: list[PeerSnapshot] = []
        self.batches: list[tuple[float, tuple[PeerEvent, ...]]] = []
        self.outcomes: list[RequestOutcome] = []
        self.failures: list[str] = []
        self.order: list[str] = []
        self.bridge.snapshot_changed.connect(self._on_snapshot)
        self.bridge.events_arrived.connect(self._on_events)
        self.bridge.request_finished.connect(self.outcomes.append)
        self.bridge.failed.connect(self.failures.append)

    def _on_snapshot(self, snapshot: PeerSnapshot) -> None:
        self.snapshots.append(snapshot)
        self.order.append("snapshot")

    def _on_events(self, events: tuple[PeerEvent, ...]) -> None:
        self.batches.append((asyncio.get_running_loop().time(), events))
        self.order.append("events")

    @property
    def events(self) -> list[PeerEvent]:
        return [event for _, batch in self.batches for event in batch]

    @property
    def sharing(self) -> bool:
        return self.snapshots[-1].services[0].sharing


@pytest_asyncio.fixture
async def watched(qapp: QApplication) -> AsyncIterator[Watched]:
    watched = Watched()
    yield watched
    await watched.bridge.aclose()


@pytest_asyncio.fixture
async def peer(watched: Watched) -> ScriptedPeer:
    return ScriptedPeer()


def attach(watched: Watched, peer: ScriptedPeer) -> None:
    watched.bridge.attach(peer)  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_a_burst_becomes_few_batches_and_its_end_is_not_lost(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    sent: list[PeerEvent] = []
    for index in range(300):
        sent.append(PunchSent(float(index), PEER))
        peer.emit(sent[-1])
        if index % 10 == 0:
            await asyncio.sleep(0.01)
    await until(lambda: len(watched.events) == len(sent))
    assert watched.events == sent
    times = [at for at, _ in watched.batches]
    assert min(later - sooner for sooner, later in itertools.pairwise(times)) >= 0.095
    assert len(watched.batches) < 20
    assert not watched.bridge.waiting()  # no timer runs while nothing is pending


@pytest.mark.asyncio
async def test_a_single_event_is_not_kept_waiting(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    await until(lambda: watched.snapshots)
    await asyncio.sleep(0.1)
    started = asyncio.get_running_loop().time()
    peer.emit(PunchSent(1.0, PEER))
    await until(lambda: watched.batches)
    assert watched.batches[0][0] - started < 0.08


@pytest.mark.asyncio
async def test_the_backlog_is_bounded_and_the_loss_is_said(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    peer.emit(*(PunchSent(float(index), PEER) for index in range(BACKLOG + 7)))
    await until(lambda: watched.batches)
    batch = watched.batches[0][1]
    assert len(batch) == BACKLOG + 1
    assert isinstance(batch[0], ErrorRaised)
    assert "7 earlier events" in batch[0].message
    assert batch[1].at == 7.0
    assert batch[-1].at == BACKLOG + 6.0
    assert watched.bridge.dropped_total() == 7
    peer.emit(PunchSent(0.0, PEER))
    await until(lambda: len(watched.batches) == 2)
    assert len(watched.batches[1][1]) == 1  # said once


@pytest.mark.asyncio
async def test_a_snapshot_comes_before_its_events_and_only_when_it_changed(
    watched: Watched, peer: ScriptedPeer
) -> None:
    attach(watched, peer)
    await until(lambda: watched.snapshots)
    watched.order.clear()
    peer.become(peers=(row(7000),))
    peer.emit(PunchSent(1.0, PEER))
    await until(lambda: watched.batches)
    assert watched.order == ["snapshot", "events"]
    peer.emit(PunchSent(2.0, PEER))
    await until(lambda: len(watched.batches) == 2)
    assert watched.order == ["snapshot", "events", "events"]
    assert watched.bridge.snapshot() == watched.snapshots[-1] == peer.state


@pytest.mark.asyncio
async def test_a_snapshot_and_its_events_are_told_in_turns_of_their_own(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    await until(lambda: watched.snapshots and not watched.bridge.waiting())
    watched.order.clear()
    peer.become(peers=(row(7000),))
    peer.emit(PunchSent(1.0, PEER))
    watched.bridge._feed.flush()
    assert watched.order == ["snapshot"]
    assert watched.bridge.waiting()
    await until(lambda: watched.batches)
    assert watched.order == ["snapshot", "events"]


@pytest.mark.asyncio
async def test_a_switch_acts_and_the_snapshot_follows(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    watched.bridge.set_sharing("fibonacci", True)
    watched.bridge.set_consuming("fibonacci", True)
    await until(lambda: watched.snapshots and watched.sharing and watched.snapshots[-1].services[0].consuming)
    watched.bridge.set_sharing("fibonacci", False)
    watched.bridge.set_consuming("fibonacci", False)
    await until(lambda: not watched.sharing and not watched.snapshots[-1].services[0].consuming)
    acts = [f"{verb} fibonacci" for verb in ("consume", "share", "stop consuming", "unshare")]
    assert sorted(peer.calls) == acts


@pytest.mark.asyncio
async def test_a_switch_that_cannot_be_turned_goes_back(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    await until(lambda: watched.snapshots)
    seen = len(watched.snapshots)
    peer.refusal = LocalError("port 4 is in use")
    watched.bridge.set_sharing("fibonacci", True)
    await until(lambda: watched.failures)
    assert watched.failures == ["port 4 is in use"]
    await until(lambda: len(watched.snapshots) > seen)  # although nothing changed
    assert not watched.sharing
    assert watched.bridge.wanted()[SHARE] is False


@pytest.mark.asyncio
async def test_a_switch_turned_back_and_forth_ends_as_it_was_left(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    peer.gate.clear()
    for on in (True, False, True, False, True, False):
        watched.bridge.set_sharing("fibonacci", on)
        await asyncio.sleep(0)
    await until(lambda: peer.calls)
    assert peer.calls == ["share fibonacci"]  # one act at a time
    peer.gate.set()
    await until(lambda: peer.calls == ["share fibonacci", "unshare fibonacci"])
    await until(lambda: not peer.state.services[0].sharing)


@pytest.mark.asyncio
async def test_wishes_made_before_there_is_a_peer_show_and_are_carried_out(
    watched: Watched, peer: ScriptedPeer
) -> None:
    watched.bridge.stand_in(STARTING, (FIBONACCI,))
    watched.bridge.set_sharing("fibonacci", True)
    assert [each.services[0].sharing for each in watched.snapshots] == [False, True]
    attach(watched, peer)
    await until(lambda: peer.state.services[0].sharing)
    assert peer.calls == ["share fibonacci"]


@pytest.mark.asyncio
async def test_wishes_survive_another_peer_and_revisions_go_on_rising(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    watched.bridge.set_sharing("fibonacci", True)
    watched.bridge.set_consuming("fibonacci", True)
    await until(lambda: watched.snapshots and watched.sharing)
    peer.become(revision=50)
    peer.emit(PunchSent(1.0, PEER))
    await watched.bridge.detach()
    watched.bridge.set_consuming("fibonacci", False)
    watched.bridge.stand_in(STARTING)
    assert watched.sharing  # the switch stays on
    assert watched.snapshots[-1].services[0].announced_nodes == 0
    assert watched.snapshots[-1].address is None
    second = ScriptedPeer()
    attach(watched, second)
    await until(lambda: watched.snapshots[-1].address == ADDRESS and watched.sharing)
    assert second.calls == ["share fibonacci"]
    revisions = [snapshot.revision for snapshot in watched.snapshots]
    assert revisions == sorted(revisions)
    assert len(set(revisions)) == len(revisions)


@pytest.mark.asyncio
async def test_a_detached_peer_is_not_heard_and_its_acts_end(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    peer.gate.clear()
    watched.bridge.set_sharing("fibonacci", True)
    await until(lambda: peer.calls)
    await watched.bridge.detach()
    peer.emit(PunchSent(1.0, PEER))
    await asyncio.sleep(0.15)
    assert not watched.events
    assert watched.failures == []
    second = ScriptedPeer()
    attach(watched, second)
    await until(lambda: second.calls == ["share fibonacci"])


@pytest.mark.asyncio
async def test_a_second_peer_at_a_time_is_refused(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    with pytest.raises(LocalError, match="detach"):
        attach(watched, ScriptedPeer())


@pytest.mark.asyncio
async def test_what_is_told_while_a_peer_opens_reaches_the_window(watched: Watched) -> None:
    watched.bridge.stand_in(STARTING, (FIBONACCI,))
    watched.bridge.hear(GrapeChanged(1.0, CONNECTED))
    await until(lambda: watched.batches)
    assert watched.snapshots[-1].grape == CONNECTED
    assert watched.snapshots[-1].services == (FIBONACCI,)


@pytest.mark.asyncio
async def test_a_request_ends_in_a_reply_an_error_or_a_word(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    big = 2**80  # more than Qt's int
    ticket = watched.bridge.send_request("fibonacci", {"length": big}, 3.0)
    assert not watched.outcomes  # never before the ticket is known
    await until(lambda: watched.outcomes)
    outcome = watched.outcomes[0]
    assert (outcome.ticket, outcome.target, outcome.error) == (ticket, "fibonacci", None)
    assert outcome.reply is not None
    assert outcome.reply.data == {"length": big}
    assert peer.calls == [f"request fibonacci {{'length': {big}}} 3.0"]
    peer.refusal = RequestTimeout("no answer within 3 s")
    second = watched.bridge.send_request("192.0.2.7:7000", 1, 3.0)
    await until(lambda: len(watched.outcomes) == 2)
    assert second != ticket
    assert watched.outcomes[1].reply is None
    assert watched.outcomes[1].error == "ERR_TIMEOUT: no answer within 3 s"


@pytest.mark.asyncio
async def test_requests_without_a_peer_or_too_many_end_at_once(watched: Watched, peer: ScriptedPeer) -> None:
    watched.bridge.send_request("fibonacci", None, 3.0)
    await until(lambda: watched.outcomes)
    assert "not open yet" in str(watched.outcomes[0].error)
    attach(watched, peer)
    peer.gate.clear()
    for _ in range(MAX_REQUESTS + 1):
        watched.bridge.send_request("fibonacci", None, 3.0)
    await until(lambda: len(watched.outcomes) == 2)
    assert "under way already" in str(watched.outcomes[1].error)
    await until(lambda: len(peer.calls) == MAX_REQUESTS)
    await watched.bridge.detach()
    assert len(watched.outcomes) == MAX_REQUESTS + 2
    assert {outcome.error for outcome in watched.outcomes[2:]} == {CLOSED}


@pytest.mark.asyncio
async def test_a_request_cancelled_before_its_first_step_still_ends(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    watched.bridge.send_request("fibonacci", None, 3.0)
    watched.bridge.set_sharing("fibonacci", True)
    await watched.bridge.detach()
    assert [outcome.error for outcome in watched.outcomes] == [CLOSED]
    second = ScriptedPeer()
    attach(watched, second)
    await until(lambda: second.calls == ["share fibonacci"])


@pytest.mark.asyncio
async def test_closing_delivers_what_is_pending_and_may_come_twice(watched: Watched, peer: ScriptedPeer) -> None:
    attach(watched, peer)
    await until(lambda: watched.snapshots)
    peer.emit(PunchSent(1.0, PEER), PunchSent(2.0, PEER))
    await watched.bridge.aclose()
    assert [event.at for event in watched.events] == [1.0, 2.0]
    await watched.bridge.aclose()
    watched.bridge.set_sharing("fibonacci", True)  # a late click
    assert not watched.bridge.waiting()


@pytest.mark.asyncio
async def test_a_key_is_tried_again_by_the_peer_that_is_open(watched: Watched, peer: ScriptedPeer) -> None:
    watched.bridge.retry_identity()
    assert watched.failures == ["The peer is not open yet. Try again in a moment."]
    attach(watched, peer)
    watched.bridge.retry_identity()
    await until(lambda: peer.calls == ["retry identity"])


@pytest.mark.asyncio
async def test_a_switch_that_the_user_turned_is_told(watched: Watched, peer: ScriptedPeer) -> None:
    told: list[tuple[object, bool]] = []
    watched.bridge.wished.connect(lambda wish, on: told.append((wish, on)))
    watched.bridge.set_sharing("fibonacci", True)
    watched.bridge.set_consuming("fibonacci", False)
    assert told == [(SHARE, True), (Wish("fibonacci", share=False), False)]
