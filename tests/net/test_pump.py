"""The pump on a hand-moved clock: order, one timer, early timers, grouping, and failures that cost nothing else."""

import pytest

from core.net.pump import FLUSH_SECONDS, REPORTS_MAX, ROUNDS_MAX, TIMER_FLOOR, Pump, Route
from core.values import Buffer, Burst
from tests.net.fakes import A, B, FakeLoop, FakeMachine


class Rig:
    """A pump with two machines: datagrams starting with `1` and `2` are theirs."""

    def __init__(self, *, early: float = 0.0) -> None:
        self.loop = FakeLoop(early=early)
        self.one, self.two = FakeMachine(), FakeMachine()
        self.sent: list[Burst] = []
        self.heard: list[object] = []
        self.sources: list[object] = []
        self.first = Route(self.one, self.heard.append, lambda source, now: self.sources.append(source))
        self.second = Route(self.two, self.heard.append)
        self.pump = Pump(self.sent.append, self.classify, loop=self.loop.as_loop())
        self.pump.add(self.first)
        self.pump.add(self.second)

    def classify(self, datagram: Buffer) -> Route[str] | None:
        return {b"1": self.first, b"2": self.second}.get(bytes(datagram[:1]))

    def ticks(self) -> list[object]:
        return [entry[1] for entry in self.one.log if entry[0] == "tick"]


def test_runs_of_one_source_and_machine_arrive_in_one_call_and_strangers_are_counted() -> None:
    rig = Rig()
    rig.pump.receive([(A, [b"1a", b"1b", b"2c", b"x", b"", b"1d"]), (B, [b"1e"])])
    assert rig.one.log == [
        ("receive", [b"1a", b"1b"], A, 100.0),
        ("receive", [b"1d"], A, 100.0),
        ("receive", [b"1e"], B, 100.0),
    ]
    assert rig.two.log == [("receive", [b"2c"], A, 100.0)]
    assert rig.pump.dropped_unknown == 2
    assert rig.sources == [A, A, B]


def test_after_input_come_events_then_transmit_then_the_timer() -> None:
    rig = Rig()
    order: list[object] = []
    ack, answer = Burst(A, [b"ack"]), Burst(A, [b"answer"])

    def on_event(event: str) -> None:
        order.append((event, list(rig.sent), rig.loop.pending()))
        rig.one.outgoing.append(answer)
        rig.pump.flush()

    def on_receive() -> None:
        rig.one.outgoing.append(ack)
        rig.one.happened.append("opened")

    rig.first.on_event = on_event
    rig.one.on_receive = on_receive
    rig.one.at = 105.0
    rig.pump.receive([(A, [b"1"])])
    assert order == [("opened", [], [])]
    assert rig.sent == [ack, answer]
    assert [entry[0] for entry in rig.one.log] == ["receive", "transmit"]  # both left in one
    assert rig.loop.pending() == [105.0]


def test_one_timer_rearmed_only_when_the_deadline_moves_earlier() -> None:
    rig = Rig()
    rig.one.at, rig.two.at = 130.0, 140.0
    for step in range(1000):
        rig.one.at = 130.0 + step
        rig.pump.flush()
    assert len(rig.loop.timers) == 1  # cancelled ones included: on Qt's loop they live on
    rig.two.at = 110.0
    rig.pump.flush()
    assert rig.loop.pending() == [110.0]


def test_a_timer_that_fires_for_an_old_deadline_looks_again() -> None:
    rig = Rig()
    rig.one.at = 101.0
    rig.pump.flush()
    rig.one.at = 150.0
    rig.loop.fire()
    assert rig.loop.pending() == [150.0]
    rig.one.on_tick = lambda now: setattr(rig.one, "at", None)
    rig.loop.fire()
    assert rig.loop.pending() == []
    assert rig.ticks() == [101.0, 150.0]


@pytest.mark.parametrize("early", [0.0007, 0.025])
def test_a_timer_that_fires_early_counts_as_on_time_and_the_clock_never_goes_back(early: float) -> None:
    rig = Rig(early=early)
    rig.one.at = 100.5
    rig.pump.flush()
    rig.one.on_tick = lambda now: setattr(rig.one, "at", None if now >= 100.5 else 100.5)
    rig.loop.fire()
    assert rig.loop.clock < 100.5
    assert rig.ticks() == [100.5]  # once, and not short of the deadline
    assert rig.loop.pending() == []
    assert rig.pump.now() == 100.5
    rig.loop.clock = 100.6
    assert rig.pump.now() == 100.6


