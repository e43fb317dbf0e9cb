"""Moved to tests/support/virtual_time.py; this name goes once no branch uses it."""

from tests.support.virtual_time import Deadlock, VirtualLoop, run, settle

__all__ = ["Deadlock", "VirtualLoop", "run", "settle"]
