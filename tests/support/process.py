"""Programs that talk JSON lines, driven from a test: our command line, and the Node scripts of tests/interop.

Every object that a program prints has an `event` field and is kept, so that a test may ask for what has
already happened. Whatever goes wrong, the failure shows what the program printed, and nothing outlives its test.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from tests.support import forks
from tests.support.tools import INTEROP, ROOT

Event: TypeAlias = dict[str, Any]
Answer: TypeAlias = Any  # JSON; the test that asked compares it with what it expects

# Seconds for anything a healthy program does at once; generous, because CI machines stall.
PATIENCE = 60.0
NO_KEYRING = "keyring.backends.fail.Keyring"  # PYTHON_KEYRING_BACKEND: a test's keys are in its folder, not in yours
_STDERR_KEPT = 200_000  # characters; of which a failure shows the end
_STDERR_SHOWN = 3000


class ProgramFailed(AssertionError):
    """The program ended, or did not say what the test waited for."""


class Program(asyncio.SubprocessProtocol):
    """A running program. Made by `running`; `events` is all it has printed so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[Event] = []
        self.stderr = ""
        self._partial = b""
        self._changed = asyncio.Event()  # set, and replaced, with every event and at the end
        self._ended = asyncio.Event()
        self._last_id = 0
        self._transport: asyncio.SubprocessTransport | None = None

    @property
    def transport(self) -> asyncio.SubprocessTransport:
        """The running process."""
        if self._transport is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._transport

    @property
    def ended(self) -> bool:
        """Whether the program has ended."""
        return self._ended.is_set()

    @property
    def pid(self) -> int:
        """The process id of the program itself."""
        return self.transport.get_pid()

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a process that has just started."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Cut standard output into events; keep the end of standard error."""
        if fd == 2:
            self.stderr = (self.stderr + data.decode(errors="replace"))[-_STDERR_KEPT:]
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        self.events += [_event(line) for line in lines]
        self._notify()

    def connection_lost(self, _: Exception | None) -> None:
        """Note that the process has ended and all it printed has arrived, its last line with or without an end."""
        if self._partial:
            self.events.append(_event(self._partial))
            self._partial = b""
        self._ended.set()
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # -- what tests call

    async def event(
        self, kind: str, where: Callable[[Event], bool] = lambda _: True, *, timeout: float = PATIENCE
    ) -> Event:
        """Return the first event of `kind` that satisfies `where`, waiting up to `timeout` seconds for it."""
        looked_at = 0
        try:
            async with asyncio.timeout(timeout):
                while True:
                    new, looked_at = self.events[looked_at:], len(self.events)
                    found = next((e for e in new if e.get("event") == kind and where(e)), None)
                    if found is not None:
                        return found
                    if self._ended.is_set():
                        break
                    await self._changed.wait()
        except TimeoutError:
            raise ProgramFailed(f"{self.name}: no {kind!r} in {timeout} s\n{self.transcript()}") from None
        raise ProgramFailed(f"{self.name} ended without {kind!r}\n{self.transcript()}")

    def count(self, kind: str) -> int:
        """Return how many events of `kind` were printed so far."""
        return sum(e.get("event") == kind for e in self.events)

    def say(self, wish: Mapping[str, object]) -> None:
        """Write a line of JSON to its standard input."""
        stdin = cast("asyncio.WriteTransport", self.transport.get_pipe_transport(0))
        stdin.write(json.dumps(wish).encode() + b"\n")

    async def command(self, name: str, /, *, patience: float = PATIENCE, **args: object) -> Answer:
        """Have a Node script do `name`; return its result, or raise RuntimeError with its error."""
        self._last_id += 1
        number = self._last_id
        self.say({"id": number, "name": name, "args": args})
        answer = await self.event("answer", lambda e: bool(e["id"] == number), timeout=patience)
        if answer["error"] is not None:
            raise RuntimeError(answer["error"])
        return answer["result"]

    async def wait(self, *, timeout: float = PATIENCE) -> int:
        """Return the exit status once the program has ended by itself."""
        async with asyncio.timeout(timeout):
            await self._ended.wait()
        status = self.transport.get_returncode()
        if status is None:
            raise ProgramFailed(f"{self.name} closed its pipes and is still running")
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal to the program."""
        self.transport.send_signal(number)

    def transcript(self) -> str:
        """Return what the program printed last, for a failure's message."""
        lines = [json.dumps(event)[:300] for event in self.events[-30:]]
        return "\n".join([f"--- {self.name} printed", *lines, "--- stderr", self.stderr[-_STDERR_SHOWN:]])

    async def stop(self) -> None:
        """Kill the program unless it has ended; return when it has."""
        with contextlib.suppress(ProcessLookupError):
            self.transport.kill()
        await self._ended.wait()
        self.transport.close()