def test_a_deadline_that_stays_in_the_past_does_not_spin() -> None:
    rig = Rig()
    rig.one.at = 99.0
    rig.pump.flush()
    rig.pump.flush()
    assert rig.loop.pending() == [100.0 + TIMER_FLOOR]
    rig.loop.fire()
    assert rig.loop.pending() == [pytest.approx(100.0 + 2 * TIMER_FLOOR)]


def test_a_callback_may_flush_and_its_events_come_after_the_ones_at_hand() -> None:
    rig = Rig()

    def on_event(event: str) -> None:
        rig.heard.append(event)
        if event == "a":
            rig.one.outgoing.append(Burst(A, [b"answer"]))
            rig.one.happened.append("c")
            rig.pump.flush()
            assert rig.sent == []

    rig.first.on_event = on_event
    rig.one.happened = ["a", "b"]
    rig.pump.flush()
    assert rig.heard == ["a", "b", "c"]
    assert rig.sent == [Burst(A, [b"answer"])]


def test_what_a_callback_wrote_leaves_even_when_nothing_else_happens() -> None:
    rig = Rig()

    def answer(event: str) -> None:
        rig.one.outgoing.append(Burst(B, [b"x"]))
        rig.pump.flush()

    rig.second.on_event = answer
    rig.two.happened = ["go"]
    rig.pump.flush()
    assert rig.sent == [Burst(B, [b"x"])]


def test_callbacks_that_answer_each_other_for_ever_leave_the_loop_its_turn() -> None:
    rig = Rig()
    count = 0

    def again(event: str) -> None:
        nonlocal count
        count += 1
        rig.one.happened.append("more")
        rig.pump.flush()

    rig.first.on_event = again
    rig.one.happened = ["first"]
    rig.pump.flush()
    assert count == ROUNDS_MAX
    assert len(rig.loop.soon) == 1
    rig.loop.run_soon()
    assert count == 2 * ROUNDS_MAX


def test_an_event_that_changes_nothing_costs_no_further_round() -> None:
    rig = Rig()
    rounds = 0
    events = rig.one.events

    def counted() -> list[str]:
        nonlocal rounds
        rounds += 1
        return events()

    rig.one.events = counted  # type: ignore[method-assign]
    rig.one.happened = ["a"]
    rig.pump.flush()
    assert (rig.heard, rounds) == (["a"], 1)


def test_a_machine_that_bounds_what_it_sends_goes_on_in_the_loops_next_turn() -> None:
    rig = Rig()
    left = [Burst(A, [b"2"]), Burst(A, [b"3"])]

    def transmit(now: float) -> list[Burst]:
        bursts = [left.pop(0)] if left else []
        rig.one.at = now if left else None
        return bursts

    rig.one.transmit = transmit  # type: ignore[method-assign]
    rig.pump.flush()
    assert rig.sent == [Burst(A, [b"2"])]
    rig.loop.run_soon()
    assert rig.sent == [Burst(A, [b"2"]), Burst(A, [b"3"])]
    assert rig.loop.soon == []
    rig.two.at = 99.0  # a deadline in the past, and nothing to send: the timer's business
    rig.pump.flush()
    assert rig.loop.soon == []


def test_a_flush_that_is_booked_is_not_needed_after_another() -> None:
    rig = Rig()
    rig.pump.flush_soon()
    rig.pump.flush_soon()
    assert len(rig.loop.soon) == 1
    rig.one.outgoing = [Burst(A, [b"x"])]
    rig.loop.run_soon()
    assert rig.sent == [Burst(A, [b"x"])]
    rig.pump.flush_soon()
    rig.pump.flush()
    rig.one.outgoing = [Burst(A, [b"y"])]
    rig.loop.run_soon()
    assert rig.sent == [Burst(A, [b"x"])]
    rig.pump.close()
    rig.pump.flush_soon()
    assert rig.loop.soon == []


def test_a_flush_that_takes_long_leaves_the_loop_its_turn_and_goes_on_after() -> None:
    rig = Rig()

    def slow(event: str) -> None:
        rig.heard.append(event)
        rig.loop.clock += FLUSH_SECONDS
        rig.one.happened.extend({"a": ["b"], "b": ["c"]}.get(event, []))
        rig.pump.flush()

    rig.first.on_event = slow
    rig.one.happened = ["a"]
    rig.pump.flush()
    assert rig.heard == ["a"]
    rig.loop.run_soon()
    assert rig.heard == ["a", "b"]
    for _ in range(3):
        rig.loop.run_soon()
    assert rig.heard == ["a", "b", "c"]
    assert rig.loop.soon == []


