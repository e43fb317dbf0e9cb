"""What somebody names is sent to where a way leads there."""

import pytest

from core.calling.outgoing import Outgoing
from core.reach.outreach import Outreach
from core.values import Address
from tests.support.virtual_time import run

FOUR, SIX = Address("198.51.100.7", 4000), Address("2001:db8::7", 4000)


class Own:
    """We are nowhere in particular."""

    def is_self(self, address: Address) -> bool:
        return False

    def is_beside(self, address: Address) -> bool:
        return False


@pytest.mark.parametrize(
    ("named", "led", "kept"),
    [
        ([FOUR, SIX], {FOUR, SIX}, [FOUR, SIX]),
        ([SIX, FOUR], {FOUR}, [FOUR]),
        ([SIX, FOUR], {SIX}, [SIX]),
        ([SIX], {FOUR}, [SIX]),  # nothing else is known: the attempt says why it fails
        ([SIX, FOUR], set(), [SIX, FOUR]),
    ],
)
def test_an_address_that_no_way_leads_to_is_left_out_while_there_are_others(
    named: list[Address], led: set[Address], kept: list[Address]
) -> None:
    async def scene() -> None:
        outgoing = Outgoing(None, Outreach(), Own(), lambda each: each in led)  # type: ignore[arg-type]
        assert outgoing.told(named) == kept

    run(scene())
