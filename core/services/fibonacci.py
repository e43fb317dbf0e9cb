"""The demo service: the first n Fibonacci numbers."""

import asyncio
import json
from typing import cast

from core.services.service import Caller, PayloadError
from core.values import JsonValue, Outcome

MAX_LENGTH = 10_000  # numbers; the 10,000th has 2,090 digits and the whole answer is 10.5 MB of JSON
INLINE_LENGTH = 1_000  # numbers; 0.1 ms on a slow board. Longer sequences are computed in turns of the event loop.
PART = 500  # numbers computed in one turn: 0.1 ms at the end of the longest. A thread would hold the loop for longer
AT_A_TIME = 2  # long sequences: what is computed faster than it is sent would wait in memory
KEPT = 10.0  # seconds that numbers are kept after they were last asked for. All answers have the same numbers, of 5 MB


def fibonacci(length: int) -> list[int]:
    """Return the first `length` Fibonacci numbers, beginning 1, 1, 2. Exact at any size, one addition each."""
    numbers: list[int] = []
    extend(numbers, length)
    return numbers


def extend(numbers: list[int], length: int) -> None:
    """Append the next Fibonacci numbers until there are `length`."""
    current, following = (1, 1) if len(numbers) < 2 else (numbers[-2] + numbers[-1], numbers[-2] + 2 * numbers[-1])
    for _ in range(length - len(numbers)):
        numbers.append(current)
        current, following = following, current + following


class FibonacciService:
    """Answers `{"length": n}` with the first n Fibonacci numbers."""

    name = "fibonacci"
    description = "The first n Fibonacci numbers, exact at any size"

    def __init__(self) -> None:
        self.example: JsonValue = {"length": 10}
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._numbers: list[int] = []  # as many as the longest answer of late has
        self._forgetting: asyncio.TimerHandle | None = None

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Return the sequence, a short one at once. Raises PayloadError for anything but `{"length": 0..10000}`."""
        length = _length(payload)
        return cast("JsonValue", fibonacci(length)) if length <= INLINE_LENGTH else self._in_turns(length)

    async def _in_turns(self, length: int) -> JsonValue:
        """Return the sequence. Answers share their numbers: 14 that waited with numbers of their own took 60 MB."""
        async with self._turns:
            while len(self._numbers) < length:
                extend(self._numbers, min(len(self._numbers) + PART, length))
                self._forget_later()
                await asyncio.sleep(0)
            self._forget_later()
            return cast("JsonValue", self._numbers[:length])

    def _forget_later(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = asyncio.get_running_loop().call_later(KEPT, self._forget)

    def _forget(self) -> None:
        self._numbers = []
        self._forgetting = None


def _length(payload: JsonValue) -> int:
    length = payload.get("length") if isinstance(payload, dict) and len(payload) == 1 else None
    # bool is an int in Python; true is not a length
    if isinstance(length, int) and not isinstance(length, bool) and 0 <= length <= MAX_LENGTH:
        return length
    raise PayloadError(f'expected {{"length": n}} with n a whole number from 0 to {MAX_LENGTH}, got {_shown(payload)}')


def _shown(payload: JsonValue, limit: int = 80) -> str:
    """Return the beginning of a payload, written piece by piece: 10 MB of JSON would hold the loop for 40 ms."""
    text = ""
    # The guard against circles would keep the payload until a full collection, which then frees 10 MB in one go: 60 ms.
    for piece in json.JSONEncoder(ensure_ascii=False, check_circular=False).iterencode(payload):
        text += piece[: limit + 1]
        if len(text) > limit:
            return f"{text[:limit]}..."
    return text
