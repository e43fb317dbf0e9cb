"""A program that answers JSON requests: one run for each, or one that goes on and answers line by line."""

import asyncio
import contextlib
import json
from collections import deque
from typing import ClassVar, Final

from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError
from core.kinds.base import Check, Shared
from core.kinds.program import CLOSED_PIPE, LINE_MAX, PROGRAM, Program, answer_of, command_of
from core.kinds.share import Share, flag_option, number_option
from core.kinds.turns import Turns
from core.kinds.values import value_of
from core.limits.rate import Backoff
from core.values import Caller, JsonValue, Outcome

TIMEOUT: Final = 30.0  # seconds a program has for one answer, unless its owner says otherwise
AT_ONCE: Final = 8  # programs of one share that run at a time; a board has four cores
WAITING: Final = 256  # requests of one host that wait for their turn, as one program asks at once; more are refused


class CommandService(Shared):
    """Options: `command`; `lines`: true for a program that goes on; `timeout`: seconds."""

    kind: ClassVar[str] = "json"
    options: ClassVar[frozenset[str]] = frozenset({"command", "lines", "timeout"})

    def __init__(self, share: Share) -> None:
        super().__init__(share)
        self._words = command_of(share)
        self._seconds = number_option(share, "timeout", TIMEOUT, 0.1, 3600.0)
        self._lines = _Lines(self._words, share.name) if flag_option(share, "lines") else None
        self._turns = Turns(share.name, AT_ONCE, WAITING)

    @property
    def description(self) -> str:
        """Say what it is, and nothing else: the command line is the owner's business."""
        return "a program that answers requests"

    async def aclose(self) -> None:
        """End the program that goes on."""
        if self._lines is not None:
            await self._lines.aclose()

    async def check(self) -> Check:
        """Say whether the program is there; it is not run."""
        return Check(True, f"{self._words[0]} is there.")

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Give the payload to the program as one line of JSON; what it prints is the answer, JSON or text."""
        self._turns.check(caller)
        return self._answer(payload, caller)

    async def _answer(self, payload: JsonValue, caller: Caller) -> JsonValue:
        said = json.dumps(payload, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"
        with self._turns.counted(caller):
            async with self._turns.place(caller):
                if self._lines is not None:
                    return await self._lines.ask(said, self._seconds)
                answer = await answer_of(self._words, self.name, said, self._seconds, environment_of(caller))
        try:
            return value_of(answer)
        except ValueError:
            raise LocalError(
                f"the program of {self.name} printed what is neither JSON nor text", name=PROGRAM
            ) from None


def environment_of(caller: Caller) -> dict[str, str]:
    """Return what a program is told of its caller."""
    return {
        "GRAPEVINE_CALLER": str(caller.peer_id) if caller.peer_id is not None else "",
        "GRAPEVINE_CALLER_ADDRESS": str(caller.address),
    }


class _Lines:
    """A program that goes on: a line of JSON in, a line out, in the same order. It is started when first asked."""

    def __init__(self, words: list[str], name: str) -> None:
        self._words = words
        self._name = name
        self._program: Program | None = None
        self._ending: set[Program] = set()
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._tasks = TaskSet(f"program of {name}")
        self._starting = asyncio.Lock()
        self._backoff = Backoff(0.5, 60.0)
        self._not_before = 0.0

    async def aclose(self) -> None:
        """End it."""
        await self._tasks.aclose()
        await self._end(LocalError(f"{self._name} is no longer shared", name=PROGRAM))
        for program in list(self._ending):  # whose end was cut short with the task that awaited it
            await program.aclose()

    async def ask(self, said: bytes, seconds: float) -> JsonValue:
        """Send a line and return the answer to it. Raises LocalError."""
        process = await self._running()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        assert process.stdin is not None
        try:
            async with asyncio.timeout(seconds):
                with contextlib.suppress(*CLOSED_PIPE):  # the reader notices its end
                    process.stdin.write(said)
                    await process.stdin.drain()
                return value_of(await answer)
        except TimeoutError:
            late = LocalError(f"the program of {self._name} did not answer within {seconds:g} s", name="ERR_TIMEOUT")
            await self._end(late)  # the next line that it prints would answer the wrong request
            raise late from None
        except ValueError:
            raise LocalError(
                f"the program of {self._name} printed what is neither JSON nor text", name=PROGRAM
            ) from None

    async def _running(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                return self._process
            wait = self._not_before - asyncio.get_running_loop().time()
            if wait > 0:
                raise LocalError(
                    f"the program of {self._name} ended: it is started again in {wait:.0f} s", name=PROGRAM
                )
            self._program = Program(self._words, self._name)
            self._process = await self._program.start(limit=LINE_MAX)
            self._tasks.spawn(self._program.drain_errors(), name="stderr")
            self._tasks.spawn(self._read(self._program, self._process), name="stdout")
            return self._process

    async def _read(self, program: Program, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        failure: PeerError = LocalError(f"the program of {self._name} ended", name=PROGRAM)
        try:
            while line := await process.stdout.readline():
                if self._waiting and self._program is program:
                    answer = self._waiting.popleft()
                    self._backoff.succeeded()
                    if not answer.done():
                        answer.set_result(line)
        except ValueError:
            failure = LocalError(f"the program of {self._name} printed a line over {LINE_MAX} bytes", name=PROGRAM)
        if self._program is program:
            self._not_before = asyncio.get_running_loop().time() + self._backoff.failed()
            await self._end(failure)

    async def _end(self, failure: PeerError) -> None:
        waiting, self._waiting = self._waiting, deque()
        for answer in waiting:
            if not answer.done():
                answer.set_exception(failure.again())
                answer.exception()  # retrieved: who asked may have gone
        program, self._program, self._process = self._program, None, None
        if program is not None:
            self._ending.add(program)
            await program.aclose()
            self._ending.discard(program)
