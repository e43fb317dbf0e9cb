"""The loop's timers are precise, never early, gone when cancelled; its threads do not hold up the end."""

import asyncio
import itertools
import math
import socket
import sys
import threading
import time
from typing import Any

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QLabel

from desktop.loop import LAG_SECONDS, MAX_TIMER_MS, TURN_SECONDS, PreciseLoop
from tests.desktop.polling import until


def precise_loop() -> PreciseLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, PreciseLoop):
        raise TypeError(f"this test runs on {loop!r}")
    return loop


@pytest.mark.asyncio
@pytest.mark.parametrize("delay", [0.0004, 0.0011, 0.0019, 0.0503, 0.1009, 0.2506])
async def test_no_timer_fires_early(qapp: QApplication, delay: float) -> None:
    loop = precise_loop()
    fired: list[float] = []

    def note(when: float) -> None:
        fired.append(loop.time() - when)

    due = [loop.time() + delay + index * 0.00037 for index in range(20)]
    for when in due:
        loop.call_at(when, note, when)
    await until(lambda: len(fired) == len(due))
    assert min(fired) >= 0.0


@pytest.mark.asyncio
async def test_a_timer_that_qt_brings_early_is_armed_again(qapp: QApplication) -> None:
    loop = precise_loop()
    fired: list[float] = []
    handle = loop.call_later(0.15, lambda: fired.append(loop.time()))
    loop._timer.forget(handle.timer_id, handle)  # type: ignore[attr-defined]
    loop._timer.add_callback(handle, 0.01)  # what a coarse Qt timer would do, only worse
    when = handle.when()  # type: ignore[attr-defined]
    await until(lambda: fired)
    assert fired[0] >= when


@pytest.mark.asyncio
async def test_cancelled_timers_leave_qt(qapp: QApplication) -> None:
    loop = precise_loop()
    before = loop.timers_alive()
    handles = [loop.call_later(30.0, print) for _ in range(1000)]
    assert loop.timers_alive() == before + 1000
    for handle in handles:
        handle.cancel()
        handle.cancel()
    assert loop.timers_alive() == before


@pytest.mark.asyncio
async def test_cancelling_what_has_fired_leaves_the_next_holder_of_its_number_alone(qapp: QApplication) -> None:
    loop = precise_loop()
    fired: list[str] = []
    old = loop.call_later(0.001, fired.append, "old")
    await until(lambda: fired)
    new = loop.call_later(0.01, fired.append, "new")
    old.timer_id = new.timer_id  # type: ignore[attr-defined]  # Qt gives numbers out again, after millions of others
    old.cancel()
    await until(lambda: fired == ["old", "new"])


@pytest.mark.asyncio
async def test_calls_come_in_order(qapp: QApplication) -> None:
    loop, seen = precise_loop(), list[int]()
    for index in range(500):
        loop.call_soon(seen.append, index)
    await until(lambda: len(seen) == 500)
    assert seen == list(range(500))


@pytest.mark.asyncio
async def test_a_wait_longer_than_qt_can_count_is_kept(qapp: QApplication) -> None:
    loop = precise_loop()
    fired: list[bool] = []
    handle = loop.call_later(2.0 * MAX_TIMER_MS, fired.append, True)
    await asyncio.sleep(0.02)
    assert not fired
    handle.cancel()


