"""What is shared runs in the window and headless alike: these tests run on all our loops, each on one in every run."""

import pytest

from tests.support.loops import failures, one_loop_in_turn, pytest_asyncio_loop_factories

__all__ = ["failures", "pytest_asyncio_loop_factories"]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave two of the three loops to the slow half."""
    one_loop_in_turn(item)
