"""What is shared runs in the window and headless alike: these tests run on all our loops."""

from tests.support.loops import failures, pytest_asyncio_loop_factories

__all__ = ["failures", "pytest_asyncio_loop_factories"]
