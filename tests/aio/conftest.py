"""Every async test here runs on each of the loops that this program may run on."""

from tests.support.loops import failures, pytest_asyncio_loop_factories

__all__ = ["failures", "pytest_asyncio_loop_factories"]  # pytest finds them here