@pytest.mark.asyncio
async def test_a_failing_callback_reaches_the_handler_and_the_loop_goes_on(qapp: QApplication) -> None:
    loop = precise_loop()
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: contexts.append(context))
    loop.call_later(0.001, lambda: 1 // 0)
    loop.call_soon(lambda: 1 // 0)
    await until(lambda: len(contexts) == 2)
    loop.set_exception_handler(None)
    assert all(isinstance(context["exception"], ZeroDivisionError) for context in contexts)


@pytest.mark.asyncio
async def test_threads_hand_back_results_and_errors(qapp: QApplication) -> None:
    assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 // 0)
    assert sum(await asyncio.gather(*(asyncio.to_thread(int, str(n)) for n in range(50)))) == 1225
    await until(lambda: precise_loop().executor.busy() == 0)


def test_the_end_does_not_wait_for_a_thread(qapp: QApplication) -> None:
    release = threading.Event()

    async def main() -> PreciseLoop:
        loop = precise_loop()
        loop.run_in_executor(None, release.wait)
        await until(lambda: loop.executor.busy() == 1)
        return loop

    with asyncio.Runner(loop_factory=lambda: PreciseLoop(qapp)) as runner:
        loop = runner.run(main())
    assert not release.is_set()
    assert loop.is_closed()
    assert loop.executor.busy() == 1
    release.set()


def test_a_thread_that_ends_after_the_loop_does_no_harm(qapp: QApplication) -> None:
    release = threading.Event()

    async def main() -> PreciseLoop:
        loop = precise_loop()
        loop.run_in_executor(None, release.wait)
        return loop

    with asyncio.Runner(loop_factory=lambda: PreciseLoop(qapp)) as runner:
        loop = runner.run(main())
    release.set()
    deadline = time.monotonic() + 5.0
    while loop.executor.busy() and time.monotonic() < deadline:
        qapp.processEvents()
    assert loop.executor.busy() == 0
    with pytest.raises(RuntimeError, match="shut down"):
        loop.executor.submit(print)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None is immortal there, so it cannot be lost")
def test_qt_loses_no_reference_to_none(qapp: QApplication) -> None:
    """PySide6 6.12.0 loses one per void call on Python 3.11, and aborts after some thousands (PYSIDE-3474)."""
    label = QLabel()
    before = sys.getrefcount(None)
    for _ in range(1000):
        label.setEnabled(True)
    assert abs(sys.getrefcount(None) - before) < 100


# -- calm: a turn of Qt's loop runs a bounded part of what is ready ------------------------------------------------


def costing(loop: PreciseLoop, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let every callback take that long, as far as the loop can tell."""
    clock = itertools.count()
    monkeypatch.setattr(loop._timer, "_clock", lambda: next(clock) * seconds)


@pytest.mark.asyncio
async def test_a_turn_runs_what_fits_into_its_time_and_the_rest_stays_in_order(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, seen, turns = precise_loop(), list[int](), list[int]()
    run_turn = loop._timer._run_turn

    def counted() -> None:
        before = len(seen)
        run_turn()
        turns.append(len(seen) - before)

    monkeypatch.setattr(loop._timer, "_run_turn", counted)
    costing(loop, monkeypatch, TURN_SECONDS / 3.5)
    for index in range(100):
        loop.call_soon(seen.append, index)
    while len(seen) < 100:  # noqa: ASYNC110  what is counted shall not run in the loop
        await asyncio.sleep(0.005)
    assert seen == list(range(100))
    assert max(turns) == 4  # the fourth ends beyond the turn's time


@pytest.mark.asyncio
async def test_qt_has_its_turn_between_callbacks_that_call_one_another(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, count = precise_loop(), itertools.count()
    clicked_at: list[int] = []

    def again() -> None:
        if next(count) < 1000:
            loop.call_soon(again)

    costing(loop, monkeypatch, TURN_SECONDS)
    for _ in range(50):
        loop.call_soon(again)
    QTimer.singleShot(0, lambda: clicked_at.append(next(count)))  # Qt brings it like a click: between two turns
    await until(lambda: clicked_at)
    assert clicked_at[0] < 10


@pytest.mark.asyncio
async def test_due_timers_wait_in_the_same_queue(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, seen = precise_loop(), list[str]()
    for _ in range(20):
        loop.call_later(0.001, seen.append, "timer")
    cancelled = [loop.call_later(0.001, seen.append, "cancelled") for _ in range(3)]
    time.sleep(0.005)  # noqa: ASYNC251  all are due when Qt looks
    costing(loop, monkeypatch, 1.0)
    for handle in cancelled:
        loop.call_soon(handle.cancel)
    await until(lambda: len(seen) >= 20)
    assert seen == ["timer"] * 20


@pytest.mark.asyncio
async def test_a_nested_qt_loop_goes_on_with_the_queue(qapp: QApplication) -> None:
    loop, seen = precise_loop(), list[str]()
    loop.call_soon(qapp.processEvents)
    for word in "abc":
        loop.call_soon(seen.append, word)
    await until(lambda: len(seen) == 3)
    assert seen == ["a", "b", "c"]


@pytest.mark.asyncio
async def test_a_callback_that_holds_the_window_is_logged_by_name_once_a_second(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def brooding() -> None:
        await asyncio.sleep(0)

    loop = precise_loop()
    mine, theirs = socket.socketpair()
    with mine, theirs:
        theirs.send(b"x")
        costing(loop, monkeypatch, LAG_SECONDS * 1.1)
        await asyncio.create_task(brooding(), name="think")  # noqa: TID251
        for _ in range(5):
            await asyncio.sleep(0)
        assert [record.message for record in caplog.records] == [
            "loop lag: the window stood still for 55 ms in task 'think' (" + brooding.__qualname__ + ")"
        ]

        def take() -> None:
            mine.recv(1)
            loop._timer._lag_logged = -math.inf  # as if a second had passed

        loop.add_reader(mine, take)
        await until(lambda: len(caplog.records) > 1)
        loop.remove_reader(mine)
        assert caplog.records[1].message.endswith(f"in {take.__qualname__}")


@pytest.mark.asyncio
async def test_usual_callbacks_are_not_logged(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    costing(precise_loop(), monkeypatch, LAG_SECONDS * 0.9)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not caplog.records
