"""Who has connected to us is there: neither a meeting that waits nor a search that looks for it goes on waiting."""

from types import SimpleNamespace
from typing import Any, cast

from core.rendezvous.hearing import Hearing
from core.values import Address

OURS, THERE = Address("11.0.0.1", 4000), Address("11.0.0.2", 5000)


def test_a_connection_ends_what_waits_for_its_other_side() -> None:
    told: list[tuple[str, Address]] = []
    place = SimpleNamespace(is_self=lambda address: address == OURS)
    brokers = SimpleNamespace(reached=lambda address: told.append(("meeting", address)))
    searches = SimpleNamespace(came=lambda address: told.append(("search", address)))
    none = cast(Any, None)
    hearing = Hearing(none, none, cast(Any, place), none, none, cast(Any, brokers), none, cast(Any, searches))
    hearing.on_connection(THERE)
    hearing.on_connection(OURS)
    assert told == [("meeting", THERE), ("search", THERE)]