def test_a_failing_callback_or_machine_costs_that_call_only() -> None:
    rig = Rig()

    def broken(*_: object) -> None:
        raise ValueError("bug")

    rig.first.on_event = broken
    rig.one.happened = ["a"]
    rig.two.happened = ["b"]
    rig.pump.flush()
    rig.one.on_receive = broken
    rig.pump.receive([(A, [b"1", b"2"])])
    rig.one.on_tick = broken
    rig.one.at = 101.0
    rig.pump.flush()
    rig.loop.fire()
    assert rig.heard == ["b"]
    assert rig.two.log == [("receive", [b"2"], A, 100.0), ("tick", 101.0)]
    assert rig.pump.failures == 3
    assert rig.loop.reports == [
        "a callback failed on str: bug",
        f"FakeMachine failed on datagrams from {A}: bug",
        "FakeMachine failed on its timer: bug",
    ]


def test_a_machine_that_cannot_transmit_does_not_silence_the_other() -> None:
    rig = Rig()

    def broken(now: float) -> list[Burst]:
        raise ValueError("bug")

    rig.one.transmit = broken  # type: ignore[method-assign]
    rig.two.outgoing = [Burst(B, [b"x"])]
    rig.two.at = 104.0
    rig.pump.flush()
    assert rig.sent == [Burst(B, [b"x"])]
    assert rig.loop.pending() == [104.0]
    assert rig.loop.reports == ["FakeMachine failed while transmitting: bug"]


def test_a_flood_of_failures_is_counted_and_not_all_reported() -> None:
    rig = Rig()
    for _ in range(REPORTS_MAX + 30):
        rig.pump.report("x", ValueError("y"))
    assert rig.pump.failures == REPORTS_MAX + 30
    assert len(rig.loop.reports) == REPORTS_MAX


def test_a_closed_pump_does_nothing_more() -> None:
    rig = Rig()
    rig.one.at = 101.0
    rig.pump.flush()
    rig.pump.close()
    rig.pump.close()
    assert rig.loop.pending() == []
    rig.one.outgoing, rig.one.happened = [Burst(A, [b"x"])], ["a"]
    rig.pump.flush()
    rig.pump.receive([(A, [b"1"])])
    assert rig.sent == []
    assert rig.heard == []
    assert rig.one.log == []
    assert rig.loop.pending() == []


def test_a_callback_may_close_the_pump() -> None:
    rig = Rig()
    rig.first.on_event = lambda event: rig.pump.close()
    rig.one.happened, rig.one.at = ["a"], 103.0
    rig.pump.flush()
    assert rig.loop.pending() == []


def test_a_machine_that_is_idle_is_not_asked_and_one_that_is_not_any_more_is() -> None:
    rig = Rig()
    idle = True
    rig.second.idle = lambda: idle
    rig.two.outgoing, rig.two.happened, rig.two.at = [Burst(B, [b"x"])], ["b"], 101.0
    rig.pump.flush()
    assert (rig.sent, rig.heard, rig.loop.pending()) == ([], [], [])
    idle = False
    rig.pump.flush()
    assert (rig.sent, rig.heard, rig.loop.pending()) == ([Burst(B, [b"x"])], ["b"], [101.0])


def test_a_callback_hears_the_time_of_its_wake_up_and_what_leaves_the_time_it_leaves() -> None:
    rig = Rig()
    told: list[float] = []

    def on_event(event: str) -> None:
        rig.loop.clock += 0.5
        told.append(rig.pump.now())
        rig.one.outgoing.append(Burst(A, [b"out"]))

    rig.first.on_event = on_event
    rig.one.happened += ["one", "two"]
    rig.pump.receive([(A, [b"1"])])
    assert told == [100.0, 100.0]
    assert [entry[1] for entry in rig.one.log if entry[0] == "transmit"] == [101.0]
    assert rig.pump.now() == 101.0


def test_who_is_idle_is_not_asked_until_a_callback_wakes_it() -> None:
    rig = Rig()
    awake: list[bool] = []
    rig.second.idle = lambda: not awake

    def on_event(event: str) -> None:
        awake.append(True)
        rig.two.outgoing.append(Burst(B, [b"woken"]))
        rig.pump.flush()

    rig.pump.flush()
    rig.two.outgoing.append(Burst(B, [b"kept"]))
    rig.pump.flush()
    assert rig.sent == []
    rig.first.on_event = on_event
    rig.one.happened.append("now")
    rig.pump.flush()
    assert rig.sent == [Burst(B, [b"kept"]), Burst(B, [b"woken"])]
