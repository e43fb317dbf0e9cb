"""Every transition of the table happens in the runs of the arena, and none besides."""

from collections import Counter
from collections.abc import Iterable

import pytest

from core.utp.connection import Connection
from core.utp.state import TRANSITIONS, State
from tests.support.interpreted import interpreted
from tests.torture.arena import reproduce
from tests.torture.plan import draw, with_corruption, with_mishaps

RARE = (48, 36, 53, 0, *range(32, 52))  # those that have the rare ones; the first four, today, have all


@interpreted  # it watches a private method
@pytest.mark.parametrize(
    ("seeds", "to_the_end"), [(RARE, False), pytest.param(range(70), True, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_every_transition_is_seen(monkeypatch: pytest.MonkeyPatch, seeds: Iterable[int], to_the_end: bool) -> None:
    table = {(state, target) for state, targets in TRANSITIONS.items() for target in targets}
    seen: Counter[tuple[State, State]] = Counter()
    enter = Connection._enter

    def watched(self: Connection, new: State) -> None:
        seen[self.state, new] += 1
        enter(self, new)

    monkeypatch.setattr(Connection, "_enter", watched)
    for seed in seeds:
        if table <= set(seen) and not to_the_end:
            break
        reproduce(with_mishaps(draw(seed)))
        if seed % 4 == 0:
            reproduce(with_corruption(draw(seed), anywhere=True))
    never = table - set(seen)
    assert not never, f"never seen: {never}"
    assert set(seen) == table
