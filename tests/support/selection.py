"""What a run was asked for: fixtures that play many scenes at once play these only."""

from typing import Any

import pytest


def chosen(request: pytest.FixtureRequest, parameter: str) -> list[Any]:
    """Return the values of a parameter in the requesting module's tests that this run selected, each once, in order."""
    found: dict[Any, None] = {}
    for item in request.session.items:
        values = getattr(item, "callspec", None)
        if item.path == request.path and values is not None and parameter in values.params:
            found[values.params[parameter]] = None
    return list(found)
