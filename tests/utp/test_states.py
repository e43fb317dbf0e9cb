"""The table of states: its document is what the table says, and the table hangs together."""

from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.mux import Mux
from core.utp.state import TRANSITIONS, State
from scripts.state_diagram import DOCUMENT, MEANINGS, document
from tests.utp.pair import B


def test_the_document_is_made_of_the_table() -> None:
    assert DOCUMENT.read_text() == document(), "run python -m scripts.state_diagram"
    for state, targets in TRANSITIONS.items():
        for target, causes in targets.items():
            assert f"| {state.value} | {target.value} | {'; '.join(causes)} |" in document()


def test_every_state_is_in_the_table_and_leads_to_the_end() -> None:
    assert set(TRANSITIONS) == set(MEANINGS) == set(State)
    assert all(causes for targets in TRANSITIONS.values() for causes in targets.values())
    assert TRANSITIONS[State.CLOSED] == {}
    assert all(State.CLOSED in targets for state, targets in TRANSITIONS.items() if state is not State.CLOSED)


@pytest.mark.parametrize("new", [State.SYN_SENT, State.SYN_RECEIVED, State.LOCAL_ENDED, State.BOTH_ENDED])
def test_what_is_not_in_the_table_is_refused(new: State) -> None:
    connection = Mux(UtpConfig(), Random(1)).connect(B, 0.0)
    with pytest.raises(AssertionError, match="not in the table"):
        connection._enter(new)
    assert connection.state is State.SYN_SENT
