"""Attempts side by side: what each one came to, its error as a value."""

from collections.abc import Awaitable
from typing import TypeVar

from core.errors import PeerError

T = TypeVar("T")


async def outcome(awaited: Awaitable[T]) -> T | PeerError:
    """Return what it returns, or the PeerError that it raises."""
    try:
        return await awaited
    except PeerError as error:
        return error


def taken(value: T | PeerError) -> T:
    """Return the value. Raises the error that it is."""
    if isinstance(value, PeerError):
        raise value
    return value
