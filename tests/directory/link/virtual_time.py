"""Moved to tests/support/virtual_time.py; this name goes once no branch uses it."""

from tests.support.virtual_time import now, run

__all__ = ["now", "run"]
