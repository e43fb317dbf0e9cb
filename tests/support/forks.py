"""Our command line without the half second that Python takes to load it: forked from a process that has loaded it.

`start` is `loop.subprocess_exec`, and so are its answers; `forkable` says of which commands. Each process that runs
tests has one server (`tests.support.fork_server`), from the first such command to its own end, and in its namespace.
What is not as in a program that Python starts: modules are loaded that it may not need, and hashes have one seed in
all programs of a server. GRAPEVINE_TEST_REAL=1 starts every program for real.
"""

import asyncio
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.tools import ROOT

OURS = (sys.executable, "-m", "core.cli")
# Read while Python starts or a module is loaded: a program with other ones than the server is started for real.
_AT_THE_START = ("PYTHON", "GRAPEVINE_ENGINES", "LC_", "LANG", "LD_", "COVERAGE_")
_LATER = ("PYTHON_KEYRING_BACKEND", "PYTHONPATH")  # of PYTHONPATH: ours is found without it


def forkable(command: Sequence[str], env: Mapping[str, str]) -> bool:
    """Say whether `start` may be used: for our command line, perhaps behind `ip netns exec NAME`, as Python starts it.

    Not while coverage is measured: it is switched on when Python starts. Nor where a namespace has files of its own in
    /etc: it is `ip netns exec` that puts them there.
    """
    namespace, ours = _parted(command)
    if namespace and Path("/etc/netns", namespace).exists():
        return False
    if sys.platform != "linux" or os.environ.get("GRAPEVINE_TEST_REAL") or any("COVERAGE_" in name for name in env):
        return False
    return tuple(ours[:3]) == OURS and early(env) == early(os.environ)


def _parted(command: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Part the network namespace that it is to run in, or "", from a command."""
    return (command[3], command[4:]) if tuple(command[:3]) == ("ip", "netns", "exec") else ("", command)


def early(env: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment is read at the start of Python: as the server has it, where a fork is to do."""
    return {name: value for name, value in env.items() if name.startswith(_AT_THE_START) and name not in _LATER}


def as_forked(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with what is read at the start of Python as the server has it."""
    return {**{name: value for name, value in env.items() if name not in early(env)}, **early(os.environ)}


async def start(
    make: Callable[[], asyncio.SubprocessProtocol], command: Sequence[str], *, cwd: Path, env: Mapping[str, str]
) -> "Forked":
    """Start our command line, with a pipe for each of its standard streams. Raises OSError."""
    namespace, ours = _parted(command)
    order = {"arguments": ours[3:], "cwd": str(cwd), "env": dict(env), "namespace": namespace}
    pipes = [os.pipe(), os.pipe(), os.pipe()]
    theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
    status, its_status = socket.socketpair()
    status.setblocking(False)
    with its_status:
        socket.send_fds(_server()[0], [json.dumps(order).encode()], [*theirs, its_status.fileno()])
    for number in theirs:
        os.close(number)
    loop = asyncio.get_running_loop()
    told = await loop.sock_recv(status, 100)
    pid, _, code = told.partition(b"\n")  # what ends at once may have told its end as well
    if not pid:
        status.close()
        raise OSError(f"{command} was not forked: standard error of the tests says why")
    forked = Forked(make(), int(pid), status, code)
    await forked.open(pipes[0][1], pipes[1][0], pipes[2][0])
    return forked


@functools.cache
def _server() -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        number = its.fileno()
        command = [sys.executable, "-m", "tests.support.fork_server", str(number)]
        nothing = subprocess.DEVNULL
        return ours, subprocess.Popen(command, cwd=ROOT, pass_fds=[number], stdin=nothing, stdout=nothing)


def end() -> None:
    """End the server of this process, if it was needed."""
    if _server.cache_info().currsize:
        orders, process = _server()
        orders.close()
        process.wait()
        _server.cache_clear()


class _Pipe(asyncio.Protocol):
    """One of the three, for the protocol of all."""

    def __init__(self, forked: "Forked", number: int) -> None:
        self._forked = forked
        self._number = number

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._forked.protocol.pipe_data_received(self._number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._forked.pipe_lost(self._number, exc)


class Forked(asyncio.SubprocessTransport):
    """A program that was forked for us. Made by `start`."""

    def __init__(
        self, protocol: asyncio.SubprocessProtocol, pid: int, status: socket.socket, told: bytes = b""
    ) -> None:  # fmt: skip
        """`told`: what `status` has said of its end already."""
        super().__init__()
        self.protocol = protocol
        self._pid = pid
        self._status = status
        self._told = told
        self._code: int | None = None
        self._pipes: dict[int, asyncio.BaseTransport] = {}
        self._open = 3  # pipes
        self._loop = asyncio.get_running_loop()

    async def open(self, stdin: int, stdout: int, stderr: int) -> None:
        """Take our ends of its pipes."""
        self.protocol.connection_made(self)
        write = await self._loop.connect_write_pipe(lambda: _Pipe(self, 0), os.fdopen(stdin, "wb", 0))
        self._pipes[0] = write[0]
        for number, end in ((1, stdout), (2, stderr)):
            made = functools.partial(_Pipe, self, number)
            self._pipes[number] = (await self._loop.connect_read_pipe(made, os.fdopen(end, "rb", 0)))[0]
        self._loop.add_reader(self._status, self._exited)

    def pipe_lost(self, number: int, exc: Exception | None) -> None:
        """Note that a pipe is closed: with the third, and the program's end, all is over."""
        self._open -= 1
        self.protocol.pipe_connection_lost(number, exc)
        self._perhaps_over()

    def _exited(self) -> None:
        self._loop.remove_reader(self._status)
        with self._status:
            self._code = int(self._told or self._status.recv(100) or -signal.SIGKILL)
        self.protocol.process_exited()
        self._perhaps_over()

    def _perhaps_over(self) -> None:
        if self._code is not None and self._open == 0:
            self._loop.call_soon(self.protocol.connection_lost, None)

    def get_pid(self) -> int:
        """Return the process id."""
        return self._pid

    def get_returncode(self) -> int | None:
        """Return how it ended, as `subprocess.Popen.returncode`."""
        return self._code

    def get_pipe_transport(self, fd: int) -> asyncio.BaseTransport | None:
        """Return the transport of one of the three."""
        return self._pipes.get(fd)

    def send_signal(self, signal: int) -> None:
        """Send a signal. Raises ProcessLookupError where it has ended."""
        if self._code is not None:
            raise ProcessLookupError
        os.kill(self._pid, signal)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return self._code is not None

    def close(self) -> None:
        """Kill it, unless it has ended, and close the pipes."""
        with contextlib.suppress(ProcessLookupError):
            self.kill()
        for each in self._pipes.values():
            each.close()
