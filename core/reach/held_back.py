"""The error of what the one rule of `core.reach.outreach` keeps back.

It is Python, as all errors are, and that module is compiled.
"""

from core.errors import LocalError


class HeldBack(LocalError):
    """Nothing was sent: this address has not answered, and has had what it may get."""

    name = "ERR_HELD_BACK"