def _event(line: bytes) -> Event:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) else {"event": "garbage", "line": line.decode(errors="replace")}


@contextlib.asynccontextmanager
async def running(
    name: str, command: Sequence[str], *, env: dict[str, str] | None = None, cwd: Path = ROOT
) -> AsyncIterator[Program]:
    """Start a program, collect its events, and kill it at the end whatever happened."""
    program = Program(name)
    await _start(lambda: program, command, cwd=cwd, env={**os.environ, **(env or {})})
    try:
        yield program
    finally:
        await program.stop()


async def _start(
    make: Callable[[], asyncio.SubprocessProtocol], command: Sequence[str], *, cwd: Path, env: Mapping[str, str]
) -> asyncio.SubprocessTransport:
    """Start a program, ours by a fork where that is the same."""
    if forks.forkable(command, env):
        return await forks.start(make, command, cwd=cwd, env=env)
    return (await asyncio.get_running_loop().subprocess_exec(make, *command, cwd=cwd, env=dict(env)))[0]


@dataclass(frozen=True)
class Finished:
    """How a program ended."""

    code: int
    out: bytes
    err: str


class _Printed(asyncio.SubprocessProtocol):
    """What a program printed till its end."""

    def __init__(self) -> None:
        self.out, self.err = bytearray(), bytearray()
        self.ended = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep it."""
        (self.err if fd == 2 else self.out).extend(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Note the end."""
        self.ended.set()


async def to_its_end(
    command: Sequence[str], *, env: Mapping[str, str], said: bytes = b"", cwd: Path = ROOT, timeout: float = 90.0
) -> Finished:
    """Run a program to its end, with `said` on its standard input and `env` as its whole environment.

    It is given `timeout` seconds, since CI machines stall; then it is killed, and that is a failure.
    """
    printed = _Printed()
    transport = await _start(lambda: printed, command, cwd=cwd, env=env)
    try:
        stdin = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
        stdin.write(said)
        stdin.write_eof()
        async with asyncio.timeout(timeout):
            await printed.ended.wait()
    except TimeoutError:
        text = f"{bytes(printed.out[-2000:])!r} {printed.err.decode(errors='replace')[-_STDERR_SHOWN:]}"
        raise ProgramFailed(f"{command} went on after {timeout} s: {text}") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            transport.kill()
        await printed.ended.wait()
        transport.close()
    return Finished(transport.get_returncode() or 0, bytes(printed.out), printed.err.decode(errors="replace"))


@contextlib.asynccontextmanager
async def node(
    script: str, options: dict[str, object] | None = None, *, inside: Sequence[str] = ()
) -> AsyncIterator[Program]:
    """Start tests/interop/SCRIPT.js and wait until it is ready. `inside`: a command prefix, as `ip netns exec NAME`."""
    label = f"{script}.js {json.dumps(options or {})}"
    async with running(label, [*inside, "node", str(INTEROP / f"{script}.js"), json.dumps(options or {})]) as program:
        await program.event("ready")
        yield program


@contextlib.asynccontextmanager
async def grapevine(
    *arguments: str, inside: Sequence[str] = (), home: Path, env: dict[str, str] | None = None
) -> AsyncIterator[Program]:
    """Start our command line with --json, its settings under `home`, away from the developer's own."""
    own = {f"XDG_{kind}_HOME": str(home) for kind in ("CONFIG", "DATA", "STATE")}
    env = {**own, "PYTHON_KEYRING_BACKEND": NO_KEYRING, **(env or {})}
    command = [*inside, sys.executable, "-m", "core.cli", *arguments, "--json"]
    async with running("grapevine " + " ".join(arguments), command, env=env) as program:
        yield program


async def until(condition: Callable[[], Awaitable[bool]], what: str, *, timeout: float = PATIENCE) -> None:
    """Ask again and again until `condition` holds: for what a program knows but does not announce."""
    try:
        async with asyncio.timeout(timeout):
            while not await condition():  # noqa: ASYNC110  another process's state: there is no event to wait for
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise ProgramFailed(f"after {timeout} s it is still not so that {what}") from None
