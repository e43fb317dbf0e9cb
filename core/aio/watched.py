"""Coroutines of others that are timed step by step: one that computes without waiting holds up the whole loop."""

import types
from collections.abc import Callable, Coroutine, Generator
from time import perf_counter
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def watched(coroutine: Coroutine[Any, Any, T], told: Callable[[float], None]) -> Generator[Any, Any, T]:
    """Await a coroutine as it is, and tell after each step for how many seconds the loop stood still."""
    go_on: Callable[[Any], Any] = coroutine.send
    given: Any = None
    while True:
        began = perf_counter()
        try:
            awaited = go_on(given)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            told(perf_counter() - began)
        try:
            go_on, given = coroutine.send, (yield awaited)
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:
            go_on, given = coroutine.throw, error
