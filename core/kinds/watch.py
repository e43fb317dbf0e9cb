"""A program whose every line is a value: a sensor, a log, a counter."""

import asyncio
import logging
from typing import ClassVar, Final

from core.aio.tasks import TaskSet
from core.errors import LocalError
from core.kinds.base import Check, Shared
from core.kinds.program import LAST_WORDS, Program, command_of
from core.kinds.share import Share
from core.kinds.values import Broadcast, value_of
from core.limits.rate import Backoff
from core.tunnel.stream import ByteStream
from core.values import Caller, JsonValue, Outcome
from core.wire.stream_opening import Opening, pack_details

RESTART_LEAST: Final = 1.0  # seconds before a program that ended is started again
RESTART_MOST: Final = 60.0
STEADY: Final = 60.0  # seconds after which a program that ends has run well, and is started again at once

_log = logging.getLogger(__name__)


class WatchService(Shared):
    """Options: `command`. It runs as long as the share is on; one that ends is started again, less and less often."""

    kind: ClassVar[str] = "values"
    options: ClassVar[frozenset[str]] = frozenset({"command"})

    def __init__(self, share: Share) -> None:
        super().__init__(share)
        self._words = command_of(share)
        self._values = Broadcast()
        self._tasks = TaskSet(f"watch {share.name}")
        self._state = "The program has not printed anything yet."

    @property
    def description(self) -> str:
        """Say what it is, and nothing else."""
        return "values that go on"

    async def start(self) -> None:
        """Start the program. Raises LocalError when it cannot be started at all."""
        program = Program(self._words, self.name)
        await program.start()
        self._tasks.spawn(self._run_forever(program), name=f"run {self.name}")

    async def aclose(self) -> None:
        """End the program."""
        await self._tasks.aclose()

    async def check(self) -> Check:
        """Say what the program does."""
        return Check(self._values.last is not None, self._state)

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Return the newest value, whatever is asked."""
        return self._values.newest(self.name)

    async def serve(self, stream: ByteStream, opening: Opening, caller: Caller) -> None:
        """Send the newest value and every further one."""
        stream.accept(pack_details({"k": self.kind}))
        await self._values.send_to(stream)

    async def _run_forever(self, program: Program) -> None:
        backoff, loop = Backoff(RESTART_LEAST, RESTART_MOST), asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._run(program)
            except LocalError as error:
                self._state = f"{error}."
                _log.warning("%s", error)
            if loop.time() - began >= STEADY:
                backoff.succeeded()
            await asyncio.sleep(backoff.failed())
            program = Program(self._words, self.name)

    async def _run(self, program: Program) -> None:
        try:
            process = program.running or await program.start()
            errors = self._tasks.spawn(program.drain_errors(), name="stderr")
            assert process.stdout is not None
            while line := await _line(process.stdout, self.name):
                self._state = "The program prints values."
                try:
                    self._values.put(value_of(line))
                except ValueError:
                    _log.warning("%s printed what is no text", self.name)
            code = await program.wait()
            program.end_group()
            await asyncio.wait((errors,), timeout=LAST_WORDS)
        finally:
            await program.aclose()
        raise LocalError(f"the program of {self.name} ended with {code}: {program.said[-200:] or 'it said nothing'}")


async def _line(stdout: asyncio.StreamReader, name: str) -> bytes:
    try:
        return await stdout.readline()
    except ValueError:
        raise LocalError(f"the program of {name} printed a line that is too long") from None
