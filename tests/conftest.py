"""What holds for every test: markers name the tools a test needs, and a missing one is never a silent skip in CI."""

import os

import pytest

from tests.support.tools import demand

# Programs run on the loop that every user has, though the checks install uvloop; those that test it say so.
os.environ.setdefault("GRAPEVINE_LOOP", "asyncio")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip (under CI=true: fail) a test whose tools are missing."""
    demand([mark.name for mark in item.iter_markers()])
