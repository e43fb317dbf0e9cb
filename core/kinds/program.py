"""Programs that a share runs: each in a process group of its own, bounded in time and output, ended as a group."""

import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import signal
from collections.abc import Mapping
from typing import Final

from core.errors import LocalError
from core.files.environment import for_others
from core.kinds import strays
from core.kinds.share import BAD, Share, text_option

PROGRAM: Final = "ERR_PROGRAM"  # the program behind a service failed; its owner's log has the story
ANSWER_MAX: Final = 8 * 1024 * 1024  # bytes of one answer; half of what an RPC message may have, and JSON may grow
LINE_MAX: Final = 256 * 1024  # bytes of one line of a program that goes on
GRACE: Final = 2.0  # seconds between SIGTERM and SIGKILL
LAST_WORDS: Final = 1.0  # seconds for what a program that has ended left in its pipes
_STDERR_KEPT: Final = 2000  # bytes of what a program says on stderr, for the log
_READ: Final = 65536
CLOSED_PIPE: Final = (ConnectionError, RuntimeError)  # on a program's stdin once it has ended; the latter is uvloop's

_log = logging.getLogger(__name__)


def command_of(share: Share) -> list[str]:
    """Return the option `command` as words. Raises LocalError for one that is empty, unbalanced, or is no program."""
    text = text_option(share, "command")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise LocalError(f"{share.name}: the command {text[:80]!r} cannot be read: {error}", name=BAD) from None
    if not words or not _is_program(words[0]):
        raise LocalError(
            f"{share.name}: there is no program {text[:80]!r}: check its path and that it may be run", name=BAD
        )
    return words


def _is_program(word: str) -> bool:
    return shutil.which(os.path.expanduser(word)) is not None


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Tells of the program's own end. `Process.wait` of CPython 3.11 waits for its pipes too (gh-119710)."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit, loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        self.exited.set()
        super().process_exited()


class Program:
    """One running program. `env` is added to the environment."""

    def __init__(self, words: list[str], name: str, env: Mapping[str, str] | None = None) -> None:
        self._words = [os.path.expanduser(words[0]), *words[1:]]
        self._name = name
        self._mark = strays.new_mark()
        ours = {"GRAPEVINE_SERVICE": name, strays.MARK: self._mark}
        self._env = {**for_others(os.environ), **ours, **(env or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()
        self.said = ""  # the end of what it said on stderr

    @property
    def running(self) -> asyncio.subprocess.Process | None:
        """The process, once it was started."""
        return self._process

    async def start(self, *, limit: int = LINE_MAX) -> asyncio.subprocess.Process:
        """Start it. Raises LocalError."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, protocol = await loop.subprocess_exec(
                lambda: _Protocol(limit, loop),
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._env,
                start_new_session=os.name == "posix",  # a group of its own, which is ended as a whole
            )
        except (OSError, ValueError) as error:
            raise LocalError(f"the program of {self._name} cannot be started: {error}", name=PROGRAM) from None
        self._exited = protocol.exited
        self._process = asyncio.subprocess.Process(self._transport, protocol, loop)
        return self._process

    async def wait(self) -> int:
        """Wait until the program itself has ended; return its code. Its children may go on."""
        await self._exited.wait()
        code = None if self._process is None else self._process.returncode
        return -1 if code is None else code

    async def drain_errors(self) -> None:
        """Keep the end of what it says on stderr, until that ends."""
        assert self._process is not None
        assert self._process.stderr is not None
        kept = b""
        while chunk := await self._process.stderr.read(_READ):
            kept = (kept + chunk)[-_STDERR_KEPT:]
            self.said = kept.decode(errors="replace").strip()

    async def aclose(self) -> None:
        """End it and all that it started: politely, then for good. Idempotent."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(GRACE):
                    await self.wait()
            except TimeoutError:
                pass
        self.end_group()
        await self.wait()
        if self._transport is not None:
            self._transport.close()  # a child that escaped its group may hold the pipes open for ever
        strays.end_soon(self._mark)

    def end_group(self) -> None:
        """End what it started, for good: children may outlive their parent."""
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def _signal(self, number: int) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)


async def answer_of(words: list[str], name: str, said: bytes, seconds: float, env: Mapping[str, str]) -> bytes:
    """Run a program to its end: `said` on stdin, the answer from stdout.

    Raises LocalError: ERR_PROGRAM, or ERR_TIMEOUT after `seconds`. What it left running is ended with it.
    """
    program = Program(words, name, env)
    process = await program.start()
    answer = bytearray()
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(program.drain_errors()), tasks.create_task(_feed(process, said))]
            helpers.append(tasks.create_task(_read_bounded(process, name, answer)))
            await program.wait()
            program.end_group()  # children that go on would hold its output open
            await asyncio.wait(helpers, timeout=LAST_WORDS)
            for helper in helpers:
                helper.cancel()
    except TimeoutError:
        raise LocalError(f"the program of {name} did not answer within {seconds:g} s", name="ERR_TIMEOUT") from None
    except BaseExceptionGroup as group:
        raise _first(group) from None
    finally:
        await program.aclose()
    if process.returncode:
        _log.warning("the program of %s ended with %d: %s", name, process.returncode, program.said)
        raise LocalError(f"the program of {name} failed: it ended with {process.returncode}", name=PROGRAM)
    return bytes(answer)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _feed(process: asyncio.subprocess.Process, said: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(*CLOSED_PIPE):  # it does not want to know
        process.stdin.write(said)
        await process.stdin.drain()
        process.stdin.close()


async def _read_bounded(process: asyncio.subprocess.Process, name: str, answer: bytearray) -> None:
    assert process.stdout is not None
    while chunk := await process.stdout.read(_READ):
        answer += chunk
        if len(answer) > ANSWER_MAX:
            raise LocalError(f"the program of {name} printed more than {ANSWER_MAX // 1024 // 1024} MB", name=PROGRAM)
