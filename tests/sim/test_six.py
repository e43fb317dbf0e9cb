"""Pairs with IPv6 in the simulated Internet: what two firewalls need, and what a pair with one of them does not."""

import pytest

from core.punch.events import PunchFinished, PunchHeard
from core.punch.meeting import MeetingEnded, Meetings
from core.punch.puncher import Puncher
from core.values import Address
from tests.natlab.kinds import LAYERS, Kind
from tests.sim.kinds import FlowTable
from tests.sim.link import Link
from tests.sim.world import Host, World

PORT = 40000
ANNA, BERT = "2001:db8:1::5", "2001:db8:2::5"
SEEDS = range(20)


class SixPeer:
    """A peer that is met without openers, as `core.rendezvous.introductions` has it for IPv6."""

    def __init__(self, world: World, host: str, *, firewall: bool) -> None:
        self.world = world
        self.meetings, self.puncher = Meetings(), Puncher()
        self.ended: list[MeetingEnded] = []
        self._timer = -1.0
        at: Host
        if firewall:
            # a firewall lets in what a router of this kind does, and the port is the inside's
            at = world.nat(host, FlowTable(LAYERS[Kind.FIREWALL][0], world.random)).host(f"fd00::{host[-1]}")
        else:
            at = world.host(host)
        self.socket = at.socket(PORT, self.puncher, on_event=self._on_event)

    def meet(self, other: str, at: float) -> None:
        """Be told of the other at this time."""

        def told(now: float) -> None:
            self.meetings.meet(Address(other, PORT), now, near=True)
            self._act(now)

        self.world.at(at, told)

    def open_at(self) -> float | None:
        """Return after how many seconds the way was open both ways; None: it is not."""
        return next((each.seconds for each in self.ended if each.confirmed), None)

    def _on_event(self, event: object) -> None:
        now = self.world.now
        if isinstance(event, PunchHeard):
            self.meetings.heard(event.remote, now)
        elif isinstance(event, PunchFinished) and event.confirmed:
            self.meetings.reached(event.remote, now)
        self._act(now)

    def _act(self, now: float) -> None:
        for order in self.meetings.orders():
            assert order.openers == 0
            self.puncher.punch(order.remote, now, packets=order.packets)
        self.ended += self.meetings.outcomes()
        if not self.socket._flushing:
            self.socket.flush()
        due = self.meetings.deadline()
        if due is not None and (self._timer <= now or due < self._timer):
            self._timer = max(due, now)
            self.world.at(self._timer, self._wake)

    def _wake(self, now: float) -> None:
        self._timer = now
        self.meetings.tick(now)
        self._act(now)


def pair(seed: int, *, loss: float = 0.0, anna: bool = True, bert: bool = True) -> tuple[World, SixPeer, SixPeer]:
    world = World(seed, Link(delay=0.04, loss=loss))
    return world, SixPeer(world, ANNA, firewall=anna), SixPeer(world, BERT, firewall=bert)


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("skew", [0.0, 0.15, 1.0])
@pytest.mark.parametrize(("anna", "bert"), [(True, True), (True, False), (False, True), (False, False)])
def test_who_is_told_on_both_sides_meets(loss: float, skew: float, anna: bool, bert: bool) -> None:
    for seed in SEEDS:
        world, hers, his = pair(seed, loss=loss, anna=anna, bert=bert)
        hers.meet(BERT, 1.0)
        his.meet(ANNA, 1.0 + skew)
        world.run(until=6.0)
        met = (hers.open_at(), his.open_at())
        assert None not in met, (seed, met)
        assert max(each for each in met if each is not None) <= skew + (0.2 if not loss else 1.5)


def test_two_firewalls_are_not_opened_from_one_side() -> None:
    world, hers, his = pair(1)
    hers.meet(BERT, 1.0)
    world.run(until=6.0)
    assert [each.open for each in hers.ended] == [False]
    assert his.puncher.statistics().punches_heard == 0
